"""What the watches told of federations' objects: kept by federation, so that looking at them asks nothing of the API.

Of what is watched only what somebody reads is kept: of pods, workloads and claims their status and their specification
without its settings, of all others, Secrets among them, the metadata.
"""

import hashlib
import json
import threading
from typing import Any

from consilia_operator.naming import FIELD_MANAGER, FILLED_LABEL, UID_LABEL, Manifest

Key = tuple[str, str]
"""Namespace and name."""
Place = tuple[str, str, str]
"""Kind, namespace and name."""

MARK = "mark"
"""In a kept object's metadata: what :func:`mark_of` told of the whole one."""
WHOLE_KINDS = ("Pod", "StatefulSet", "PersistentVolumeClaim")
UNREAD = ("env", "volumeMounts", "securityContext", "livenessProbe", "readinessProbe")


class Children:
    """The operator's objects, by the federation's UID on their label. Set by the watches, read from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: dict[str, dict[Place, Manifest]] = {}
        self._uids: dict[Place, str] = {}

    def see(self, manifest: Manifest) -> None:
        """An object as it is now; an older state than the one that is kept changes nothing."""
        place, uid = place_of(manifest), uid_of(manifest)
        with self._lock:
            held = self._objects.get(self._uids.get(place, ""), {}).get(place)
            if held is not None and version_of(held) > version_of(manifest):
                return
            self._drop(place)
            self._objects.setdefault(uid, {})[place] = trimmed(manifest)
            self._uids[place] = uid

    def lose(self, manifest: Manifest) -> None:
        """An object that is gone; one that was made again in its place stays."""
        place = place_of(manifest)
        with self._lock:
            held = self._objects.get(self._uids.get(place, ""), {}).get(place)
            if held is not None and held["metadata"].get("uid") == manifest["metadata"].get("uid"):
                self._drop(place)

    def of(self, uid: str, kind: str) -> list[Manifest]:
        """A federation's objects of a kind, by namespace and name."""
        with self._lock:
            return [held for place, held in sorted(self._objects.get(uid, {}).items()) if place[0] == kind]

    def all(self, kind: str | None = None) -> list[Manifest]:
        """All objects, or those of a kind; those of no federation are among them: the cohorts' ledgers."""
        with self._lock:
            every = [item for objects in self._objects.values() for item in objects.items()]
        return [held for place, held in every if kind in (None, place[0])]

    def places(self, uid: str) -> set[Place]:
        """Where a federation's objects are."""
        with self._lock:
            return set(self._objects.get(uid, {}))

    def uids(self) -> set[str]:
        """The federations that have objects."""
        with self._lock:
            return set(self._objects) - {""}

    def _drop(self, place: Place) -> None:
        uid = self._uids.pop(place, None)
        if uid is not None:
            self._objects[uid].pop(place)
            if not self._objects[uid]:
                del self._objects[uid]


def place_of(manifest: Manifest) -> Place:
    """Where an object is."""
    return manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def key_of(manifest: Manifest) -> Key:
    """An object's namespace and name."""
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def uid_of(manifest: Manifest) -> str:
    """The UID of the federation that an object was made for; empty where its label is gone."""
    return str((manifest["metadata"].get("labels") or {}).get(UID_LABEL, ""))


def version_of(manifest: Manifest) -> int:
    """The resource version, which grows (Kubernetes KEP-5504); 0 where a server gives none that can be compared."""
    version = str(manifest["metadata"].get("resourceVersion") or "")
    return int(version) if version.isdecimal() else 0


def mark_of(manifest: Manifest) -> str:
    """What server-side apply recorded of our part of an object: another mark, and somebody changed what we set.

    The entry of our field manager loses the fields that another takes over, and is stamped anew when a value of ours
    changes. What others add, and an object's status, leave it alone; of what others are to fill their part counts too.
    """
    entries = [each for each in manifest["metadata"].get("managedFields") or [] if not each.get("subresource")]
    if FILLED_LABEL not in (manifest["metadata"].get("labels") or {}):
        ours = (FIELD_MANAGER, "Apply")
        entries = [each for each in entries if (each.get("manager"), each.get("operation")) == ours]
    if not entries:
        return str(manifest["metadata"].get(MARK, ""))
    recorded = json.dumps([[each.get("time"), each.get("fieldsV1")] for each in entries], sort_keys=True)
    return hashlib.sha256(recorded.encode()).hexdigest()


def unmanaged(manifest: Manifest) -> Manifest:
    """An object without the record of who set which field: the largest part of it, which nobody reads twice."""
    return manifest | {"metadata": {k: v for k, v in manifest["metadata"].items() if k != "managedFields"}}


def trimmed(manifest: Manifest) -> Manifest:
    """What is kept of an object."""
    metadata = unmanaged(manifest)["metadata"] | {MARK: mark_of(manifest)}
    kept: Manifest = {"apiVersion": manifest.get("apiVersion"), "kind": manifest["kind"], "metadata": metadata}
    if manifest["kind"] in WHOLE_KINDS:
        kept |= {name: _without_settings(manifest[name]) for name in ("spec", "status") if name in manifest}
    return kept


def _without_settings(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _without_settings(value) for name, value in part.items() if name not in UNREAD}
    return [_without_settings(item) for item in part] if isinstance(part, list) else part
