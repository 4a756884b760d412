"""What is known of one federation right now: its object, its coordinator's facts, and what does not answer.

A plain fold of what arrives, without clock or network.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from consilia.edits import target_of
from consilia_dashboard.address import Address, address_of

Document = dict[str, Any]

MAX_ROUNDS = 2000
MAX_EVENTS = 100


@dataclass(frozen=True)
class Loss:
    """A part that does not answer: since when, and why."""

    since: datetime
    reason: str


@dataclass
class Seen:
    """One federation as the dashboard knows it.

    federation: the object as the API last gave it. status: the coordinator's own, fresher than the object's.
    rounds: records of the newest run only, by round. events: (sequence, record), oldest first.
    lost: the coordinator does not answer. unreachable: the API does not. gone: the object was deleted.
    """

    federation: Document
    status: Document | None = None
    run: int = 0
    rounds: dict[int, Document] = field(default_factory=dict)
    events: dict[int, Document] = field(default_factory=dict)
    lost: Loss | None = None
    unreachable: Loss | None = None
    gone: bool = False

    @property
    def spec(self) -> Document:
        return _mapping(self.federation.get("spec"))

    @property
    def target(self) -> int:
        """How many rounds the spec asks for; 0 where it does not say."""
        return target_of(self.spec)

    @property
    def uid(self) -> str:
        return str(_mapping(self.federation.get("metadata")).get("uid", ""))

    @property
    def coordinator(self) -> Address | None:
        return address_of(self.federation)

    @property
    def version(self) -> str:
        return str(_mapping(self.federation.get("metadata")).get("resourceVersion", ""))

    @property
    def current(self) -> Document:
        """The status to show: the coordinator's, with what only a cluster knows: why pods and cohorts are missing.

        Where the object is Blocked it is the object's: a coordinator cannot know why.
        """
        told = self._object_status
        if self.status is None or told.get("phase") == "Blocked":
            return told
        ours = {name: told[name] for name in ("endpoints", "problems") if told.get(name)}
        hindered = {h["name"]: h for h in told.get("hospitals") or [] if h.get("problem") and h.get("name")}
        hospitals = self.status.get("hospitals") or []
        if hindered:
            ours["hospitals"] = [_hindered(hospital, hindered.get(hospital.get("name"))) for hospital in hospitals]
        return {**self.status, **ours}

    @property
    def is_awaited(self) -> bool:
        """Whether the coordinator's silence is what the object says itself: it has not started, or cannot."""
        return self.status is None and self._object_status.get("phase", "Pending") in ("Pending", "Blocked")

    @property
    def _object_status(self) -> Document:
        return _mapping(self.federation.get("status"))

    def take_round(self, record: Document) -> bool:
        """Keep a round's record, replacing an earlier one; False if it belongs to an older run."""
        run, number = record.get("run"), record.get("round")
        if not isinstance(run, int) or not isinstance(number, int) or run < self.run:
            return False
        if run > self.run:
            self.run, self.rounds = run, {}
        self.rounds[number] = record
        if len(self.rounds) > MAX_ROUNDS:
            self._thin()
        return True

    def take_event(self, sequence: int, record: Document) -> bool:
        """Keep an event; False if it is here already."""
        if sequence in self.events:
            return False
        self.events[sequence] = record
        while len(self.events) > MAX_EVENTS:
            del self.events[next(iter(self.events))]
        return True

    def _thin(self) -> None:
        """Drop every second round of the older half: a chart is a thousand pixels wide at most."""
        numbers = sorted(self.rounds)
        for number in numbers[1 : len(numbers) // 2 : 2]:
            del self.rounds[number]


def _hindered(hospital: Document, told: Document | None) -> Document:
    if told is None:
        return hospital
    return {**hospital, **{name: told.get(name) for name in ("phase", "problem", "reason")}}


def _mapping(value: object) -> Document:
    return value if isinstance(value, dict) else {}
