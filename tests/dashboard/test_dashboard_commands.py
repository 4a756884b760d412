"""Start, Stop and Rounds edit suspend, rounds and run, and nothing else."""

from typing import Any

import pytest

from consilia_dashboard import commands
from consilia_dashboard.seen import Seen


def seen(phase: str, suspend: bool = False, **status: Any) -> Seen:
    hospitals = [{"name": each} for each in "abcde"]
    spec = {"rounds": 10, "suspend": suspend, "hospitals": hospitals, "privacy": {"epsilon": 0}}
    return Seen({"spec": spec, "status": {"phase": phase, "rounds": 10, "connected": 5, "quorum": 5, **status}})


def test_start_resumes_a_suspended_federation() -> None:
    assert commands.start(seen("Idle", suspend=True, run=1, round=4), None).spec == {"suspend": False}


def test_start_on_a_complete_federation_asks_for_the_next_run() -> None:
    assert commands.start(seen("Complete", run=3, round=10), None).spec == {"suspend": False, "run": 4}


def test_start_takes_the_typed_rounds_along_and_says_what_it_does() -> None:
    command = commands.start(seen("Idle", suspend=True), "20")
    assert command.spec == {"suspend": False, "rounds": 20}
    assert command.message == "Starting: 20 rounds, 5 hospitals, NON-PRIVATE."


def test_start_names_the_epsilon_of_a_private_federation() -> None:
    case = seen("Idle", suspend=True)
    case.spec["privacy"] = {"epsilon": 1.0}
    assert commands.start_with(case) == "5 hospitals, epsilon 1.0"


def test_start_takes_a_spec_that_names_no_epsilon_for_a_private_one() -> None:
    case = seen("Idle", suspend=True)
    del case.spec["privacy"]
    assert commands.start_with(case) == "5 hospitals, epsilon 1.0"


@pytest.mark.parametrize(
    ("phase", "done", "lacks"),
    [
        pytest.param("Complete", 10, "d has only 0.60 left; e has only 0.60 left: ask", id="another run"),
        pytest.param("Idle", 0, "d has only 0.60 left; e has only 0.60 left: ask", id="the first run"),
        pytest.param("Idle", 4, "", id="the same run goes on: its cost is counted already"),
    ],
)
def test_start_says_whose_budget_does_not_allow_what_it_would_begin(phase: str, done: int, lacks: str) -> None:
    hospitals = [{"name": each, "ledger": {"remaining": 0.6 if each in "de" else 4}} for each in "abcde"]
    case = seen(phase, suspend=True, run=1, round=done, private=True, hospitals=hospitals)
    case.spec["privacy"] = {"epsilon": 1.0}
    assert commands.start_lacks(case).startswith(lacks)
    assert bool(commands.start_lacks(case)) is bool(lacks)


@pytest.mark.parametrize("phase", ["Training", "Complete"])
def test_more_rounds_of_a_private_run_are_said_to_need_a_new_one(phase: str) -> None:
    case = seen(phase, run=1, round=10, private=True)
    command = commands.set_rounds(case, "20")
    assert command.spec == {"rounds": 20}
    assert "a new run is needed" in command.message


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        pytest.param(seen("Idle", suspend=True), "Start begins run 1", id="first"),
        pytest.param(seen("Idle", suspend=True, run=2, round=4), "Start resumes run 2 after round 4", id="resume"),
        pytest.param(seen("Complete", run=2, round=10), "Start begins run 3 from a fresh model", id="again"),
    ],
)
def test_start_says_beforehand_what_it_would_do(case: Seen, sentence: str) -> None:
    assert commands.start_does(case) == sentence


@pytest.mark.parametrize("phase", ["Training", "Registration"])
def test_stop_suspends(phase: str) -> None:
    assert commands.stop(seen(phase)).spec == {"suspend": True}


@pytest.mark.parametrize(
    ("case", "action"),
    [
        pytest.param(seen("Training"), lambda each: commands.start(each, None), id="start while training"),
        pytest.param(
            seen("Training", suspend=True), lambda each: commands.start(each, None), id="start while stopping"
        ),
        pytest.param(seen("Idle", suspend=True), commands.stop, id="stop while idle"),
        pytest.param(seen("Complete", round=10), commands.stop, id="stop when complete"),
        pytest.param(seen("Training", suspend=True), commands.stop, id="stop twice"),
        pytest.param(seen("Training"), lambda each: commands.set_rounds(each, "10"), id="the same rounds"),
    ],
)
def test_a_command_that_would_change_nothing_is_refused(case: Seen, action: Any) -> None:
    with pytest.raises(commands.NothingToDo):
        action(case)


@pytest.mark.parametrize("typed", ["", "0", "-3", "1.5", "ten", "1e3", "²", "9999999999"])
def test_rounds_that_are_no_number_of_rounds_are_refused_with_what_was_typed(typed: str) -> None:
    with pytest.raises(commands.InvalidRounds, match="whole number"):
        commands.set_rounds(seen("Training"), typed)


@pytest.mark.parametrize(
    ("case", "typed", "words"),
    [
        pytest.param(seen("Training", round=4), "20", "now 20 rounds.", id="more"),
        pytest.param(seen("Training", round=4), "3", "ends here", id="below the current round"),
        pytest.param(seen("Complete", round=10), "20", "goes on", id="more after the end"),
    ],
)
def test_a_new_target_says_what_it_means(case: Seen, typed: str, words: str) -> None:
    assert words in commands.set_rounds(case, typed).message
