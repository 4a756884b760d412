"""What a run promises, what that has cost, and what is left of a budget: said once, and never better than it is."""

from typing import Any

import pytest

from consilia_dashboard.promise import asks, budget, deferral, is_private, kept_rounds, promise, scores_of, short_of
from consilia_dashboard.seen import Seen

LEDGER = {
    "sequence": 7,
    "head": "0" * 64,
    "spent": 0.7861,
    "remaining": 3.2099,
    "budget": 4.0,
    "delta": 1e-5,
    "runSpent": 0.7861,
    "runReplacing": 1.68,
    "exact": True,
}
TOLD = {"epsilon": 1.0, "delta": 1e-5, "epsilonSpent": 0.7861, "epsilonReplaceOne": 1.68, "holdout": "exact"}


def seen(privacy: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **status: Any) -> Seen:
    facts = {"phase": "Training", "run": 1, "round": 7, "rounds": 10, "private": True, "privacy": privacy, **status}
    return Seen({"spec": {"rounds": 10, **(spec or {})}, "status": facts})


def test_the_header_says_what_was_spent_of_what_the_run_asks() -> None:
    said = promise(seen(TOLD))
    assert said.label == "private: epsilon 0.79 of 1.0"
    assert said.share == pytest.approx(0.7861)
    explained = " ".join(said.explained)
    assert "at delta 1e-5, for one record added or removed" in explained
    assert "1.68 for one record replaced by another" in explained


def test_a_private_run_whose_spec_asks_for_no_privacy_by_now_has_no_share_before_its_status_says_more() -> None:
    said = promise(seen(None, {"privacy": {"epsilon": 0}}))
    assert (said.private, said.share) == (True, 0.0)


def test_a_run_that_is_not_private_says_so_and_what_follows() -> None:
    said = promise(seen(None, private=False))
    assert (said.private, said.label, said.covers) == (False, "NON-PRIVATE", "")
    assert "can tell of single patients" in said.explained[0]


@pytest.mark.parametrize(
    ("case", "private"),
    [
        pytest.param(seen(TOLD), True, id="the run is"),
        pytest.param(seen(None, private=False), False, id="the run is not, though the next one would be"),
        pytest.param(seen(None, private=False, run=0), True, id="no run yet, and a spec that says nothing"),
        pytest.param(seen(None, {"privacy": {"epsilon": 0}}, private=False, run=0), False, id="no run yet, epsilon 0"),
        pytest.param(seen(TOLD, {"privacy": {"epsilon": 0}}), True, id="the run is, though the next one would not be"),
        pytest.param(Seen({"spec": {"privacy": {"epsilon": 2}}}), True, id="no status yet"),
    ],
)
def test_the_run_that_is_shown_decides_and_the_spec_before_there_is_one(case: Seen, private: bool) -> None:
    assert is_private(case) is private


def test_what_a_spec_does_not_name_is_as_for_everybody() -> None:
    assert asks({}) == (1.0, 1e-5)
    assert asks({"privacy": {"epsilon": 0.5, "delta": 1e-6}}) == (0.5, 1e-6)


@pytest.mark.parametrize(
    ("holdout", "words", "noised"),
    [
        pytest.param("exact", "are exact: the promise covers the training patients only.", False, id="exact"),
        pytest.param("noised", "The promise covers every patient", True, id="noised"),
        pytest.param("mixed", "At north scores on holdout patients are exact: there the promise", True, id="mixed"),
        pytest.param(None, "Whatever leaves a hospital carries noise.", False, id="nobody has told yet"),
    ],
)
def test_it_is_said_whom_the_promise_covers(holdout: str | None, words: str, noised: bool) -> None:
    hospitals = [{"name": "north", "ledger": LEDGER}, {"name": "south", "ledger": {**LEDGER, "exact": False}}]
    said = promise(seen({**TOLD, "holdout": holdout}, hospitals=hospitals))
    assert words in said.covers
    assert said.noised is noised
    assert said.covers in said.explained


def test_of_many_hospitals_with_exact_scores_none_is_named_and_each_says_it_itself() -> None:
    hospitals = [{"name": f"h{each}", "ledger": LEDGER} for each in range(6)]
    case = seen({**TOLD, "holdout": "mixed"}, hospitals=hospitals)
    assert promise(case).covers.startswith("At some hospitals scores")
    assert scores_of(hospitals[0]) == "exact scores"
    assert scores_of({"ledger": {**LEDGER, "exact": False}}) == "noised scores"
    assert scores_of({}) == ""


def test_a_budget_says_what_was_spent_of_it_and_what_remains() -> None:
    told = budget({"ledger": LEDGER})
    assert (told.text, told.left) == ("0.79 of 4.0", "3.20 remains; this run 0.79")
    assert told.share == pytest.approx(0.7861 / 4)
    assert "at delta 1e-5" in told.explained


def test_a_spent_budget_says_that_it_is_over() -> None:
    told = budget({"ledger": {**LEDGER, "spent": 4.0, "remaining": 0.0, "runSpent": 0.0}})
    assert (told.share, told.left) == (1.0, "nothing remains: no further private run is possible")


def test_a_ledger_that_is_not_known_yet_is_a_dash() -> None:
    assert budget({}).text == "–"


MORE = {"rounds": 20}


@pytest.mark.parametrize(
    ("case", "kept"),
    [
        pytest.param(seen(TOLD, MORE), 10, id="more than the noise is for"),
        pytest.param(seen(TOLD, {"rounds": 8}), None, id="fewer"),
        pytest.param(seen(TOLD), None, id="as it began"),
        pytest.param(seen(None, MORE, private=False), None, id="NON-PRIVATE runs are extended"),
        pytest.param(seen(TOLD, {"rounds": 20, "run": 2}), None, id="a new run is asked for"),
        pytest.param(seen(None, MORE, run=0), None, id="there is no run yet"),
    ],
)
def test_a_private_run_keeps_the_rounds_that_its_noise_is_for(case: Seen, kept: int | None) -> None:
    assert kept_rounds(case) == kept
    assert bool(deferral(case)) is (kept is not None)


@pytest.mark.parametrize(
    ("phase", "how"), [("Training", "once this one is complete, press Start."), ("Complete", "10; press Start.")]
)
def test_more_rounds_than_the_noise_is_for_need_a_new_run_and_it_says_how(phase: str, how: str) -> None:
    said = deferral(seen(TOLD, MORE, phase=phase))
    assert said.startswith("A new run is needed for 20 rounds")
    assert said.endswith(how)


def test_hospitals_without_enough_left_for_a_new_run_are_named() -> None:
    hospitals = [
        {"name": "north", "ledger": {**LEDGER, "remaining": 0.6}},
        {"name": "south", "ledger": {**LEDGER, "remaining": 1.0}},
        {"name": "east"},
    ]
    assert short_of(seen(TOLD, hospitals=hospitals)) == ["north has only 0.60 left"]
    assert short_of(seen(TOLD, {"privacy": {"epsilon": 0}}, hospitals=hospitals)) == []
