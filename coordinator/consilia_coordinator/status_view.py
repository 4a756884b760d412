"""The federation's status, computed from what is known: the fold of the journal, the state of the run, the roster.

Pure. Every sentence that tells a person why nothing happens is written here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Literal

from consilia.journal import History, RunHistory, Tracked
from consilia.rounds import Run, State
from consilia.spec import FederationSpec
from consilia.status import (
    Condition,
    FederationStatus,
    HospitalMetrics,
    HospitalPhase,
    HospitalStatus,
    Phase,
    RoundRecord,
    TrackingRun,
)
from consilia.wording import counted, first_of
from consilia_coordinator.clock import iso
from consilia_coordinator.privacy_view import Ledgers, budget_condition, ledgers_of, privacy_status
from consilia_coordinator.roster import Member, Roster

MOST_NAMED = 10
"""Hospitals that one sentence names; the rest are counted, and each is in the list of hospitals."""


@dataclass(frozen=True)
class Facts:
    """All that a status is computed from."""

    history: History
    run: Run
    roster: Roster
    broker_problem: str | None = None


def federation_status(facts: Facts) -> FederationStatus:
    """The status as people read it; conditions come without the times of their transitions."""
    history = facts.history.current
    if history is None:
        return FederationStatus(message="waiting for the federation's spec")
    run, spec = facts.run, history.spec
    last = history.rounds.get(history.committed)
    tracked = history.tracked
    ledgers = ledgers_of(facts.roster, facts.history, history)
    return FederationStatus(
        phase=phase(facts, spec),
        state=run.state.value,
        message=message(facts, spec),
        run=run.number,
        round=max(run.committed, 0),
        rounds=run.target,
        quorum=run.quorum,
        connected=len(run.reachable),
        started_at=history.started_at,
        completed_at=history.completed_at,
        seconds_per_round=_seconds_per_round(history),
        task=history.first.task,
        numeric=history.first.model.numeric,
        private=spec.privacy.private,
        privacy=privacy_status(history, ledgers),
        metrics=last.metrics if last else None,
        statistics=history.statistics,
        hospitals=[_hospital(facts, history, name, ledgers) for name in spec.hospital_names],
        model=tracked.model if tracked else None,
        mlflow=_tracking_run(tracked) if tracked else None,
        conditions=conditions(facts, spec),
    )


def _tracking_run(tracked: Tracked) -> TrackingRun:
    return TrackingRun(run_id=tracked.run_id, url=tracked.url, settled=tracked.logged_through or None)


def phase(facts: Facts, spec: FederationSpec) -> Phase:
    """One word for people; the state of the machine is beside it."""
    run = facts.run
    if run.state is State.IDLE:
        return "Complete" if run.complete else "Idle"
    usable = [name for name in spec.hospital_names if facts.roster.member(name).refusal is None]
    if len(usable) < run.quorum:
        return "Blocked"
    if run.state is State.REGISTRATION:
        return "Registration"
    return "Stopping" if run.suspended else "Training"


def message(facts: Facts, spec: FederationSpec) -> str:
    """What happens now, or why nothing does."""
    run = facts.run
    if facts.broker_problem:
        return facts.broker_problem
    if run.state is State.IDLE:
        return _why_at_rest(run)
    if run.state is State.REGISTRATION:
        return _who_is_missing(facts, spec)
    if run.exchange is None:
        return "saving the statistics" if run.work == "statistics" else "saving the final model"
    return _what_is_awaited(facts)


def conditions(facts: Facts, spec: FederationSpec) -> list[Condition]:
    """The conditions by Kubernetes' conventions, without transition times."""
    run = facts.run
    refused = [member for member in _members(facts, spec) if member.refusal is not None and member.problem is None]
    lost = [member for member in _members(facts, spec) if member.known and not member.present]
    enough = len(run.reachable) >= run.quorum
    training = run.state not in (State.IDLE, State.REGISTRATION)
    return [
        _condition("Ready", facts.broker_problem is None, "Connected", "BrokerLost", facts.broker_problem or ""),
        _condition(
            "HospitalsConnected",
            enough,
            "QuorumReached",
            "WaitingForQuorum",
            f"{len(run.reachable)} of {counted(len(spec.hospitals), 'hospital')} connected; the quorum is {run.quorum}",
        ),
        _data_accepted(facts, spec, refused),
        budget_condition(_members(facts, spec), private=spec.privacy.private),
        _condition("Training", training, "RoundInFlight", "NotTraining", message(facts, spec)),
        _condition("Complete", run.complete, "TargetReached", "NotComplete", ""),
        _condition(
            "Degraded",
            bool(lost),
            "HospitalLost",
            "AllPresent",
            "; ".join(first_of([f"{member.name}: {member.lost_reason}" for member in lost], MOST_NAMED)),
        ),
    ]


def newest_scores(history: RunHistory, name: str) -> tuple[int, HospitalMetrics] | None:
    """The last round whose model hospital ``name`` has scored, and the scores."""
    for number in sorted(history.rounds, reverse=True):
        scores = history.rounds[number].hospitals.get(name)
        if scores is not None and (scores.loss is not None or scores.errors is not None or scores.hidden):
            return number, scores
    return None


