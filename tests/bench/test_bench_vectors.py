"""Large vectors through the product's own coordinator and hospitals."""

import numpy as np
import pytest

from bench.product_vectors import cohort, specification
from bench.vector_coordinator import VectorObjective
from bench.vector_hospital import VectorEngine
from bench.workload import Vectors, load_vectors, save
from consilia.aggregation import Update, chunks
from consilia.errors import InvalidMessage

VECTORS = Vectors(hospitals=2, rounds=3, size=8)
NAMES = ["hospital-0", "hospital-1"]


@pytest.fixture
def objective():
    return VectorObjective(specification(NAMES, VECTORS.rounds), VECTORS)


def test_the_documents_are_ones_that_the_product_accepts():
    spec = specification(NAMES, 3)
    assert (spec.rounds, spec.hospital_names) == (3, NAMES)
    assert cohort("hospital-0").spec.hospital == "hospital-0"


def test_training_alone_has_vectors(objective):
    assert [objective.length(task) for task in ("train", "moments", "evaluate")] == [8, 0, 0]
    assert objective.initial().shape == (8,)


def test_a_round_ends_in_the_average_of_what_the_hospitals_sent(objective):
    settings = objective.settings(None)
    engines = [VectorEngine(VECTORS, number) for number in range(2)]
    answers = [engine.answer("train", settings, objective.initial()) for engine in engines]
    updates = [
        Update(name, answer.rows, lambda vector=answer.vector: chunks(vector))
        for name, answer in zip(NAMES, answers, strict=True)
    ]
    expected = np.mean([answer.vector for answer in answers], axis=0)
    np.testing.assert_allclose(objective.combine("train", updates), expected)


def test_a_hospital_answers_every_round_with_another_vector_and_an_evaluation_with_none(objective):
    settings, engine = objective.settings(None), VectorEngine(VECTORS, 0)
    first, second = (engine.answer("train", settings, objective.initial()).vector for _ in range(2))
    assert not np.array_equal(first, second)
    assert engine.answer("evaluate", settings, objective.initial()).vector is None


def test_a_wrong_length_is_refused_as_in_the_product(objective):
    with pytest.raises(InvalidMessage):
        objective.combine("train", [Update("hospital-0", 1, lambda: chunks(np.zeros(7)))])


def test_a_workload_of_training_is_no_workload_of_vectors(tmp_path):
    save(VECTORS, tmp_path / "vectors")
    assert load_vectors(tmp_path / "vectors") == VECTORS
    (tmp_path / "workload.json").write_text(
        '{"kind": "Training", "hospitals": 1, "rounds": 1, "size": 2, "steps": 1, "learning_rate": 0.5, "l2": 0.0}'
    )
    with pytest.raises(TypeError, match="vectors are expected"):
        load_vectors(tmp_path)
