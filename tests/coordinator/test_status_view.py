"""The status in words: the phase, what happens now or why nothing does, and every hospital as it was last seen."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders import AT, HOSPITALS, START, accepted, federation_spec, whole_round
from consilia.journal import History, RunCompleted, Tracked
from consilia.rounds import Exchange, Run, State
from consilia.status import Condition, HospitalStatus, RegisteredModel
from consilia_coordinator.roster import Roster
from consilia_coordinator.status_view import (
    Facts,
    federation_status,
    round_records,
    with_transition_times,
)

NAMES = frozenset(HOSPITALS)
IDLE = Run(number=1, target=3, quorum=2, hospitals=NAMES, suspended=False)
GATHERING = replace(IDLE, state=State.REGISTRATION)
COLLECTING = replace(
    IDLE, state=State.COLLECTING, joined=NAMES, committed=1, exchange=Exchange(1, 2, 1, "train", NAMES)
)


def exchange(task: str = "train", **fields: Any) -> Run:
    """A run in the middle of an exchange."""
    flying = replace(COLLECTING.exchange or Exchange(1, 2, 1, "train", NAMES), task=task, **fields)
    return replace(COLLECTING, exchange=flying)


def roster(*present: str) -> Roster:
    roster = Roster()
    for name in present:
        roster.hear(name, 0.0, START)
        roster.join(name, f"{name}@localhost/1", "i", "sklearn")
    return roster


def history(*rounds: list[Any]) -> History:
    history = History()
    history.add([accepted(spec=federation_spec())])
    for facts in rounds:
        history.add(facts)
    return history


def facts(run: Run, known: Roster | None = None, past: History | None = None, problem: str | None = None) -> Facts:
    return Facts(past or history(), run, roster(*HOSPITALS) if known is None else known, problem)


def with_refusal(name: str, reason: str) -> Roster:
    known = roster(*HOSPITALS)
    known.member(name).refusal = reason
    return known


def with_loss(name: str, reason: str) -> Roster:
    known = roster(*HOSPITALS)
    known.lose(name, reason)
    return known


def hospital(found: Facts, name: str) -> HospitalStatus:
    return next(one for one in federation_status(found).hospitals if one.name == name)


@pytest.mark.parametrize(
    ("found", "phase", "message"),
    [
        pytest.param(
            facts(replace(IDLE, suspended=True)),
            "Idle",
            "waiting for Start: 3 rounds",
            id="suspended from the start",
        ),
        pytest.param(
            facts(replace(IDLE, suspended=True, committed=2)),
            "Idle",
            "stopped after round 2 of 3; Start resumes it",
            id="stopped",
        ),
        pytest.param(
            facts(replace(IDLE, committed=3, complete=True)), "Complete", "run 1 is complete: 3 rounds", id="complete"
        ),
        pytest.param(
            facts(replace(GATHERING, joined=frozenset({"north"})), roster("north")),
            "Registration",
            "waiting for 2 hospitals; 1 joined; missing: south",
            id="waiting for a hospital",
        ),
        pytest.param(
            facts(replace(GATHERING, joined=frozenset({"north"})), with_loss("south", "its process was stopped")),
            "Registration",
            "waiting for 2 hospitals; 1 joined; missing: south (its process was stopped)",
            id="waiting for a hospital that went away",
        ),
        pytest.param(
            facts(replace(GATHERING, joined=frozenset({"north"})), with_refusal("south", 'column "age" is missing')),
            "Blocked",
            'missing: south (column "age" is missing)',
            id="too few with usable data",
        ),
        pytest.param(facts(exchange()), "Training", "round 2 of 3: 0 of 2 answers", id="nobody answered yet"),
        pytest.param(
            facts(exchange(received=frozenset({"north"}))),
            "Training",
            "round 2 of 3: 1 of 2 answers",
            id="one has answered",
        ),
        pytest.param(facts(exchange("moments", round=0)), "Training", "scaling: 0 of 2 answers", id="scaling"),
        pytest.param(
            facts(exchange("evaluate")), "Training", "final evaluation: 0 of 2 answers", id="the final evaluation"
        ),
        pytest.param(
            facts(exchange(excused=frozenset({"south"})), with_loss("south", "no sign of life")),
            "Training",
            "stalled below the quorum of 2 without south (no sign of life); retried at the round's timeout",
            id="stalled below the quorum",
        ),
        pytest.param(
            facts(replace(exchange(), suspended=True)), "Stopping", "stopping after round 2 of 3", id="stop asked for"
        ),
        pytest.param(
            facts(replace(COLLECTING, state=State.FINISHED, exchange=None)),
            "Training",
            "saving the final model",
            id="finishing",
        ),
        pytest.param(
            facts(exchange(), problem="broker localhost:5222 is down"),
            "Training",
            "broker localhost:5222 is down",
            id="without a broker",
        ),
    ],
)
def test_people_are_told_the_phase_and_what_happens_or_why_nothing_does(found: Facts, phase: str, message: str) -> None:
    status = federation_status(found)
    assert status.phase == phase
    assert message in status.message
    assert status.state == found.run.state.value


MANY = tuple(f"h{number:02}" for number in range(12))
TEN = "h00, h01, h02, h03, h04, h05, h06, h07, h08, h09, and 2 more"


def of_many(run: Run) -> Facts:
    past = History()
    past.add([accepted(spec=federation_spec(MANY))])
    return facts(replace(run, quorum=2, hospitals=frozenset(MANY), joined=frozenset()), roster(), past)


@pytest.mark.parametrize(
    ("found", "ending"),
    [
        pytest.param(of_many(GATHERING), f"missing: {TEN}", id="waiting"),
        pytest.param(
            of_many(exchange(participants=frozenset(MANY), excused=frozenset(MANY))),
            f"without {TEN}; retried at the round's timeout",
            id="stalled",
        ),
    ],
)
def test_a_sentence_names_ten_hospitals_and_counts_the_rest(found: Facts, ending: str) -> None:
    assert federation_status(found).message.endswith(ending)


def test_before_any_spec_the_status_waits_for_one() -> None:
    status = federation_status(Facts(History(), Run(), Roster()))
    assert (status.phase, status.run, status.message) == ("Pending", 0, "waiting for the federation's spec")


@pytest.mark.parametrize(
    ("found", "phase", "reason"),
    [
        pytest.param(facts(GATHERING, roster()), "Pending", None, id="never seen"),
        pytest.param(facts(GATHERING), "Ready", None, id="joined"),
        pytest.param(facts(exchange()), "Training", None, id="at work"),
        pytest.param(facts(exchange(received=frozenset({"north"}))), "Sent", None, id="has answered"),
        pytest.param(
            facts(exchange(participants=frozenset({"south"}))), "Ready", None, id="joined in the middle of a round"
        ),
        pytest.param(facts(exchange(), with_loss("north", "silent")), "Lost", "silent", id="lost"),
        pytest.param(facts(exchange(), with_refusal("north", "one class")), "Refused", "one class", id="refused"),
    ],
)
def test_a_hospital_is_shown_as_it_was_last_seen(found: Facts, phase: str, reason: str | None) -> None:
    seen = hospital(found, "north")
    assert (seen.phase, seen.reason) == (phase, reason)


def test_a_hospital_shows_the_scores_of_the_newest_model_that_it_has_scored() -> None:
    past = history(whole_round(1), whole_round(2, loss=0.5), whole_round(3, loss=0.4))
    seen = hospital(facts(exchange(), past=past), "north")
    assert (seen.round, seen.loss, seen.rows) == (2, 0.4, 10)
    assert seen.last_seen == AT
    assert seen.engine == "sklearn"


def test_a_hospital_that_has_scored_nothing_shows_no_scores() -> None:
    seen = hospital(facts(exchange(), past=history(whole_round(1))), "north")
    assert seen.round is None
    assert seen.loss is None


def test_the_status_counts_rounds_and_takes_the_median_of_their_times() -> None:
    past = history(whole_round(1), whole_round(2))
    past.add([Tracked(at=AT, run=1, run_id="ab", model=RegisteredModel(name="m", version="1", uri="models:/m/1"))])
    status = federation_status(facts(replace(COLLECTING, committed=2), past=past))
    assert (status.round, status.rounds, status.quorum, status.connected) == (2, 3, 2, 2)
    assert status.seconds_per_round == 0.5
    assert status.metrics is not None
    assert status.metrics.loss == pytest.approx(1 / 3)
    assert status.mlflow is not None
    assert status.model is not None


def test_before_the_moments_are_summed_the_round_is_0_and_not_less() -> None:
    assert federation_status(facts(replace(exchange("moments"), committed=-1))).round == 0


def test_a_complete_run_says_when_it_was() -> None:
    past = history(whole_round(1), [RunCompleted(at=AT, run=1)])
    assert federation_status(facts(replace(IDLE, complete=True, committed=1), past=past)).completed_at == AT


def conditions_of(found: Facts) -> dict[str, Condition]:
    return {condition.type: condition for condition in federation_status(found).conditions}


@pytest.mark.parametrize(
    ("found", "kind", "status", "reason", "message"),
    [
        pytest.param(facts(GATHERING), "Ready", "True", "Connected", "", id="ready"),
        pytest.param(facts(GATHERING, problem="gone"), "Ready", "False", "BrokerLost", "gone", id="broker lost"),
        pytest.param(
            facts(GATHERING),
            "HospitalsConnected",
            "False",
            "WaitingForQuorum",
            "0 of 2 hospitals connected; the quorum is 2",
            id="no quorum",
        ),
        pytest.param(facts(exchange()), "HospitalsConnected", "True", "QuorumReached", "2 of 2", id="quorum"),
        pytest.param(
            facts(exchange(), with_refusal("south", "one class only")),
            "DataAccepted",
            "False",
            "DataRefused",
            "south: one class only",
            id="data refused",
        ),
        pytest.param(facts(exchange()), "DataAccepted", "True", "AllAccepted", "", id="data accepted"),
        pytest.param(
            facts(GATHERING, roster()),
            "DataAccepted",
            "Unknown",
            "NotTried",
            "no hospital has looked at its data yet",
            id="data of nobody",
        ),
        pytest.param(
            facts(exchange(), with_loss("south", "silent")),
            "Degraded",
            "True",
            "HospitalLost",
            "south: silent",
            id="lost",
        ),
        pytest.param(facts(exchange()), "Degraded", "False", "AllPresent", "", id="all there"),
        pytest.param(facts(exchange()), "Training", "True", "RoundInFlight", "round 2 of 3", id="training"),
        pytest.param(facts(GATHERING), "Training", "False", "NotTraining", "waiting for", id="not training"),
        pytest.param(facts(replace(IDLE, complete=True)), "Complete", "True", "TargetReached", "", id="complete"),
    ],
)
def test_conditions_follow_kubernetes_conventions(
    found: Facts, kind: str, status: str, reason: str, message: str
) -> None:
    condition = conditions_of(found)[kind]
    assert (condition.status, condition.reason) == (status, reason)
    assert message in condition.message


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    first = [Condition(type="Ready", status="True", reason="Connected", message="")]
    timed, known = with_transition_times(first, {}, START)
    assert timed[0].last_transition_time == AT
    reworded = [first[0].model_copy(update={"message": "still"})]
    timed, known = with_transition_times(reworded, known, START + timedelta(hours=1))
    assert (timed[0].last_transition_time, timed[0].message) == (AT, "still")
    turned = [first[0].model_copy(update={"status": "False"})]
    timed, _ = with_transition_times(turned, known, START + timedelta(hours=2))
    assert timed[0].last_transition_time == "2026-11-24T14:00:00.000Z"


@pytest.mark.parametrize(
    ("run", "after", "expected"),
    [
        pytest.param(None, 0, [1, 2], id="the current run"),
        pytest.param(1, 1, [2], id="after a round"),
        pytest.param(7, 0, [], id="a run that never was"),
    ],
)
def test_rounds_are_read_by_run_in_order(run: int | None, after: int, expected: list[int]) -> None:
    past = history(whole_round(1), whole_round(2, loss=0.1))
    assert [record.round for record in round_records(past, run, after)] == expected


def test_an_empty_history_has_no_rounds() -> None:
    assert round_records(History(), None, 0) == []
