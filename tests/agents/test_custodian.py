"""Room that was found for an answer before it was computed: good for that answer alone, and while the ledger stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import AT
from consilia.errors import BudgetExceeded, InvalidMessage
from consilia.privacy.entries import decode
from consilia.protocol import Order, PrivacyTerms
from consilia_agents.custodian import Custodian
from private_hospital import COHORT, DIGEST, ROUNDS, SETTINGS, order, private_cohort, private_settings, releases

RESERVE = 2


@pytest.fixture
def custodian(tmp_path: Path) -> Iterator[Custodian]:
    held = Custodian(COHORT, tmp_path / "ledger", clock=lambda: AT, draw=lambda: DIGEST)
    held.admit(SETTINGS, None)
    yield held
    held.close()


TERMS = SETTINGS.privacy
assert TERMS is not None


def release(custodian: Custodian, asked: Order, message: str, terms: PrivacyTerms = TERMS) -> None:
    custodian.release(asked, terms, message * 32, lambda _: None)


def test_what_room_was_found_for_is_written_with_the_bytes_that_leave(custodian: Custodian, tmp_path: Path) -> None:
    asked = order("train", 1)
    custodian.require_room(asked, TERMS)
    release(custodian, asked, "cd")
    [entry] = releases(tmp_path)
    assert (entry.order, entry.message, entry.round) == (asked.key, "cd" * 32, 1)
    assert custodian.state is not None
    assert (custodian.state.sequence, custodian.state.head) == (entry.sequence, entry.hash)


def test_room_found_before_another_release_is_looked_for_again(custodian: Custodian, tmp_path: Path) -> None:
    first, second = order("train", 1), order("train", 2)
    custodian.require_room(first, TERMS)
    release(custodian, second, "cd")
    release(custodian, first, "ef")
    assert [entry.round for entry in releases(tmp_path)] == [2, 1]
    last = order("train", ROUNDS + RESERVE)
    for number in range(3, ROUNDS + RESERVE):
        release(custodian, order("train", number), f"{number:02x}")
    custodian.require_room(last, TERMS)
    release(custodian, order("train", 9), "99")
    with pytest.raises(BudgetExceeded, match="has made 5 train releases"):
        release(custodian, last, "aa")


def test_room_is_of_the_run_that_was_admitted_then(custodian: Custodian, tmp_path: Path) -> None:
    asked = order("train", 1)
    custodian.require_room(asked, TERMS)
    custodian.admit(private_settings(run=2), None)
    with pytest.raises(InvalidMessage, match="another run"):
        release(custodian, asked, "cd")
    assert releases(tmp_path) == []
    assert decode((tmp_path / "ledger" / "ledger.jsonl").read_bytes(), "ledger")[-1].entry == "opened"


def test_noise_of_one_runs_plan_is_not_counted_by_anothers(custodian: Custodian, tmp_path: Path) -> None:
    # Of far more noise, which costs next to nothing.
    cheap = private_settings(run=2, rounds=1000, privacy={"epsilon": 0.01})
    custodian.admit(cheap, None)
    for asked in (order("train", 1, run=2), order("train", 1, cheap)):
        with pytest.raises(InvalidMessage, match="another run"):
            custodian.require_room(asked, TERMS)
        with pytest.raises(InvalidMessage, match="another run"):
            release(custodian, asked, "cd")
    assert releases(tmp_path) == []


def spent_after(folder: Path, *columns: str) -> float:
    """By somebody held out in a first run, and trained on in a second, whose patients are told apart by ``columns``."""
    spent = []
    for run, (column, task) in enumerate(zip(columns, ("evaluate", "centre"), strict=True), start=1):
        of = private_cohort(source={"csv": {"path": "labs.csv"}}, mapping={"patient": column})
        held, settings = Custodian(of, folder, clock=lambda: AT, draw=lambda: DIGEST), private_settings(run=run)
        assert settings.privacy is not None
        held.admit(settings, None)
        held.release(order(task, 0, settings), settings.privacy, f"{run:064x}", lambda _: None)
        assert held.state is not None
        spent.append(held.state.spent)
        held.close()
    return spent[-1]


def test_whoever_is_told_apart_by_another_column_may_be_on_both_sides_and_pays_for_both(tmp_path: Path) -> None:
    same = spent_after(tmp_path / "same", "case", "case")
    other = spent_after(tmp_path / "other", "case", "mrn")
    assert same < other
