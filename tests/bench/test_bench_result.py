"""The result that the project promises, over the twenty seeds of the bench."""

import pytest

from bench.result import Example, compare, mean_of

pytestmark = pytest.mark.real  # twenty seeds take seconds


@pytest.fixture(scope="module")
def comparison():
    example = Example.read()
    return mean_of([compare(example, seed) for seed in range(20)])


def test_federating_costs_no_more_than_promised_against_one_pooled_table(comparison):
    assert comparison.below <= 0.003
    assert comparison.loss_ratio <= 1.03


def test_no_hospital_alone_comes_close(comparison):
    assert comparison.federated.accuracy - comparison.alone.accuracy > 0.03
    assert comparison.alone.loss > 1.5 * comparison.federated.loss
