"""A cluster in memory, at the operator's seam: stores what is applied, and lets nobody wait."""

from collections.abc import Mapping
from copy import deepcopy
from itertools import count

from consilia_operator.cluster import Conflict
from consilia_operator.naming import Manifest

Place = tuple[str, str, str]


class FakeCluster:
    """A :class:`consilia_operator.cluster.Cluster`. ``writes`` counts what an API server would have to do."""

    def __init__(self) -> None:
        self.objects: dict[Place, Manifest] = {}
        self.events: list[tuple[str, str, str]] = []
        self.writes: list[tuple[str, Place]] = []
        self._versions = count(1)

    def put(self, manifest: Manifest) -> Manifest:
        """What somebody else creates or edits."""
        described = manifest["metadata"]
        place = (manifest["kind"], described["namespace"], described["name"])
        version = str(next(self._versions))
        stored = deepcopy(manifest)
        stored["metadata"] = {"uid": f"uid-{described['name']}", **described, "resourceVersion": version}
        self.objects[place] = stored
        return deepcopy(stored)

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        return deepcopy(self.objects.get((kind, namespace, name)))

    def all(self, kind: str, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> list[Manifest]:
        return [
            deepcopy(found)
            for (k, n, _), found in sorted(self.objects.items())
            if k == kind
            and namespace in (None, n)
            and (labels or {}).items() <= found["metadata"].get("labels", {}).items()
        ]

    def apply(self, manifest: Manifest) -> Manifest:
        place = (manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        self.writes.append(("apply", place))
        return self.put(manifest)

    def replace(self, manifest: Manifest) -> Manifest:
        described = manifest["metadata"]
        held = self.objects.get((manifest["kind"], described["namespace"], described["name"]))
        if (held or {}).get("metadata", {}).get("resourceVersion") != described.get("resourceVersion"):
            raise Conflict(f"{described['name']} was changed meanwhile")
        return self.put(manifest)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        self.writes.append(("delete", (kind, namespace, name)))
        self.objects.pop((kind, namespace, name), None)

    def patch_status(self, kind: str, namespace: str, name: str, status: Manifest) -> None:
        self.objects[kind, namespace, name]["status"] = deepcopy(status)

    def tell(self, about: Manifest, kind: str, reason: str, message: str) -> None:
        self.events.append((kind, reason, message))

    def names(self, kind: str) -> list[str]:
        return [f"{n}/{name}" for k, n, name in sorted(self.objects) if k == kind]
