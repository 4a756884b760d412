"""What privacy costs: whole runs in one process, and what is said of them."""

from dataclasses import replace

import pytest

from bench import privacy
from bench.privacy import EPSILONS, REFERENCES, ROUNDS, Promise, Reference, Result, asked, drawn, in_clear, terms_of
from bench.result import Example
from bench.samples import Sample
from consilia.privacy.noise import Noise
from consilia.privacy.noise_plan import NoisePlan
from consilia.status import Metrics
from consilia_agents.sources.chosen import source_of


@pytest.fixture(scope="module")
def example() -> Example:
    return Example.read()


def plan_of(example: Example, epsilon: float, rounds: int) -> NoisePlan:
    return terms_of(asked(example.spec, epsilon, rounds, 0)).plan(noised_holdout=True)


def test_a_run_is_asked_for_as_the_reference_was_measured(example: Example) -> None:
    ask = plan_of(example, 4.0, 80).ask
    assert (ask.epsilon, ask.delta, ask.clip, ask.reserve) == (4.0, 1e-5, 1.0, 2)
    assert (ask.rounds, ask.hospitals, ask.nominal_rows) == (80, 5, 455)
    assert {cohort.spec.holdout.fraction for cohort in example.cohorts.values()} == {0.2}
    assert {cohort.spec.source.builtin.alpha for cohort in example.cohorts.values()} == {0.5}


def test_every_epsilon_has_a_recipe_whose_rounds_are_measured(example: Example) -> None:
    assert set(REFERENCES) == {0.0, *EPSILONS}
    assert {privacy.recipe(epsilon) for epsilon in EPSILONS} <= set(ROUNDS)


def test_a_seed_draws_the_rows_that_train_and_those_that_score(example: Example) -> None:
    cohort = example.cohorts["north"]
    first, second = (source_of(drawn(cohort, seed).spec).extract(example.spec.features).rows for seed in (1, 2))
    assert set(first.ids) != set(second.ids)
    evaluation = asked(example.spec, 1.0, 10, 7).evaluation
    assert evaluation is not None
    assert evaluation.builtin.seed == 7


def test_a_run_with_next_to_no_noise_learns_and_no_two_have_the_same_noise(example: Example) -> None:
    first, second = (privacy.private(example, 50.0, 10, seed=3) for _ in range(2))
    assert first.accuracy is not None
    assert first.accuracy > 0.9
    assert first.loss != second.loss


def test_much_noise_costs_what_little_does_not(example: Example) -> None:
    def loss(epsilon: float) -> float:
        return sum(privacy.private(example, epsilon, 10, seed).loss or 0.0 for seed in range(3))

    assert loss(0.05) > 2 * loss(50.0)


def test_without_privacy_a_run_is_the_one_that_the_result_is_measured_with(example: Example) -> None:
    assert in_clear(example, 3) == in_clear(example, 3)
    assert (in_clear(example, 3).accuracy or 0.0) > 0.9


@pytest.mark.parametrize("rounds", ROUNDS, ids="{} rounds".format)
@pytest.mark.parametrize("epsilon", EPSILONS, ids="epsilon {}".format)
def test_the_promise_is_found_kept_with_nothing_left_over(example: Example, epsilon: float, rounds: int) -> None:
    promise = Promise.of(plan_of(example, epsilon, rounds))
    assert promise.kept
    assert promise.found > 0.999999 * epsilon


def test_a_promise_with_a_thousandth_too_little_noise_is_found_broken(example: Example) -> None:
    plan = plan_of(example, 2.0, 20)
    less = Noise("Gaussian", 0.999 * plan.train.noise.scale)
    assert not Promise.of(replace(plan, train=replace(plan.train, noise=less))).kept


@pytest.mark.parametrize(
    ("accuracy", "verdict"),
    [
        pytest.param(96.2, "reaches the aim", id="at the aim"),
        pytest.param(94.9, "above", id="above"),
        pytest.param(94.6, "within 0.3 points", id="a little below"),
        pytest.param(94.4, "MISSED", id="below"),
    ],
)
def test_a_mean_is_judged_by_what_was_measured_before(accuracy: float, verdict: str) -> None:
    result = Result(Sample.of([accuracy - 1, accuracy + 1]), Sample.of([0.1]))
    assert result.verdict(Reference(94.8, 96.0)) == verdict
    assert result.holds(Reference(94.8, 96.0)) is (verdict != "MISSED")


def test_tables_show_means_errors_references_and_promises(example: Example) -> None:
    result = Result.of([Metrics(accuracy=0.93, loss=0.15), Metrics(accuracy=0.95, loss=0.17)])
    told = privacy.accuracy_table({1.0: result, 0.0: result})
    assert "94.00 +/- 1.00 %" in told
    assert "0.1600 +/- 0.0100" in told
    assert [word for word in told.splitlines()[-1].split() if word in ("none", "MISSED")] == ["none", "MISSED"]
    promise = Promise.of(plan_of(example, 1.0, 20))
    row = privacy.promise_table({(1.0, 20): (promise, result)}).splitlines()[-1]
    assert row.split()[:7] == ["1", "20", "+", "2", "18.445", "1.294", "1.000000"]
    assert "kept" in row
    broken = replace(promise, found=1.1)
    assert "BROKEN" in privacy.promise_table({(1.0, 20): (broken, result)})


def test_noise_is_timed_beside_numpys() -> None:
    ours, numpys = privacy.noise_cost()
    assert len(ours.values) == len(numpys.values) == 10
    assert min(ours.low, numpys.low) > 0
