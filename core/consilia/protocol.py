"""Messages between a coordinator and its hospitals: versioned, small, refused with a sentence when they are not ours.

At least once: whoever is not sure that a message arrived sends it again, and every receiver is idempotent. An order is
known by its key, a hash of all that may change the answer; the same key gets the same bytes.

Vectors are raw little-endian float64, base64 in the stanza up to :data:`INLINE_LIMIT` bytes, and above that a reference
to a blob at the coordinator, by SHA-256.
"""

import base64
import hashlib
import json
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from consilia.asked_statistics import MOST_FEATURES, Statistics
from consilia.errors import InvalidMessage, InvalidPrivacy
from consilia.experiment import Algorithm, Features, Model
from consilia.features import FeatureMap
from consilia.manifest import explain
from consilia.patterns import DIGEST
from consilia.privacy.dp_fedsgd import Centre
from consilia.privacy.noise_plan import Ask, NoisePlan, Plan
from consilia.privacy.statistics_plan import StatisticsPlan
from consilia.spec import Document, FederationSpec
from consilia.status import LedgerState, LedgerWitness, Metrics
from consilia.vectors import LARGEST, all_usable
from consilia.wording import counted

PROTOCOL = 1
INLINE_LIMIT = 16 * 1024
BYTES_A_VALUE = 8
LONGEST_MESSAGE = 1024 * 1024
LONGEST_REASON = 1000
MOST_ROWS = 2**40
"""A weight is multiplied with float64 values: this one is exact, and no hospital has more patients."""

Task = Literal["moments", "centre", "train", "evaluate", "statistics"]
"""What an order asks for. ``moments`` and ``centre`` open a run before its first round; it has one at most.
``statistics`` is all that a statistics run asks."""
Problem = Literal["BudgetExceeded", "CohortBusy", "DiskUnwritable", "LedgerDamaged", "SourceUnavailable"]
"""Why a hospital declines, where its data are not refused: what its patients have left, the ledger of it, or a source
that cannot be read now."""
Digest = Annotated[str, Field(pattern=DIGEST)]
Account = Annotated[str, Field(min_length=1, max_length=63)]
Vector = NDArray[np.float64]


class VectorRef(Document):
    """A vector: its values in base64, or the SHA-256 of a blob that holds them."""

    sha256: Digest
    length: int = Field(ge=1, le=2**31)
    data: str | None = Field(None, max_length=2 * INLINE_LIMIT)

    @property
    def inline(self) -> bool:
        """Whether the values travel in the message itself."""
        return self.data is not None


class PrivacyTerms(Document):
    """What a private run asks for, in public numbers, settled when it starts; see
    :class:`consilia.privacy.noise_plan.Ask`.

    ``uid`` and ``name`` (namespace/name) are the federation's. A hospital makes its own plan of these, and takes no
    noise from outside.
    """

    uid: str = Field(min_length=1, max_length=300)
    name: str = Field(min_length=1, max_length=300)
    run: int = Field(ge=1)
    epsilon: float = Field(gt=0)
    delta: float = Field(gt=0, lt=1)
    clip_norm: float = Field(gt=0, le=1e6)
    mechanism: Literal["Gaussian", "Laplace"]
    rounds: int = Field(ge=1)
    reserve: int = Field(ge=0)
    hospitals: int = Field(ge=1)
    nominal_rows: int = Field(ge=1)
    statistics: int | None = Field(None, ge=1, le=MOST_FEATURES, description="Features of a statistics run.")

    @classmethod
    def of(cls, spec: FederationSpec, uid: str, name: str, run: int) -> "PrivacyTerms | None":
        """The terms of a run that starts with ``spec``; None where it is NON-PRIVATE."""
        privacy, rows = spec.privacy, spec.features.nominal_rows
        if not privacy.private or rows is None:
            return None
        return cls(
            uid=uid,
            name=name,
            run=run,
            epsilon=privacy.epsilon,
            delta=privacy.delta,
            clip_norm=privacy.clip_norm,
            mechanism=privacy.mechanism,
            rounds=spec.target,
            reserve=0 if spec.task == "Statistics" else privacy.reserve,
            hospitals=len(spec.hospitals),
            nominal_rows=rows,
            statistics=len(spec.used_features.codebook) if spec.task == "Statistics" else None,
        )

    def noise(self, *, noised_holdout: bool) -> Plan:
        """The noise of the run, whatever its task, at a hospital whose holdout is scored with noise, or exactly.

        Raises :class:`consilia.errors.InvalidPrivacy` for numbers with which no promise can be kept.
        """
        if self.statistics is None:
            return self.plan(noised_holdout=noised_holdout)
        return StatisticsPlan.of(self._ask(noised_holdout), self.statistics)

    def plan(self, *, noised_holdout: bool) -> NoisePlan:
        """The noise of a training run; refuses another run, and raises as :meth:`noise`."""
        if self.statistics is not None:
            raise InvalidPrivacy("a statistics run has no plan of training: it makes one release of its own kind")
        return NoisePlan.of(self._ask(noised_holdout))

    def statistics_plan(self) -> StatisticsPlan:
        """The noise of a statistics run; refuses another run, and raises as :meth:`noise`."""
        if self.statistics is None:
            raise InvalidPrivacy("a training run has no plan of statistics: they are a run of their own")
        return StatisticsPlan.of(self._ask(noised_holdout=True), self.statistics)

    def _ask(self, noised_holdout: bool) -> Ask:
        return Ask(
            epsilon=self.epsilon,
            delta=self.delta,
            clip=self.clip_norm,
            rounds=self.rounds,
            hospitals=self.hospitals,
            nominal_rows=self.nominal_rows,
            mechanism=self.mechanism,
            reserve=self.reserve,
            noised_holdout=noised_holdout,
        )


