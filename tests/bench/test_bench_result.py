"""The result that the project promises, over the seeds of the bench."""

import pytest

from bench.result import SEEDS, Example, compare, mean_of

pytestmark = pytest.mark.real  # two hundred seeds take half a minute


@pytest.fixture(scope="module")
def comparison():
    example = Example.read()
    return mean_of([compare(example, seed) for seed in range(SEEDS)])


def test_federating_costs_no_more_than_promised_against_one_pooled_table(comparison):
    assert comparison.below <= 0.003
    assert comparison.loss_ratio <= 1.03


def test_no_hospital_alone_comes_close(comparison):
    assert comparison.federated.accuracy - comparison.alone.accuracy > 0.03
    assert comparison.alone.loss > 1.5 * comparison.federated.loss
