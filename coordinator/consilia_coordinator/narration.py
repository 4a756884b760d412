"""The sentences in which the coordinator tells what happened. Pure: each gives the Events that people will read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from consilia.epsilons import small
from consilia.rounds import Exchange, Names, Run
from consilia.spec import FederationSpec
from consilia.status import EventRecord
from consilia.wording import counted

STARTED, DEFERRED = "Started", "EditDeferred"


@dataclass(frozen=True)
class Telling:
    """One Event, without its time."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


def started(run: int, spec: FederationSpec, quorum: int) -> Telling:
    """A run starts from a fresh model."""
    promise = f" (delta {small(spec.privacy.delta)})" if spec.privacy.private else ""
    message = f"run {run}: {spec.work}, quorum {quorum}, {spec.privacy.label}{promise}"
    return Telling("Normal", STARTED, message)


def resumed(run: int, committed: int) -> Telling:
    """The coordinator's process is back."""
    return Telling("Normal", "CoordinatorResumed", f"run {run} goes on after round {max(committed, 0)}")


def quorum_reached(run: Run) -> Telling:
    """The rounds can go on."""
    message = f"{len(run.reachable)} of {counted(len(run.hospitals), 'hospital')} joined"
    return Telling("Normal", "QuorumReached", message)


def stopped(run: Run) -> Telling:
    """The run rests."""
    return Telling("Normal", "Stopped", f"stopped after round {max(run.committed, 0)} of {run.target}")


def completed(run: Run) -> Telling:
    """The run has its final model, or its statistics."""
    if run.work == "statistics":
        return Telling("Normal", "Completed", f"run {run.number}: statistics")
    return Telling("Normal", "Completed", f"run {run.number}: {counted(run.committed, 'round')}")


def lost(hospital: str, reason: str) -> Telling:
    """A hospital is gone."""
    return Telling("Warning", "HospitalLost", f"{hospital}: {reason}; not awaited until it rejoins")


def refused(hospital: str, reason: str) -> Telling:
    """A hospital cannot take part."""
    return Telling("Warning", "HospitalRefused", f"{hospital}: {reason}")


def name_of(exchange: Exchange) -> str:
    """What an exchange is called."""
    names = {
        "moments": "scaling",
        "centre": "the centre",
        "evaluate": "the final evaluation",
        "statistics": "the statistics",
    }
    return names.get(exchange.task, f"round {exchange.round}")


def retried(exchange: Exchange, missing: Names, quorum: int) -> Telling:
    """Too few answers: the exchange is tried again."""
    whom = ", ".join(sorted(missing)) or "nobody"
    answers = counted(len(exchange.received), "answer")
    message = f"{name_of(exchange)}: {answers}, quorum {quorum}; tried again without {whom}"
    return Telling("Warning", "RoundRetried", message)


def incomplete(exchange: Exchange, missing: Names) -> list[Telling]:
    """The exchange goes on without some."""
    if not missing:
        return []
    return [Telling("Warning", "RoundIncomplete", f"{name_of(exchange)} goes on without {', '.join(sorted(missing))}")]


def edited(old: FederationSpec, new: FederationSpec, committed: int) -> list[Telling]:
    """The owner's wish changed in mid-run, from ``old`` to ``new``."""
    told = []
    if old.rounds != new.rounds and new.task == "Training":
        told.append(Telling("Normal", "TargetChanged", f"{counted(new.rounds, 'round')} instead of {old.rounds}"))
    if old.suspend != new.suspend:
        reason, what = ("StopRequested", "stop") if new.suspend else ("StartRequested", "start")
        at = f"at round {max(committed, 0)} of {new.rounds}"
        told.append(Telling("Normal", reason, f"{what} requested {at}"))
    if old.hospital_names != new.hospital_names:
        message = f"{counted(len(new.hospitals), 'hospital')} instead of {len(old.hospitals)}"
        told.append(Telling("Normal", "HospitalsChanged", message))
    return told


def deferred(first: FederationSpec, held: FederationSpec, wished: FederationSpec) -> list[Telling]:
    """What of the wish has to wait for the next run, of a run that began with ``first``."""
    names = [name for name in FederationSpec.model_fields if getattr(held, name) != getattr(wished, name)]
    waiting = ", ".join(f"spec.{name}" for name in names if name not in ("run", "rounds"))
    told = [f"{waiting}: holds from the next run on"] if waiting else []
    if "rounds" in names and first.task == "Training":
        told.append(
            f"spec.rounds {wished.rounds}: the noise of this run was calibrated for {counted(first.rounds, 'round')}, "
            f"so that its target stays {held.rounds}; start a new run for more"
        )
    return [Telling("Warning", DEFERRED, "; ".join(told))] if told else []


def last_deferred(feed: Sequence[tuple[int, EventRecord | tuple[int, int]]]) -> list[Telling]:
    """What was last told to wait, since the current run started."""
    for _, record in reversed(feed):
        if isinstance(record, EventRecord) and record.reason in (STARTED, DEFERRED):
            return [Telling(record.type, record.reason, record.message)] if record.reason == DEFERRED else []
    return []
