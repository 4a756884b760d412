"""Writes the status of one very object: never that of another one that was made under its name."""

from consilia_operator.children import Key, version_of
from consilia_operator.cluster import Absent, Cluster, Conflict
from consilia_operator.naming import Manifest

TRIES = 5
"""Somebody may change an object again and again; the next look at it then writes its status."""


def write_status(cluster: Cluster, kind: str, key: Key, uid: str, version: int, status: Manifest) -> Manifest:
    """Patch the status of the object of this UID, last seen at ``version``; it as it is then.

    A status's patch is not held to a UID by the API, and so to the version of an object whose UID is known. Raises
    :class:`Absent` where the object is gone, or another has its name.
    """
    for _ in range(TRIES - 1):
        try:
            return cluster.patch_status(kind, *key, status, version)
        except Conflict:
            found = cluster.get(kind, *key)
            if found is None or found["metadata"]["uid"] != uid:
                raise Absent(f"{kind} {'/'.join(key)} of UID {uid} is gone") from None
            version = version_of(found)
    return cluster.patch_status(kind, *key, status, version)
