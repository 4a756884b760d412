"""The work that both sides read."""

import numpy as np
import pytest

from bench.runs import FederationRun, largest_difference
from bench.shards import prepare
from bench.workload import Vectors, load, save


@pytest.fixture(scope="module")
def training(pytestconfig, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "workload"
    return prepare(pytestconfig.rootpath / "examples" / "breast-cancer-non-private.yaml", folder)


def test_the_example_becomes_the_workload_that_the_bench_promises(training):
    assert (training.hospitals, training.rounds, training.size, training.steps) == (5, 10, 31, 20)


def test_a_workload_is_read_back_as_it_was_written(training, tmp_path):
    vectors = Vectors(hospitals=5, rounds=3, size=8)
    save(vectors, tmp_path)
    assert load(tmp_path) == vectors
    assert load(training.folder) == training


def test_training_on_every_shard_lowers_the_loss_that_the_hospitals_report(training):
    def loss(parameters):
        return np.mean([training.train(hospital, 1, parameters).metrics["loss"] for hospital in range(5)])

    updates = [training.train(hospital, 1, training.initial()) for hospital in range(5)]
    rows = sum(update.rows for update in updates)
    averaged = sum(update.rows / rows * update.parameters for update in updates)
    assert loss(averaged) < loss(training.initial())


def test_no_two_hospitals_or_rounds_send_equal_vectors():
    vectors = Vectors(hospitals=2, rounds=2, size=16)
    sent = [vectors.train(hospital, number, vectors.initial()) for hospital in range(2) for number in (1, 2)]
    assert len({update.parameters.tobytes() for update in sent} | {vectors.initial().tobytes()}) == 5


def test_two_final_models_are_compared_by_their_largest_difference():
    def run(*parameters):
        return FederationRun((1.0,), 1.0, 1, 0, parameters)

    assert largest_difference(run(1.0, 2.0), run(1.0, 2.5)) == 0.5
