"""The ledger of a cohort that is in statistics runs: what they cost whom, beside training and evaluation."""

import pytest

from consilia.errors import BudgetExceeded
from consilia.privacy.entries import Terms
from consilia.privacy.ledger import Answer, Budget, Ledger
from consilia.privacy.noise_plan import Ask, Kind, NoisePlan
from consilia.privacy.statistics_plan import StatisticsPlan

DELTA = 1e-5
BUDGET = Budget(2.0, DELTA)
DIVISION = "north/north-2024 0.2"
DIGEST = "ab" * 32


def ask(epsilon: float = 1.0, rounds: int = 1) -> Ask:
    return Ask(epsilon, DELTA, 1.0, rounds, 3, 400, reserve=0)


def begun() -> Ledger:
    ledger = Ledger()
    ledger.append(ledger.create("north/north-2024", "0" * 64, "now"))
    return ledger


def opened(ledger: Ledger, run: int, terms: Terms, budget: Budget = BUDGET) -> None:
    entry = ledger.open_run("uid", "default/survey", run, terms, budget, "now")
    assert entry is not None
    ledger.append(entry)


def released(ledger: Ledger, run: int, kind: Kind, budget: Budget = BUDGET) -> None:
    answer = Answer("uid", run, 1, 1, DIGEST, f"{run:064x}", DIGEST)
    ledger.append(ledger.release(kind, answer, budget, "now"))


def statistics(epsilon: float = 1.0) -> Terms:
    return Terms.of(StatisticsPlan.of(ask(epsilon), 4), DIVISION)


def test_a_statistics_run_costs_training_patients_what_it_asked_for_and_holdout_patients_nothing() -> None:
    ledger = begun()
    opened(ledger, 1, statistics())
    assert ledger.spent(DELTA) == 0.0
    released(ledger, 1, "statistics")
    assert ledger.training.epsilon(DELTA) == pytest.approx(1.0, abs=1e-9)
    assert ledger.holdout.epsilon(DELTA) == 0.0


def test_it_adds_to_training_and_not_to_evaluation() -> None:
    ledger = begun()
    opened(ledger, 1, statistics(0.9))
    released(ledger, 1, "statistics")
    opened(ledger, 2, Terms.of(NoisePlan.of(ask(0.9)), DIVISION))
    released(ledger, 2, "train")
    released(ledger, 2, "evaluate")
    alone = begun()
    opened(alone, 2, Terms.of(NoisePlan.of(ask(0.9)), DIVISION))
    released(alone, 2, "evaluate")
    assert ledger.holdout == alone.holdout
    assert ledger.training.mu == pytest.approx((2 * alone.holdout.mu**2) ** 0.5, rel=1e-9)


def test_a_second_release_of_a_run_and_a_run_beyond_the_budget_are_refused() -> None:
    ledger = begun()
    opened(ledger, 1, statistics())
    released(ledger, 1, "statistics")
    with pytest.raises(BudgetExceeded, match="has made 1 statistics release and its noise was calibrated for no more"):
        released(ledger, 1, "statistics")
    with pytest.raises(BudgetExceeded, match=r"run 2 of federation default/survey asks for epsilon 1\.9"):
        opened(ledger, 2, statistics(1.9))
    with pytest.raises(BudgetExceeded, match="has made 0 train releases"):
        released(ledger, 1, "train")
