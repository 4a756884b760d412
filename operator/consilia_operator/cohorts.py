"""The cluster's Cohorts, as the watches told."""

import threading

from consilia_operator.children import Key, key_of, unmanaged, version_of
from consilia_operator.naming import Manifest


class Cohorts:
    """Cohorts by namespace and name. Set by the watches, read from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: dict[Key, Manifest] = {}

    def see(self, manifest: Manifest) -> bool:
        """A cohort as it is now; whether its specification is news."""
        key = key_of(manifest)
        kept = unmanaged(manifest)
        with self._lock:
            held = self._objects.get(key)
            if held is not None and version_of(held) > version_of(manifest):
                return False
            self._objects[key] = kept
        return held is None or _wish(held) != _wish(kept)

    def lose(self, manifest: Manifest) -> bool:
        """A cohort that is gone; whether it was there, and no other one in its place."""
        with self._lock:
            held = self._objects.get(key_of(manifest))
            if held is None or held["metadata"].get("uid") != manifest["metadata"].get("uid"):
                return False
            del self._objects[key_of(manifest)]
        return True

    def get(self, key: Key) -> Manifest | None:
        """The cohort of this name."""
        with self._lock:
            return self._objects.get(key)

    def all(self) -> dict[Key, Manifest]:
        """All of them."""
        with self._lock:
            return dict(self._objects)


def _wish(cohort: Manifest) -> object:
    return cohort["metadata"].get("uid"), cohort["metadata"].get("deletionTimestamp"), cohort.get("spec")
