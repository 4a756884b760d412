"""Who the hospitals are, as the coordinator last heard of them: addresses, signs of life, what is wrong.

A hospital that joined and was heard of lately is there; silence, leaving or refusal end that.
"""

from dataclasses import dataclass
from datetime import datetime

from consilia.protocol import Problem
from consilia.status import LedgerState

HEARTBEAT_SECONDS = 1.0
SILENCE_SECONDS = 6.0
"""Six heartbeats: long enough for a machine that is starting ten processes, short enough to be told at once."""


@dataclass
class Member:
    """One hospital. ``address`` is the full JID of its current process; None while it is not there.

    ``settings`` and ``run`` are those it was last told of. ``reading`` is the share of its data that it has read, while
    it reads them. ``problem`` is what its ``refusal`` is about, where its data are not refused; ``ledger`` what it told
    of its cohort's outside of the answers that count.
    """

    name: str
    address: str | None = None
    instance: str | None = None
    engine: str | None = None
    heard: float = 0.0
    heard_at: datetime | None = None
    order: str | None = None
    busy: bool = False
    reading: float | None = None
    settings: str | None = None
    run: int | None = None
    lost_reason: str | None = None
    refusal: str | None = None
    problem: Problem | None = None
    ledger: LedgerState | None = None
    known: bool = False

    @property
    def present(self) -> bool:
        """Whether it has joined and is not lost."""
        return self.address is not None


class Roster:
    """The hospitals of a federation by name. Keeps what it knows of one that is taken out, in case it is put back."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}

    def member(self, name: str) -> Member:
        """The hospital called ``name``."""
        return self._members.setdefault(name, Member(name))

    def present(self) -> list[Member]:
        """Those who are there, in the order of names."""
        return [member for _, member in sorted(self._members.items()) if member.present]

    def join(self, name: str, address: str, instance: str, engine: str, ledger: LedgerState | None = None) -> Member:
        """A process of hospital ``name`` said that it is there."""
        member = self.member(name)
        member.address, member.instance, member.engine = address, instance, engine
        member.lost_reason, member.order, member.busy = None, None, False
        member.reading = None
        member.refusal, member.problem = None, None
        member.known = True
        self.tell_ledger(name, ledger)
        return member

    def tell_ledger(self, name: str, ledger: LedgerState | None) -> None:
        """Hospital ``name`` told of its cohort's ledger; what is older than is known was overtaken."""
        member = self.member(name)
        known = member.ledger
        if ledger is None or (known and known.cohort == ledger.cohort and known.sequence > ledger.sequence):
            return
        member.ledger = ledger

    def hear(self, name: str, monotonic: float, now: datetime) -> Member:
        """Any valid message of hospital ``name`` is a sign of life."""
        member = self.member(name)
        member.heard, member.heard_at = monotonic, now
        return member

    def lose(self, name: str, reason: str) -> None:
        """Hospital ``name`` is gone."""
        member = self.member(name)
        member.address, member.lost_reason, member.reading = None, reason, None

    def silent(self, monotonic: float, seconds: float = SILENCE_SECONDS) -> list[str]:
        """Those who are there and were not heard of for longer than ``seconds``."""
        return [member.name for member in self.present() if monotonic - member.heard > seconds]

    def forgive_silence(self, monotonic: float) -> None:
        """Nobody could be heard, for the coordinator itself was cut off: count silence from now."""
        for member in self._members.values():
            member.heard = max(member.heard, monotonic)
