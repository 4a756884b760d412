"""The lines of a cohort's ledger: what they say, how they are written, and how damage is told.

One line is one entry in canonical JSON (sorted keys, no spaces, ASCII). It carries the SHA-256 of itself without that
field, and that of the line before it, so an edited, removed, swapped or inserted line breaks the chain. The first line
names the cohort and a number drawn once: the ledger of another cohort, or one begun anew, is not mistaken for this one.

Refuses a torn last line as well: nothing of it was sent, since bytes leave only after their whole line is on the disk,
but from the line alone that cannot be told from a cut. Whoever keeps the ledger removes the torn end; the witness then
tells whether anything that was sent is missing (:mod:`consilia.privacy.ledger`).
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError

from consilia.document import Document
from consilia.errors import DamagedLedger
from consilia.patterns import DIGEST
from consilia.privacy.noise import Mechanism, Noise
from consilia.privacy.noise_plan import Kind, Plan, Planned

Digest = Annotated[str, Field(pattern=DIGEST)]
Text = Annotated[str, Field(min_length=1, max_length=300)]

BEFORE_THE_FIRST = "0" * 64
"""What the first line names as the line before it."""

RELATION: Literal["add-or-remove-one"] = "add-or-remove-one"


@dataclass(frozen=True)
class Place:
    """Where an entry goes: its number, counted from 0, and the hash of the entry before it."""

    sequence: int = 0
    previous: str = BEFORE_THE_FIRST


class Entry(Document):
    """Base of all entries. ``at`` is ISO 8601 in UTC."""

    sequence: int = Field(ge=0)
    previous: Digest
    at: Text

    def goes(self, place: Place) -> bool:
        """Whether this is the entry that is due at ``place``."""
        return (self.sequence, self.previous) == (place.sequence, place.previous)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON, without this field."""
        return hashlib.sha256(_canonical(self.to_json())).hexdigest()


class Created(Entry):
    """The first line. ``cohort`` is ``hospital/name``; ``nonce`` tells this ledger from any other of that cohort."""

    entry: Literal["created"] = "created"
    cohort: Text
    nonce: Digest


class PlannedReleases(Document):
    """Releases of one kind, in a run's plan."""

    kind: Kind
    times: int = Field(ge=1)
    mechanism: Mechanism
    sensitivity: float = Field(gt=0)
    scale: float = Field(gt=0)

    @classmethod
    def of(cls, planned: Planned) -> Self:
        """As an entry holds it."""
        noise = planned.noise
        return cls(
            kind=planned.kind,
            times=planned.times,
            mechanism=noise.mechanism,
            sensitivity=planned.sensitivity,
            scale=noise.scale,
        )

    @property
    def planned(self) -> Planned:
        """As a plan holds it."""
        return Planned(self.kind, self.times, self.sensitivity, Noise(self.mechanism, self.scale))


class Terms(Document):
    """What a run may do: its promise, its plan, and how the cohort is divided meanwhile.

    ``division`` says who is held out (:func:`consilia.consent.division_of`); two runs with the same one have the same
    training patients. ``holdout``: whether its scores leave with noise, or exact and outside of the promise.
    """

    epsilon: float = Field(gt=0)
    delta: float = Field(gt=0, lt=1)
    releases: list[PlannedReleases] = Field(min_length=1)
    division: Annotated[str, Field(min_length=1, max_length=600)]
    holdout: Literal["noised", "exact"]

    @classmethod
    def of(cls, plan: Plan, division: str) -> Self:
        """The terms of a plan, for a cohort divided so."""
        return cls(
            epsilon=plan.ask.epsilon,
            delta=plan.ask.delta,
            releases=[PlannedReleases.of(planned) for planned in plan.planned.values()],
            division=division,
            holdout="noised" if plan.ask.noised_holdout else "exact",
        )

    @cached_property
    def planned(self) -> dict[Kind, Planned]:
        """The releases that the run may make."""
        return {each.kind: each.planned for each in self.releases}