def _hospital(facts: Facts, history: RunHistory, name: str, ledgers: Ledgers) -> HospitalStatus:
    member = facts.roster.member(name)
    newest = newest_scores(history, name)
    scores = dict(newest[1]) if newest else {}
    return HospitalStatus(
        name=name,
        engine=member.engine,
        phase=_hospital_phase(facts.run, member),
        round=newest[0] if newest else None,
        # One that is refused stays so until it has looked again, which its reading does not foretell.
        reading=member.reading if member.present and member.refusal is None else None,
        last_seen=iso(member.heard_at) if member.heard_at else None,
        problem=member.problem,
        reason=member.refusal or member.lost_reason,
        ledger=ledgers.get(name),
        **scores,
    )


def _hospital_phase(run: Run, member: Member) -> HospitalPhase:
    if member.refusal is not None:
        return "Refused"
    if not member.present:
        return "Lost" if member.known else "Pending"
    exchange = run.exchange
    if exchange is not None and member.name in exchange.participants:
        return "Sent" if member.name in exchange.received else "Training"
    return "Ready"


def _members(facts: Facts, spec: FederationSpec) -> list[Member]:
    return [facts.roster.member(name) for name in spec.hospital_names]


def _why_at_rest(run: Run) -> str:
    what = "statistics" if run.work == "statistics" else None
    if run.complete:
        return f"run {run.number} is complete: {what or counted(run.committed, 'round')}"
    if run.committed <= 0:
        return f"waiting for Start: {what or counted(run.target, 'round')}"
    return f"stopped after round {run.committed} of {run.target}; Start resumes it"


def _who_is_missing(facts: Facts, spec: FederationSpec) -> str:
    missing = [_why(member) for member in _members(facts, spec) if member.name not in facts.run.reachable]
    needed = counted(facts.run.quorum, "hospital")
    named = ", ".join(first_of(missing, MOST_NAMED))
    return f"waiting for {needed}; {len(facts.run.reachable)} joined; missing: {named}"


def _why(member: Member) -> str:
    reason = member.refusal or member.lost_reason
    return f"{member.name} ({reason})" if reason else member.name


def _what_is_awaited(facts: Facts) -> str:
    run, exchange = facts.run, facts.run.exchange
    if exchange is None:
        return ""
    what = {
        "moments": "scaling",
        "centre": "centre",
        "train": f"round {exchange.round} of {run.target}",
        "evaluate": "final evaluation",
        "statistics": "statistics",
    }
    told = f"{what[exchange.task]}: {len(exchange.received)} of {counted(len(exchange.participants), 'answer')}"
    lost = sorted(exchange.excused)
    if lost and len(exchange.received | exchange.awaited) < run.quorum:
        whom = ", ".join(first_of([_why(facts.roster.member(name)) for name in lost], MOST_NAMED))
        return f"{told}; stalled below the quorum of {run.quorum} without {whom}; retried at the round's timeout"
    return f"stopping after {what[exchange.task]}" if run.suspended else told


def _refusals(refused: Sequence[Member]) -> list[str]:
    return [f"{member.name}: {member.refusal}" for member in refused]


def _seconds_per_round(history: RunHistory) -> float | None:
    seconds = [record.seconds for record in history.rounds.values()]
    return median(seconds) if seconds else None


def _condition(kind: str, holds: bool, yes: str, no: str, message: str) -> Condition:
    status: Literal["True", "False"] = "True" if holds else "False"
    return Condition(type=kind, status=status, reason=yes if holds else no, message=message)


def _data_accepted(facts: Facts, spec: FederationSpec, refused: list[Member]) -> Condition:
    """Nobody knows before a hospital came, or while its source does not answer, or its own disk takes nothing."""
    members = _members(facts, spec)
    for problem in ("SourceUnavailable", "DiskUnwritable"):
        away = [member for member in members if member.problem == problem]
        if not refused and away:
            sentences = "; ".join(first_of(_refusals(away), MOST_NAMED))
            return Condition(type="DataAccepted", status="Unknown", reason=problem, message=sentences)
    if not refused and not any(member.known for member in members):
        message = "no hospital has looked at its data yet"
        return Condition(type="DataAccepted", status="Unknown", reason="NotTried", message=message)
    sentences = "; ".join(first_of(_refusals(refused), MOST_NAMED))
    return _condition("DataAccepted", not refused, "AllAccepted", "DataRefused", sentences)


def with_transition_times(
    new: list[Condition], old: dict[str, Condition], now: datetime
) -> tuple[list[Condition], dict[str, Condition]]:
    """``new`` with the time at which each condition last changed its status."""
    timed = []
    for condition in new:
        before = old.get(condition.type)
        unchanged = before is not None and before.status == condition.status
        since = before.last_transition_time if before is not None and unchanged else iso(now)
        timed.append(condition.model_copy(update={"last_transition_time": since}))
    return timed, {condition.type: condition for condition in timed}


def round_records(history: History, run: int | None, after: int) -> list[RoundRecord]:
    """The committed rounds of a run (default: the current) above ``after``, in order."""
    chosen = history.current if run is None else history.runs.get(run)
    if chosen is None:
        return []
    return [record for number, record in sorted(chosen.rounds.items()) if number > after]
