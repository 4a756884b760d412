"""Where a Kubernetes API server, or ``consilia run`` in its place, keeps Federations.

Imports nothing of ours: the dashboard asks by these paths, and knows the resources as plain documents only.
"""

from typing import Literal
from urllib.parse import urlencode

API_VERSION: Literal["consilia.health/v1alpha1"] = "consilia.health/v1alpha1"
COLLECTION = f"/apis/{API_VERSION}/federations"
ITEM = f"/apis/{API_VERSION}/namespaces/{{namespace}}/federations/{{name}}"
NAMESPACED = f"/apis/{API_VERSION}/namespaces/{{namespace}}/federations"
MERGE_PATCH = "application/merge-patch+json"
"""The media type of an edit (RFC 7396)."""


def collection_of(namespace: str, **query: str) -> str:
    """The path of a namespace's Federations, with a query; the namespace must be a valid name."""
    return f"{NAMESPACED.format(namespace=namespace)}?{urlencode(query)}"


def path_of(namespace: str, name: str) -> str:
    """The path of one Federation; both names must be valid ones, as nothing is quoted."""
    return ITEM.format(namespace=namespace, name=name)
