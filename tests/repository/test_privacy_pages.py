"""The figures in the two pages about privacy are those of the code: each is computed here, and looked for in its page.

No figure is written in this file but those that say which one is meant.
"""

import re
from dataclasses import replace
from importlib import import_module
from math import sqrt
from pathlib import Path
from statistics import NormalDist

import pytest

from consilia import features
from consilia.epsilons import remaining, spent
from consilia.privacy import gaussian, scores
from consilia.privacy.accounting import Loss
from consilia.privacy.ledger import Budget, Ledger
from consilia.privacy.noise_plan import CENTRE_FROM, CENTRE_SHARE, LARGEST_LOSS, LOSS_WEIGHT, Ask, NoisePlan, Planned

ASK = Ask(epsilon=1.0, delta=1e-5, clip=1.0, rounds=20, hospitals=5, nominal_rows=455)
"""What both pages say that their figures are of."""
EPSILONS = (0.5, 1.0, 2.0, 4.0, 8.0)
TOLD = (1.0, 2.0, 4.0, 8.0)
BUDGET = Budget(4.0, ASK.delta)
RUNS = (0, 1, 2, 4, 8, 11)
PATIENTS = (20, 100, 500)
ACCURACY = 0.95


@pytest.fixture(scope="module")
def officer(root: Path) -> str:
    """The page for a data-protection officer."""
    return (root / "docs" / "privacy.md").read_text("utf-8")


@pytest.fixture(scope="module")
def statistician(root: Path) -> str:
    """The page for a statistician."""
    return (root / "docs" / "privacy-for-statisticians.md").read_text("utf-8")


def plan(epsilon: float = ASK.epsilon, rounds: int = ASK.rounds) -> NoisePlan:
    return NoisePlan.of(replace(ASK, epsilon=epsilon, rounds=rounds))


def evaluation(epsilon: float) -> Planned:
    planned = plan(epsilon).evaluate
    assert planned is not None
    return planned


def after(runs: int) -> Ledger:
    """A ledger that has spent the whole plan of so many runs."""
    return Ledger(training=Loss.sum([plan().training_loss] * runs))


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def rows_under(heading: str, page: str) -> list[str]:
    """The rows of the table whose first column has this heading."""
    lines = page.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = lines[start + 2 :]
    return rows[: next(number for number, line in enumerate([*rows, ""]) if not line.startswith("|"))]


def test_the_officer_reads_what_an_attacker_can_guess(officer: str) -> None:
    def told(epsilon: float) -> str:
        # The best test of two hypotheses that are as likely, at the trade-off curve of mu-GDP.
        right = NormalDist().cdf(gaussian.mu_of(epsilon, ASK.delta) / 2)
        return row(f"{epsilon:g}", f"{100 * right:.1f} % of the time", spent(plan(epsilon).replacing))

    assert rows_under("epsilon of the run", officer) == [told(epsilon) for epsilon in EPSILONS]


def test_the_officer_reads_what_runs_leave_of_a_budget(officer: str) -> None:
    def told(runs: int) -> str:
        ledger = after(runs)
        return row(str(runs), spent(ledger.spent(BUDGET.delta)), remaining(ledger.remaining(BUDGET, ASK.delta)))

    assert rows_under("runs so far", officer) == [told(runs) for runs in RUNS]
    assert f"epsilon: {BUDGET.epsilon}" in officer
    assert "A twelfth is refused." in officer
    assert after(11).training.within(BUDGET.epsilon, BUDGET.delta)
    assert not after(12).training.within(BUDGET.epsilon, BUDGET.delta)


def test_the_officer_reads_how_far_off_scores_of_small_holdouts_are(officer: str) -> None:
    def told(patients: int) -> str:
        bars = [100 * scores.expected_bar(evaluation(epsilon), patients, ACCURACY).error for epsilon in TOLD]
        return row(str(patients), *(f"± {bar:.1f} points" for bar in bars))

    assert rows_under("patients in the holdout", officer) == [told(patients) for patients in PATIENTS]
    assert f"where that passes {100 * scores.NOISIEST_SHARE:.0f} points" in officer


def test_the_officer_reads_how_much_noise_one_patient_drowns_in(officer: str) -> None:
    train = plan().train
    assert f"a patient moves a sum by {train.sensitivity:g} at most" in officer
    assert f"noise of standard deviation {train.noise.scale:.1f}" in officer


