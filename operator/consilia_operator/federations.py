"""The cluster's Federations, as the watches told: which there are, and which of them name the same cohorts."""

from collections.abc import Iterable

from consilia_operator.children import Key, key_of, unmanaged, version_of
from consilia_operator.naming import Manifest


class Federations:
    """Federations by namespace and name. Changed from the event loop alone; read from threads as well."""

    def __init__(self) -> None:
        self._objects: dict[Key, Manifest] = {}
        self._named: dict[Key, frozenset[Key]] = {}
        self._uids: dict[str, Key] = {}

    def see(self, manifest: Manifest) -> Manifest | None:
        """A federation as it is now; what was known of it before. An older state changes nothing."""
        key, held = key_of(manifest), self._objects.get(key_of(manifest))
        if held is None or version_of(held) <= version_of(manifest):
            self._drop(key)
            self._objects[key] = unmanaged(manifest)
            self._named[key] = cohorts_of(manifest)
            self._uids[manifest["metadata"]["uid"]] = key
        return held

    def lose(self, manifest: Manifest) -> None:
        """One that is gone; another one of its name stays."""
        if self._uids.get(manifest["metadata"]["uid"]) is not None:
            self._drop(key_of(manifest))

    def get(self, key: Key) -> Manifest | None:
        """The federation of this name."""
        return self._objects.get(key)

    def all(self) -> list[Manifest]:
        """All of them."""
        return list(self._objects.values())

    def with_uid(self, uid: str) -> Key | None:
        """The federation that this UID is of."""
        return self._uids.get(uid)

    def of_cohorts(self, cohorts: Iterable[Key]) -> list[Manifest]:
        """The federations that name any of these cohorts."""
        wanted = set(cohorts)
        named = list(self._named.items())
        found = [self._objects.get(key) for key, theirs in sorted(named) if not wanted.isdisjoint(theirs)]
        return [manifest for manifest in found if manifest is not None]

    def _drop(self, key: Key) -> None:
        held = self._objects.pop(key, None)
        if held is not None:
            del self._named[key]
            self._uids.pop(held["metadata"]["uid"], None)


def cohorts_of(manifest: Manifest) -> frozenset[Key]:
    """The cohorts that a federation names, valid or not."""
    namespace = manifest["metadata"]["namespace"]
    named = [hospital.get("cohort") or {} for hospital in (manifest.get("spec") or {}).get("hospitals") or []]
    return frozenset((str(c.get("namespace") or namespace), str(c.get("name"))) for c in named)
