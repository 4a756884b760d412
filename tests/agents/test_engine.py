"""The engine of a cohort: what leaves a hospital for each kind of order, and that it is always the same."""

import numpy as np
import pytest

from builders import COLUMNS, cohort, federation_spec
from consilia.errors import InvalidData, InvalidMessage
from consilia.features import FeatureMap
from consilia.protocol import RunSettings, Task, to_bytes
from consilia_agents.engine import CohortEngine
from consilia_agents.holdout import Sides
from consilia_agents.trainers import SklearnTrainer

SPEC = federation_spec()
SETTINGS = RunSettings(
    features=SPEC.features,
    model=SPEC.model,
    algorithm=SPEC.algorithm,
    feature_map=FeatureMap.from_codebook(SPEC.features),
)
ZERO = np.zeros(len(COLUMNS) + 1)


@pytest.fixture
def engine() -> CohortEngine:
    return CohortEngine(cohort())


def test_moments_are_summed_over_the_training_rows_and_score_nothing(engine: CohortEngine) -> None:
    answer = engine.answer("moments", SETTINGS.model_copy(update={"feature_map": None}), None)
    assert answer.vector is not None
    assert len(answer.vector) == 1 + 2 * len(COLUMNS)
    assert answer.rows
    assert answer.vector[0] == answer.rows
    assert answer.metrics is None


def test_training_starts_from_the_parameters_of_the_order_and_scores_those(engine: CohortEngine) -> None:
    answer = engine.answer("train", SETTINGS, ZERO)
    assert answer.vector is not None
    assert answer.vector.shape == ZERO.shape
    assert not np.array_equal(answer.vector, ZERO)
    assert answer.metrics is not None
    assert answer.metrics.loss == pytest.approx(np.log(2))


def test_an_evaluation_scores_the_parameters_and_sends_no_vector(engine: CohortEngine) -> None:
    trained = engine.answer("train", SETTINGS, ZERO).vector
    answer = engine.answer("evaluate", SETTINGS, trained)
    assert answer.vector is None
    assert answer.metrics is not None
    assert answer.metrics.loss is not None
    assert answer.metrics.loss < np.log(2)


def test_the_same_order_gets_the_same_bits_from_another_process_too(engine: CohortEngine) -> None:
    vectors = [one.answer("train", SETTINGS, ZERO).vector for one in (engine, engine, CohortEngine(cohort()))]
    assert len({to_bytes(vector) for vector in vectors if vector is not None}) == 1


def test_a_file_is_the_same_experiment_in_another_namespace() -> None:
    here = cohort()
    moved = here.model_copy(update={"metadata": here.metadata.model_copy(update={"namespace": "elsewhere"})})
    assert moved.key != here.key
    vectors = [CohortEngine(one).answer("train", SETTINGS, ZERO).vector for one in (here, moved)]
    assert len({to_bytes(vector) for vector in vectors if vector is not None}) == 1


def test_two_cohorts_answer_differently() -> None:
    vectors = [CohortEngine(cohort(shard=shard)).answer("train", SETTINGS, ZERO).vector for shard in (0, 1)]
    assert vectors[0] is not None
    assert vectors[1] is not None
    assert not np.array_equal(vectors[0], vectors[1])


@pytest.mark.parametrize("task", ["train", "evaluate"])
@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        pytest.param(SETTINGS, None, id="no parameters"),
        pytest.param(SETTINGS.model_copy(update={"feature_map": None}), ZERO, id="no feature map"),
    ],
)
def test_an_order_without_what_it_needs_is_refused(
    engine: CohortEngine, task: Task, settings: RunSettings, parameters: np.ndarray | None
) -> None:
    with pytest.raises(InvalidMessage, match=f"an order to {task} needs parameters and a feature map"):
        engine.answer(task, settings, parameters)


def test_parameters_of_another_length_are_refused(engine: CohortEngine) -> None:
    with pytest.raises(InvalidMessage, match="the parameters have 31 values: the feature map needs 3"):
        engine.answer("train", SETTINGS, np.zeros(31))


def settings_for(**features: object) -> RunSettings:
    whole = {"label": "malignant", "codebook": [{"name": "mean radius", "min": 0, "max": 50}]} | features
    return SETTINGS.model_copy(update={"features": federation_spec(features=whole).features})


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        pytest.param(settings_for(codebook=[{"name": "shoe size", "min": 0, "max": 9}]), "shoe size", id="column"),
        pytest.param(settings_for(label="outcome"), "outcome", id="label"),
    ],
)
def test_a_column_that_is_not_there_is_named_before_any_order(
    engine: CohortEngine, settings: RunSettings, named: str
) -> None:
    with pytest.raises(InvalidData, match=named):
        engine.prepare(settings)


def test_rows_are_read_once_for_the_same_columns() -> None:
    made: list[SklearnTrainer] = []

    def trainer_of(sides: Sides) -> SklearnTrainer:
        made.append(SklearnTrainer(sides))
        return made[-1]

    engine = CohortEngine(cohort(), trainer_of)
    tasks: tuple[Task, ...] = ("train", "evaluate")
    for task in tasks:
        engine.answer(task, SETTINGS, ZERO)
    assert len(made) == 1
    engine.prepare(settings_for())
    assert len(made) == 2