def test_the_statistician_reads_mu_and_every_sigma(statistician: str) -> None:
    def told(epsilon: float) -> str:
        mu, centre = gaussian.mu_of(epsilon, ASK.delta), plan(epsilon).centre
        return row(
            f"{epsilon:g}",
            f"{mu:.5f}",
            f"{1 / mu:.4f}",
            *(f"{plan(epsilon, rounds).train.noise.scale:.3f}" for rounds in (10, 20, 80)),
            "none" if centre is None else f"{centre.noise.scale:.3f}",
            f"{evaluation(epsilon).noise.scale:.3f}",
            *(f"{plan(epsilon, rounds).learning_rate:.3f}" for rounds in (20, 80)),
            f"{plan(epsilon).replacing:.3f}",
        )

    assert rows_under("epsilon", statistician) == [told(epsilon) for epsilon in EPSILONS]
    assert (
        f"`s = {CENTRE_SHARE:g}` is the centre's share of mu squared (0 below epsilon {CENTRE_FROM:g})" in statistician
    )


def test_the_statistician_reads_the_error_bars(statistician: str) -> None:
    def told(patients: int) -> str:
        bars = [scores.expected_bar(evaluation(epsilon), patients, ACCURACY).error for epsilon in TOLD]
        return row(str(patients), *(f"{bar:.3f}" for bar in bars))

    assert rows_under("patients", statistician) == [told(patients) for patients in (20, 50, 100, 500)]
    assert f"The bar is {scores.NORMAL_95:g} standard deviations (Laplace: ln(20)/sqrt(2) = " in statistician
    assert f"= {scores.LAPLACE_95:.3f})" in statistician
    assert f"Hidden where the bar passes {scores.NOISIEST_SHARE:.2f}" in statistician
    assert f"where B is not {scores.CLEARLY:g} standard deviations above 0" in statistician
    assert f"{LARGEST_LOSS / LOSS_WEIGHT:g} s for the loss sum" in statistician


def test_the_statistician_reads_the_single_figures(statistician: str) -> None:
    reserve = plan().train.noise.scale / NoisePlan.of(replace(ASK, reserve=0)).train.noise.scale - 1
    left = after(1).remaining(BUDGET, ASK.delta)
    assert f"costs {100 * reserve:.1f} % more noise" in statistician
    assert f"after one run of epsilon 1, {left:.2f} of a budget of {BUDGET.epsilon:g} remains" in statistician
    assert f"`sqrt(1 + 1/4)` = {evaluation(1.0).sensitivity:.3f}" in statistician
    assert LOSS_WEIGHT == 1 / 2
    assert f"clipped to {LARGEST_LOSS:g} nats" in statistician


def test_the_statistician_reads_what_laplace_costs(statistician: str) -> None:
    laplace = NoisePlan.of(replace(ASK, mechanism="Laplace"))
    scale = laplace.train.noise.scale
    assert f"At epsilon 1 and T = 20, b = {scale:.1f} (a standard deviation of {scale * sqrt(2):.1f}" in statistician
    assert f"beside the Gaussian's {plan().train.noise.scale:.1f}" in statistician
    assert f"eta = {laplace.learning_rate:.3f}" in statistician


def test_every_test_file_that_the_statistician_is_sent_to_is_there(statistician: str, root: Path) -> None:
    named = set(re.findall(r"test_\w+\.py", statistician))
    assert named
    assert named <= {path.name for path in (root / "tests").rglob("test_*.py")}


def test_every_name_that_the_statistician_is_sent_to_is_in_its_module(statistician: str) -> None:
    modules = {"features": features} | {
        name: import_module(f"consilia.privacy.{name}")
        for name in ("accounting", "clipping", "gaussian", "keystream", "ledger", "noise", "noise_plan", "scores")
    }
    named = [
        (module, name) for module, name in re.findall(r"`(\w+)\.([a-z_]+|[A-Z]\w+)`", statistician) if module in modules
    ]
    assert {module for module, _ in named} == set(modules)
    missing = [f"{module}.{name}" for module, name in named if not hasattr(modules[module], name)]
    assert not missing, f"named, and not there: {missing}"
