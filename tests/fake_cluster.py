"""A cluster in memory, at the operator's seam: stores what is applied, tells who watches, and lets nobody wait."""

import threading
from collections.abc import Callable, Mapping
from copy import deepcopy
from itertools import count
from typing import Any

from consilia.errors import Refusal
from consilia_operator.cluster import Absent, Conflict
from consilia_operator.naming import FIELD_MANAGER, Manifest

Place = tuple[str, str, str]
Watcher = Callable[[bool, Manifest], None]
"""Whether the object is gone, and the object."""


class FakeCluster:
    """A :class:`consilia_operator.cluster.Cluster`. ``writes`` counts what an API server would have to do."""

    def __init__(self) -> None:
        self.objects: dict[Place, Manifest] = {}
        self.events: list[tuple[str, str, str]] = []
        self.told_about: dict[Place, list[Manifest]] = {}
        """The Events that others wrote about an object."""
        self.refusing: dict[Place, str] = {}
        """What is refused, and the sentence."""
        self.writes: list[tuple[str, Place]] = []
        self.reads: list[tuple[str, str]] = []
        self.watchers: list[Watcher] = []
        self._lock = threading.RLock()
        self._versions = count(1)

    def put(self, manifest: Manifest) -> Manifest:
        """What somebody else creates or edits; what they change the operator's field manager owns no more."""
        with self._lock:
            ours = _ours(self.objects.get(_place(manifest)))
            if ours is not None:
                left = {path: value for path, value in _leaves(manifest) if ours["fieldsV1"].get(path) == value}
                ours = ours | {"fieldsV1": left}
            return self._store(manifest, ours)

    def lose(self, kind: str, namespace: str, name: str) -> None:
        """What somebody else deletes."""
        with self._lock:
            gone = self.objects.pop((kind, namespace, name))
            gone["metadata"]["resourceVersion"] = str(next(self._versions))
            for watcher in self.watchers:
                watcher(True, deepcopy(gone))

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        self.reads.append(("get", kind))
        return deepcopy(self.objects.get((kind, namespace, name)))

    def all(self, kind: str, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> list[Manifest]:
        self.reads.append(("list", kind))
        with self._lock:
            held = sorted(self.objects.items())
        return [
            deepcopy(found)
            for (k, n, _), found in held
            if k == kind
            and namespace in (None, n)
            and (labels or {}).items() <= found["metadata"].get("labels", {}).items()
        ]

    def events_about(self, kind: str, namespace: str, name: str) -> list[Manifest]:
        self.reads.append(("list", "Event"))
        return deepcopy(self.told_about.get((kind, namespace, name), []))

    def apply(self, manifest: Manifest) -> Manifest:
        place = _place(manifest)
        self.writes.append(("apply", place))
        if place in self.refusing:
            raise Refusal(f"the Kubernetes API refuses: {self.refusing[place]}")
        with self._lock:
            held, fields = self.objects.get(place), dict(_leaves(manifest))
            ours = _ours(held)
            if ours is None or ours["fieldsV1"] != fields:
                ours = {"time": str(next(self._versions)), "fieldsV1": fields}
            return self._store(manifest | ({"status": held["status"]} if held and "status" in held else {}), ours)

    def replace(self, manifest: Manifest) -> Manifest:
        described = manifest["metadata"]
        with self._lock:
            held = self.objects.get(_place(manifest))
            if (held or {}).get("metadata", {}).get("resourceVersion") != described.get("resourceVersion"):
                raise Conflict(f"{described['name']} was changed meanwhile")
            return self.put(manifest)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        self.writes.append(("delete", (kind, namespace, name)))
        if (kind, namespace, name) in self.objects:
            self.lose(kind, namespace, name)

    def patch_status(self, kind: str, namespace: str, name: str, status: Manifest, version: int = 0) -> Manifest:
        self.writes.append(("patch_status", (kind, namespace, name)))
        with self._lock:
            held = self.objects.get((kind, namespace, name))
            if held is None:
                raise Absent(f'{kind} "{name}" not found')
            if version and str(version) != held["metadata"].get("resourceVersion"):
                raise Conflict(f'{kind} "{name}" has been modified')
            patched = (held.get("status") or {}) | status
            return self._store(held | {"status": {k: v for k, v in patched.items() if v is not None}}, _ours(held))

    def tell(self, about: Manifest, kind: str, reason: str, message: str) -> None:
        self.events.append((kind, reason, message))

    def names(self, kind: str) -> list[str]:
        return [f"{n}/{name}" for k, n, name in sorted(self.objects) if k == kind]

    def _store(self, manifest: Manifest, ours: dict[str, Any] | None) -> Manifest:
        described = manifest["metadata"]
        stored = deepcopy(manifest)
        version = str(next(self._versions))
        stored["metadata"] = {"uid": f"uid-{described['name']}", **described, "resourceVersion": version}
        if ours is not None:
            stored["metadata"]["managedFields"] = [{"manager": FIELD_MANAGER, "operation": "Apply", **ours}]
        self.objects[_place(manifest)] = stored
        for watcher in self.watchers:
            watcher(False, deepcopy(stored))
        return deepcopy(stored)


def _place(manifest: Manifest) -> Place:
    return manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def _ours(held: Manifest | None) -> dict[str, Any] | None:
    return next(iter((held or {"metadata": {}})["metadata"].get("managedFields", [])), None)


def _leaves(part: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(part, dict):
        within = [_leaves(value, f"{path}.{name}") for name, value in part.items() if name not in UNMANAGED]
        return [leaf for leaves in within for leaf in leaves]
    return [(path, part)]


UNMANAGED = ("managedFields", "resourceVersion", "uid", "status")