class RunSettings(Document):
    """What a hospital must know to train in a run; named by its digest in every order."""

    features: Features
    model: Model
    algorithm: Algorithm
    feature_map: FeatureMap | None = Field(None, description="The map from columns to the model's input.")
    privacy: PrivacyTerms | None = Field(None, description="Absent where the run is NON-PRIVATE.")
    centre: Centre | None = Field(None, description="The centre of the rows, once the hospitals have told it.")
    statistics: Statistics | None = Field(None, description="In a statistics run: what is asked of all its features.")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(_canonical(self.to_json())).hexdigest()


class Message(Document):
    """Base of all messages. ``consilia`` is the version of the protocol."""

    model_config = ConfigDict(extra="forbid")

    consilia: Literal[1] = 1


class Join(Message):
    """A hospital is there. ``instance`` is drawn anew by every process, so that a restart is seen."""

    type: Literal["join"] = "join"
    instance: str = Field(max_length=64)
    engine: str = Field(max_length=32)
    ledger: LedgerState | None = None


class Heartbeat(Message):
    """A hospital is alive; ``order`` is the key of the order that it works on or answered last.

    ``reading`` is the share of its data that it has read, in whole percents, while it reads them.
    """

    type: Literal["heartbeat"] = "heartbeat"
    instance: str = Field(max_length=64)
    order: Digest | None = None
    busy: bool = False
    reading: float | None = Field(None, ge=0, le=1)


class Update(Message):
    """A hospital's answer to an order.

    ``rows`` is the weight of ``vector``, and absent in a private run, where nobody knows it; ``metrics`` are of the
    global parameters that the order carried (or of ``scored``), on the hospital's holdout. ``ledger`` is the cohort's
    as it is after this answer.
    """

    type: Literal["update"] = "update"
    order: Digest
    rows: int | None = Field(None, ge=0, le=MOST_ROWS)
    vector: VectorRef | None = None
    metrics: Metrics | None = None
    ledger: LedgerState | None = None


class Decline(Message):
    """A hospital cannot answer; ``reason`` is a sentence without a patient's value."""

    type: Literal["decline"] = "decline"
    order: Digest | None = None
    reason: str = Field(max_length=LONGEST_REASON)
    problem: Problem | None = None


class Leave(Message):
    """A hospital goes, on purpose; ``reason`` says why."""

    type: Literal["leave"] = "leave"
    reason: str = Field(max_length=200)


class Welcome(Message):
    """The coordinator knows the hospital; here is what it must know to train."""

    type: Literal["welcome"] = "welcome"
    federation: str = Field(max_length=128)
    instance: str = Field(max_length=64)
    heartbeat_seconds: float = Field(gt=0)
    settings: RunSettings | None = None
    run: int | None = Field(None, ge=1, description="The run that the settings are of.")
    witness: LedgerWitness | None = Field(None, description="What others have last seen of the cohort's ledger.")


class Order(Message):
    """The coordinator asks for an answer."""

    type: Literal["order"] = "order"
    federation: str = Field(max_length=128)
    run: int = Field(ge=1)
    round: int = Field(ge=0)
    attempt: int = Field(ge=1)
    task: Task
    settings: Digest
    participants: Digest = Field(description="Digest of the names of all hospitals of this attempt.")
    private: bool = Field(False, description="Whether the answer is noised: then it is the same in every attempt.")
    parameters: VectorRef | None = None
    scored: VectorRef | None = Field(
        None, description="In a private run: the model so far, to be scored in place of the parameters."
    )
    ticket: str | None = Field(None, max_length=1000, description="Token for blobs, where a vector is one.")

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that may change the answer: the outbox's key.

        An answer with noise costs patients something, and depends neither on the attempt nor on who else is asked: a
        retry gets the same bytes, for nothing.
        """
        parts: list[object] = [self.federation, self.run, self.round, self.task, self.settings]
        parts += ["private"] if self.private else [self.attempt, self.participants]
        parts.append(self.parameters.sha256 if self.parameters else None)
        parts.append(self.scored.sha256 if self.scored else None)
        return hashlib.sha256(_canonical(parts)).hexdigest()


class Pulse(Message):
    """The coordinator's answer to a heartbeat; where ``joined`` is false the hospital joins again when it is free."""

    type: Literal["pulse"] = "pulse"
    instance: str = Field(max_length=64)
    joined: bool


