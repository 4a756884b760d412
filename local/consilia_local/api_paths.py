"""Where the object API keeps Federations, as Kubernetes' own API does."""

from consilia.spec import API_VERSION

COLLECTION = f"/apis/{API_VERSION}/federations"
ITEM = f"/apis/{API_VERSION}/namespaces/{{namespace}}/federations/{{name}}"
MERGE_PATCH = "application/merge-patch+json"


def path_of(namespace: str, name: str) -> str:
    """The path of one Federation."""
    return ITEM.format(namespace=namespace, name=name)
