"""Where a Kubernetes API server, or ``consilia run`` in its place, keeps Federations.

Imports nothing: the dashboard asks by these paths, and knows the resources as plain documents only.
"""

from typing import Literal

API_VERSION: Literal["consilia.health/v1alpha1"] = "consilia.health/v1alpha1"
COLLECTION = f"/apis/{API_VERSION}/federations"
ITEM = f"/apis/{API_VERSION}/namespaces/{{namespace}}/federations/{{name}}"
MERGE_PATCH = "application/merge-patch+json"
"""The media type of an edit (RFC 7396)."""


def path_of(namespace: str, name: str) -> str:
    """The path of one Federation; both names must be valid ones, as nothing is quoted."""
    return ITEM.format(namespace=namespace, name=name)