class Rejection(Message):
    """The coordinator refuses what it was sent; ``reason`` is a sentence."""

    type: Literal["rejection"] = "rejection"
    reason: str = Field(max_length=LONGEST_REASON)


AnyMessage = Join | Heartbeat | Update | Decline | Leave | Welcome | Order | Pulse | Rejection
_ADAPTER: TypeAdapter[AnyMessage] = TypeAdapter(Annotated[AnyMessage, Field(discriminator="type")])


def encode(message: AnyMessage) -> str:
    """The message as the body of a stanza."""
    return message.model_dump_json(by_alias=True, exclude_none=True)


def decode(body: str) -> AnyMessage:
    """Read the body of a stanza, or raise :class:`InvalidMessage` with what is wrong."""
    if len(body) > LONGEST_MESSAGE:
        raise InvalidMessage(f"message of {counted(len(body), 'character')}; at most {LONGEST_MESSAGE} are read")
    try:
        message = _ADAPTER.validate_json(body)
    except ValidationError as error:
        raise InvalidMessage(_what_is_wrong(body, error)) from error
    if "consilia" not in message.model_fields_set:
        raise InvalidMessage(_other_version(None))
    return message


def digest_of_names(names: "list[str] | tuple[str, ...] | frozenset[str]") -> str:
    """SHA-256 of a set of hospitals, whatever its order."""
    return hashlib.sha256(_canonical(sorted(names))).hexdigest()


def fits_inline(length: int) -> bool:
    """Whether a vector of ``length`` values travels in the message itself, and not as a blob."""
    return length * BYTES_A_VALUE <= INLINE_LIMIT


def to_bytes(vector: Vector) -> bytes:
    """Raw little-endian float64."""
    return np.ascontiguousarray(vector, dtype="<f8").tobytes()


def pack(vector: Vector) -> VectorRef:
    """Reference a vector; its values are inside when they are small enough, else they travel as a blob."""
    reference, raw = blob_of(vector)
    if not fits_inline(reference.length):
        return reference
    return reference.model_copy(update={"data": base64.b64encode(raw).decode()})


def blob_of(vector: Vector) -> tuple[VectorRef, memoryview]:
    """A vector as a blob: the reference to it, and its bytes (raw little-endian float64; no copy where it is that)."""
    raw = np.ascontiguousarray(vector, dtype="<f8").data.cast("B")
    return VectorRef(sha256=hashlib.sha256(raw).hexdigest(), length=len(vector)), raw


def unpack(reference: VectorRef, raw: bytes | None = None) -> Vector:
    """The values of ``reference``, which must have the promised length and digest; ``raw`` where they are a blob."""
    if raw is None:
        if reference.data is None:
            raise InvalidMessage(f"vector {reference.sha256[:12]}… is a blob, and its bytes were not fetched")
        try:
            raw = base64.b64decode(reference.data, validate=True)
        except ValueError as error:
            raise InvalidMessage(f"vector {reference.sha256[:12]}… is not valid base64") from error
    if len(raw) != reference.length * BYTES_A_VALUE:
        raise InvalidMessage(
            f"vector {reference.sha256[:12]}… has {counted(len(raw), 'byte')}; "
            f"expected {reference.length * BYTES_A_VALUE}, for {counted(reference.length, 'value')}"
        )
    if hashlib.sha256(raw).hexdigest() != reference.sha256:
        raise InvalidMessage(f"vector {reference.sha256[:12]}… does not have the digest that it came with")
    return np.frombuffer(raw, dtype="<f8").astype(np.float64, copy=False)


def require_usable(vector: Vector, length: int) -> Vector:
    """``vector`` itself, or :class:`InvalidMessage` when it has another length, or holds NaN, infinity or the like."""
    if len(vector) != length:
        raise InvalidMessage(f"vector has {counted(len(vector), 'value')}; this run's have {length}")
    if not all_usable(vector):
        bad = int(np.flatnonzero(~(np.abs(vector) <= LARGEST))[0])
        raise InvalidMessage(
            f"vector holds a value that is not finite (NaN or infinity) or beyond {LARGEST:g}, first at position {bad}"
        )
    return vector


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _what_is_wrong(body: str, error: ValidationError) -> str:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return "message is not JSON: its sender is not of this federation"
    if isinstance(data, dict) and data.get("consilia") != PROTOCOL:
        return _other_version(data.get("consilia"))
    return f"message is not valid: {explain(error)}"


def _other_version(version: object) -> str:
    return (
        f"message of protocol version {json.dumps(version)[:20]}; this process speaks version "
        f"{PROTOCOL}: run the same release of Consilia on both sides"
    )
