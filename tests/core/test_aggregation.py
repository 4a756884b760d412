"""Strategies: the conformance suite, and what is FedAvg's own."""

import tracemalloc
from functools import partial

import numpy as np
import pytest

from consilia.aggregation import CHUNK, FedAvg, Update, chunks, sum_vectors
from consilia.errors import InvalidMessage

STRATEGIES = [pytest.param(FedAvg(), id="FedAvg")]
DRAW = np.random.default_rng(5)
VECTORS = {
    name: DRAW.normal(size=31) * 10.0**power for power, name in enumerate(["north", "east", "south", "west", "hub"])
}
ROWS = {"north": 90, "east": 17, "south": 170, "west": 33, "hub": 41}


def updates(vectors=VECTORS, names=None, rows=ROWS):
    return [Update(name, rows[name], partial(chunks, vectors[name])) for name in names or vectors]


def in_pieces(vector, size):
    return (vector[i : i + size] for i in range(0, vector.size, size))


@pytest.mark.parametrize("strategy", STRATEGIES)
class TestEveryStrategy:
    def test_the_order_of_arrival_does_not_change_a_bit(self, strategy):
        results = {
            strategy.reduce(updates(names=DRAW.permutation(list(VECTORS)).tolist()), 31).tobytes() for _ in range(30)
        }
        assert len(results) == 1

    def test_the_size_of_the_chunks_does_not_change_a_bit(self, strategy):
        results = {
            strategy.reduce([Update(n, ROWS[n], partial(in_pieces, v, size)) for n, v in VECTORS.items()], 31).tobytes()
            for size in (1, 2, 7, 31, 100)
        }
        assert len(results) == 1

    def test_it_may_be_given_its_updates_by_a_generator(self, strategy):
        lazily = strategy.reduce((update for update in updates()), 31)
        np.testing.assert_array_equal(lazily, strategy.reduce(updates(), 31))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e101, -1e308])
    def test_a_value_that_is_not_finite_is_refused_by_the_hospitals_name(self, strategy, value):
        bad = VECTORS["south"].copy()
        bad[7] = value
        with pytest.raises(InvalidMessage, match='hospital "south" holds NaN, infinity or a value beyond 1e100'):
            strategy.reduce(updates({**VECTORS, "south": bad}), 31)

    def test_the_largest_values_that_are_accepted_do_not_overflow(self, strategy):
        huge = {"north": np.full(31, 1e100)}
        np.testing.assert_allclose(strategy.reduce(updates(huge, rows={"north": 1}), 31), huge["north"])

    @pytest.mark.parametrize(
        ("size", "said"), [(30, "has 30 values: expected 31"), (32, "has more than 31 values: expected 31")]
    )
    def test_another_length_is_refused_by_the_hospitals_name(self, strategy, size, said):
        with pytest.raises(InvalidMessage, match=f'hospital "east" {said}'):
            strategy.reduce(updates({**VECTORS, "east": np.ones(size)}), 31)

    def test_no_update_at_all_is_refused(self, strategy):
        with pytest.raises(InvalidMessage, match="at least one hospital"):
            strategy.reduce([], 31)

    def test_two_updates_of_one_hospital_are_refused(self, strategy):
        with pytest.raises(InvalidMessage, match='hospital "north" has two updates'):
            strategy.reduce([*updates(), *updates(names=["north"])], 31)

    def test_an_update_of_no_rows_is_refused(self, strategy):
        with pytest.raises(InvalidMessage, match='update of hospital "hub" has 0 rows'):
            strategy.reduce(updates(rows={**ROWS, "hub": 0}), 31)

    def test_memory_is_the_result_and_a_chunk_whatever_the_number_of_hospitals(self, strategy):
        size = 8 * CHUNK

        def read():
            part = np.ones(CHUNK)
            return (part for _ in range(8))

        tracemalloc.start()
        strategy.reduce([Update(f"h{i}", 1, read) for i in range(20)], size)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 * (size + 3 * CHUNK)


def test_fedavg_is_the_mean_weighted_by_rows():
    expected = np.average(list(VECTORS.values()), axis=0, weights=[ROWS[name] for name in VECTORS])
    np.testing.assert_allclose(FedAvg().reduce(updates(), 31), expected, rtol=1e-13)


def test_moments_are_summed_without_weights_in_the_order_of_names():
    total = sum_vectors(updates(), 31)
    np.testing.assert_allclose(total, np.sum(list(VECTORS.values()), axis=0), rtol=1e-12)
    assert sum_vectors(reversed(updates()), 31).tobytes() == total.tobytes()
