"""Pods and StatefulSets that do not come up and do not say why: only Events do. Pure: times are passed in.

A pod whose volume cannot be mounted says ContainerCreating for ever, and a StatefulSet whose pod the API server refuses
has none. Their Events are read once they have been silent for ten seconds, then ever more rarely: none are watched.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from consilia.backoff import delays
from consilia_operator.children import place_of
from consilia_operator.naming import Manifest

SILENT = timedelta(seconds=10)
LONGEST_PAUSE = 300.0
STARTING = ("ContainerCreating", "PodInitializing")


@dataclass
class Silence:
    """One object that does not say why it does not come up, and what its Events told last."""

    about: Manifest
    due: datetime
    pauses: Iterator[float] = field(default_factory=lambda: delays(SILENT.total_seconds(), LONGEST_PAUSE))
    events: list[Manifest] = field(default_factory=list)


class Silences:
    """The silent objects of one federation."""

    def __init__(self) -> None:
        self._silences: dict[str, Silence] = {}

    def look(self, pods: Sequence[Manifest], sets: Sequence[Manifest], now: datetime) -> None:
        """Take note of who is silent now; who is not any more is forgotten, with what was told of it."""
        found = {each["metadata"]["uid"]: each for each in _silent(pods, sets)}
        self._silences = {uid: silence for uid, silence in self._silences.items() if uid in found}
        for uid, about in found.items():
            self._silences.setdefault(uid, Silence(about, _since(about, now) + SILENT))

    def due(self, now: datetime) -> list[Manifest]:
        """Whose Events are to be read now."""
        return [silence.about for silence in self._silences.values() if silence.due <= now]

    def heard(self, about: Manifest, events: list[Manifest], now: datetime) -> None:
        """What an object's Events tell; they are read again later."""
        silence = self._silences.get(about["metadata"]["uid"])
        if silence is not None:
            silence.events = sorted(events, key=_at)
            silence.due = now + timedelta(seconds=next(silence.pauses))

    @property
    def events(self) -> list[Manifest]:
        """Everything that was told of those that are still silent, the newest last."""
        return sorted((event for silence in self._silences.values() for event in silence.events), key=_at)

    def next_due(self) -> datetime | None:
        """When Events are to be read next."""
        return min((silence.due for silence in self._silences.values()), default=None)


def _silent(pods: Sequence[Manifest], sets: Sequence[Manifest]) -> list[Manifest]:
    there = {place_of(pod)[1:] for pod in pods}
    without = [each for each in sets if (each["metadata"]["namespace"], f"{each['metadata']['name']}-0") not in there]
    return [each for each in [*filter(_starting, pods), *without] if not each["metadata"].get("deletionTimestamp")]


def _starting(pod: Manifest) -> bool:
    status = pod.get("status") or {}
    if status.get("phase") != "Pending" or not (pod.get("spec") or {}).get("nodeName"):
        return False
    waiting = [(each.get("state") or {}).get("waiting") or {} for each in status.get("containerStatuses") or []]
    return not waiting or any(each.get("reason") in STARTING for each in waiting)


def _since(about: Manifest, now: datetime) -> datetime:
    created = about["metadata"].get("creationTimestamp")
    return datetime.fromisoformat(created) if created else now


def _at(event: Manifest) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")