class Opened(Entry):
    """A run was admitted, with its whole plan; this alone spends nothing."""

    entry: Literal["opened"] = "opened"
    federation: Text
    name: Text
    run: int = Field(ge=1)
    terms: Terms


class Released(Entry):
    """Noised values are about to leave, for good: counted from here on, whether or not they arrive.

    ``order`` is the key of the order that they answer, ``message`` the SHA-256 of the bytes, ``participants`` the
    digest of all hospitals of that attempt, ``share`` this hospital's part of the noise's variance (1: all of it).
    """

    entry: Literal["released"] = "released"
    federation: Text
    run: int = Field(ge=1)
    round: int = Field(ge=0)
    attempt: int = Field(ge=1)
    kind: Kind
    mechanism: Mechanism
    sensitivity: float = Field(gt=0)
    scale: float = Field(gt=0)
    share: Literal[1] = 1
    relation: Literal["add-or-remove-one"] = RELATION
    participants: Digest
    order: Digest
    message: Digest

    @cached_property
    def planned(self) -> Planned:
        """What was released, once."""
        return Planned(self.kind, 1, self.sensitivity, Noise(self.mechanism, self.scale))


AnyEntry = Created | Opened | Released
_ADAPTER: TypeAdapter[AnyEntry] = TypeAdapter(Annotated[AnyEntry, Field(discriminator="entry")])


def encode(entry: AnyEntry) -> bytes:
    """One line of the ledger, with its newline."""
    return _canonical({**entry.to_json(), "hash": entry.hash}) + b"\n"


def decode(lines: bytes, source: str) -> list[AnyEntry]:
    """All entries of a ledger, whose chain holds; ``source`` begins each refusal.

    Raises :class:`DamagedLedger` saying which line is torn, edited or missing. It cannot tell that whole lines are
    missing from the end: that is what a witness is for.
    """
    if not lines:
        raise DamagedLedger(f"{source} is empty: a ledger has at least its first line; restore the file")
    *whole, rest = lines.split(b"\n")
    if rest:
        raise DamagedLedger(
            f"{source}: line {len(whole) + 1} is torn (it has no end): nothing of it was sent, so remove what there is "
            "of that line; nothing is sent before"
        )
    entries: list[AnyEntry] = []
    place = Place()
    for number, line in enumerate(whole, start=1):
        entry = _read(line, f"{source}: line {number}")
        _require_in_place(entry, place, f"{source}: line {number}")
        entries.append(entry)
        place = Place(entry.sequence + 1, entry.hash)
    return entries


def _read(line: bytes, where: str) -> AnyEntry:
    try:
        fields = json.loads(line)
        claimed = fields.pop("hash")
        edited = claimed != hashlib.sha256(_canonical(fields)).hexdigest() or line != _canonical(
            {**fields, "hash": claimed}
        )
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise DamagedLedger(f"{where} is edited (it is not an entry): restore the file; nothing is sent") from error
    if edited:
        raise DamagedLedger(f"{where} is edited (its hash is of other words): restore the file; nothing is sent")
    try:
        return _ADAPTER.validate_json(_canonical(fields))
    except ValidationError as error:
        raise DamagedLedger(
            f"{where} holds an entry that this version does not know: run the version that wrote it, or a newer one"
        ) from error


def _require_in_place(entry: AnyEntry, place: Place, where: str) -> None:
    if entry.sequence > place.sequence:
        raise DamagedLedger(
            f"{where} has sequence {entry.sequence}, where {place.sequence} is due: lines before it are missing; "
            "restore the file"
        )
    if not entry.goes(place):
        raise DamagedLedger(f"{where} does not follow the line before it: lines were put in or replaced; restore it")
    if isinstance(entry, Created) != (place.sequence == 0):
        raise DamagedLedger(f"{where} is out of its place: a ledger is created once, by its first line; restore it")


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
