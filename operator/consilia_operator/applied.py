"""What this process applied, and whether it is still so. Nothing is remembered on the objects themselves.

Our own writes come back as events, before or after their answers do: what an event tells is compared by the version and
the mark that the answer carried.
"""

import hashlib
import json
import threading
from dataclasses import dataclass

from consilia_operator.children import Place, mark_of, place_of, uid_of, version_of
from consilia_operator.naming import Manifest


@dataclass(frozen=True)
class Made:
    """One object, as it was after it was applied. ``owner`` is the UID of the federation that it was applied for.

    ``federation`` is the UID on its label: empty for a cohort's ledger, which no federation takes along.
    """

    digest: str
    owner: str
    federation: str
    uid: str
    version: int
    mark: str


class Applied:
    """All objects that were applied and not deleted since. Used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[Place, Made] = {}

    def holds(self, manifest: Manifest) -> bool:
        """Whether exactly this was applied."""
        with self._lock:
            made = self._made.get(place_of(manifest))
        return made is not None and made.digest == _digest(manifest)

    def record(self, owner: str, manifest: Manifest, answer: Manifest) -> None:
        """``manifest`` was applied for the federation of this UID, and the API answered with the whole object."""
        uid = str(answer["metadata"].get("uid") or "")
        made = Made(_digest(manifest), owner, uid_of(manifest), uid, version_of(answer), mark_of(answer))
        with self._lock:
            self._made[place_of(manifest)] = made

    def forget(self, place: Place) -> None:
        """It was deleted, or must be applied anew."""
        with self._lock:
            self._made.pop(place, None)

    def owners(self) -> dict[Place, str]:
        """Where something was applied, and the UID of the federation that it was applied for."""
        with self._lock:
            return {place: made.owner for place, made in self._made.items()}

    def owner(self, place: Place) -> str | None:
        """The UID of the federation that what is there was applied for."""
        with self._lock:
            made = self._made.get(place)
        return made.owner if made is not None else None

    def labelled(self, uid: str) -> set[Place]:
        """Where something with this federation's label was applied."""
        with self._lock:
            return {place for place, made in self._made.items() if made.federation == uid}

    def knows(self, place: Place) -> bool:
        """Whether something was applied there."""
        with self._lock:
            return place in self._made

    def changed(self, manifest: Manifest) -> bool:
        """Whether somebody changed what we set since we applied it; ``manifest`` is the object as it was seen."""
        with self._lock:
            made = self._made.get(place_of(manifest))
        return made is not None and version_of(manifest) > made.version and mark_of(manifest) != made.mark

    def deleted(self, manifest: Manifest) -> bool:
        """Whether it is ours that is gone, and not one that was there before it."""
        with self._lock:
            made = self._made.get(place_of(manifest))
        return made is not None and made.uid == str(manifest["metadata"].get("uid") or "")


def _digest(manifest: Manifest) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
