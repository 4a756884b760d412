"""Volumes that wait to be claimed: folders of the node, behind the default class, as kind has them."""

from pathlib import Path

COUNT = 1000


def volumes(folder: Path) -> dict[str, object]:
    """Make the folders; what creates their PersistentVolumes.

    Anybody may write to a folder: an fsGroup does nothing there.
    """
    items = []
    for number in range(COUNT):
        path = folder / f"{number:03}"
        path.mkdir(parents=True)
        path.chmod(0o777)
        items.append(_volume(f"volume-{number:04}", path))
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _volume(name: str, path: Path) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": "standard",
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": str(path), "type": "Directory"},
        },
    }
