"""What people are told: the sentence of every transition."""

from dataclasses import replace

import pytest

from builders import AT, HOSPITALS, federation_spec, private_spec
from consilia.rounds import Exchange, Run, State
from consilia.spec import FederationSpec
from consilia.status import EventRecord
from consilia_coordinator import narration
from consilia_coordinator.narration import Telling

NAMES = frozenset(HOSPITALS)
ROUND_2 = Exchange(1, 2, 1, "train", NAMES, received=frozenset({"north"}))
RUN = Run(State.COLLECTING, number=1, target=10, quorum=2, hospitals=NAMES, joined=NAMES, committed=1)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(
            narration.started(2, federation_spec(), 2),
            Telling("Normal", "Started", "run 2: 3 rounds, quorum 2, NON-PRIVATE"),
            id="started",
        ),
        pytest.param(
            narration.started(2, private_spec(epsilon=0.5), 2),
            Telling("Normal", "Started", "run 2: 3 rounds, quorum 2, epsilon 0.5 (delta 1e-5)"),
            id="started with noise",
        ),
        pytest.param(
            narration.resumed(1, -1),
            Telling("Normal", "CoordinatorResumed", "run 1 goes on after round 0"),
            id="resumed before the moments",
        ),
        pytest.param(
            narration.quorum_reached(replace(RUN, joined=NAMES | {"stranger"})),
            Telling("Normal", "QuorumReached", "2 of 2 hospitals joined"),
            id="quorum reached, strangers not counted",
        ),
        pytest.param(narration.stopped(RUN), Telling("Normal", "Stopped", "stopped after round 1 of 10"), id="stopped"),
        pytest.param(narration.completed(RUN), Telling("Normal", "Completed", "run 1: 1 round"), id="completed"),
        pytest.param(
            narration.lost("north", "silent"),
            Telling("Warning", "HospitalLost", "north: silent; not awaited until it rejoins"),
            id="lost",
        ),
        pytest.param(
            narration.refused("north", "one class only"),
            Telling("Warning", "HospitalRefused", "north: one class only"),
            id="refused",
        ),
        pytest.param(
            narration.retried(ROUND_2, frozenset({"south"}), 2),
            Telling("Warning", "RoundRetried", "round 2: 1 answer, quorum 2; tried again without south"),
            id="retried",
        ),
    ],
)
def test_a_transition_is_told_in_one_sentence(told: Telling, expected: Telling) -> None:
    assert told == expected


@pytest.mark.parametrize(
    ("exchange", "name"),
    [
        pytest.param(replace(ROUND_2, task="moments", round=0), "scaling", id="moments"),
        pytest.param(replace(ROUND_2, task="centre", round=0), "the centre", id="centre"),
        pytest.param(ROUND_2, "round 2", id="train"),
        pytest.param(replace(ROUND_2, task="evaluate"), "the final evaluation", id="evaluate"),
    ],
)
def test_who_is_gone_on_without_is_named_with_what_goes_on(exchange: Exchange, name: str) -> None:
    told = narration.incomplete(exchange, frozenset({"south", "east"}))
    assert told == [Telling("Warning", "RoundIncomplete", f"{name} goes on without east, south")]


def test_nothing_is_told_where_nobody_is_missing() -> None:
    assert narration.incomplete(ROUND_2, frozenset()) == []


@pytest.mark.parametrize(
    ("edited", "expected"),
    [
        pytest.param(federation_spec(), [], id="nothing"),
        pytest.param(federation_spec(rounds=5), ["TargetChanged: 5 rounds instead of 3"], id="target"),
        pytest.param(federation_spec(suspend=True), ["StopRequested: stop requested at round 1 of 3"], id="stop"),
        pytest.param(federation_spec(("north",)), ["HospitalsChanged: 1 hospital instead of 2"], id="a hospital fewer"),
    ],
)
def test_an_edit_is_told_by_what_it_changes(edited: FederationSpec, expected: list[str]) -> None:
    told = narration.edited(federation_spec(), edited, 1)
    assert [f"{one.reason}: {one.message}" for one in told] == expected


def test_a_start_is_told_as_one() -> None:
    told = narration.edited(federation_spec(suspend=True), federation_spec(), -1)
    assert told == [Telling("Normal", "StartRequested", "start requested at round 0 of 3")]


@pytest.mark.parametrize(
    ("wished", "waiting"),
    [
        pytest.param(federation_spec(seed=7), "spec.seed: holds from the next run on", id="seed"),
        pytest.param(
            federation_spec(model={"l2": 1}, seed=7), "spec.seed, spec.model: holds from the next run on", id="two"
        ),
        pytest.param(federation_spec(run=4), None, id="the run's number is no edit"),
    ],
)
def test_what_waits_for_the_next_run_is_said(wished: FederationSpec, waiting: str | None) -> None:
    told = narration.deferred(federation_spec(), federation_spec(), wished)
    assert [one.message for one in told] == ([] if waiting is None else [waiting])


def test_rounds_that_the_noise_was_not_made_for_wait_and_it_is_said_why() -> None:
    first, held, wished = private_spec(rounds=5), private_spec(rounds=4), private_spec(rounds=9, seed=7)
    (told,) = narration.deferred(first, held, wished)
    assert told == Telling(
        "Warning",
        "EditDeferred",
        "spec.seed: holds from the next run on; spec.rounds 9: the noise of this run was calibrated for 5 rounds, so "
        "that its target stays 4; start a new run for more",
    )


def happened(reason: str, message: str = "") -> EventRecord:
    return EventRecord(at=AT, type="Warning", reason=reason, message=message)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param([], [], id="nothing happened"),
        pytest.param([happened("Started"), happened("EditDeferred", "a"), (1, 1)], ["a"], id="one wish waits"),
        pytest.param([happened("EditDeferred", "a"), happened("EditDeferred", "b")], ["b"], id="the last of two"),
        pytest.param([happened("EditDeferred", "a"), happened("Started")], [], id="a new run has it"),
    ],
)
def test_what_waits_is_known_after_a_restart(records: list[EventRecord | tuple[int, int]], expected: list[str]) -> None:
    told = narration.last_deferred(list(enumerate(records)))
    assert [one.message for one in told] == expected
