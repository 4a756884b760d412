"""The engine of a cohort: what leaves a hospital for each kind of order, and that it is always the same."""

import numpy as np
import pytest

from builders import COLUMNS, cohort, federation_spec
from consilia.dataset import Table
from consilia.errors import InvalidData, InvalidMessage
from consilia.features import FeatureMap
from consilia.model import Family
from consilia.privacy.dp_fedsgd import Centre
from consilia.protocol import RunSettings, Task, to_bytes
from consilia_agents.engine import CohortEngine
from consilia_agents.holdout import Sides
from consilia_agents.in_memory import InMemory
from consilia_agents.trainers import SklearnTrainer
from private_hospital import SETTINGS as PRIVATE
from private_hospital import ZERO as ZERO_OF_TWO
from private_hospital import engine_of, private_cohort, private_settings, seeded, table

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

    def trainer_of(sides: Sides, family: Family) -> SklearnTrainer:
        made.append(SklearnTrainer(sides, family))
        return made[-1]

    engine = CohortEngine(cohort(), InMemory(cohort(), trainer_of))
    tasks: tuple[Task, ...] = ("train", "evaluate")
    for task in tasks:
        engine.answer(task, SETTINGS, ZERO)
    assert len(made) == 1
    engine.prepare(settings_for())
    assert len(made) == 2


# Private runs


def private_engine(metrics: str = "noised", rows: Table | None = None) -> CohortEngine:
    return engine_of(rows or table(), private_cohort(metrics))


def test_a_private_run_tells_no_row_count_and_noised_vectors_only() -> None:
    engine = private_engine()
    released = ZERO_OF_TWO + 1
    centre = engine.answer("centre", PRIVATE, None, None)
    trained = engine.answer("train", PRIVATE, ZERO_OF_TWO, released)
    evaluated = engine.answer("evaluate", PRIVATE, released, None)
    for answer, size in ((centre, 3), (trained, 3), (evaluated, 5)):
        assert (answer.rows, answer.metrics) == (None, None)
        assert answer.vector is not None
        assert answer.vector.shape == (size,)


def test_in_a_private_run_the_same_order_gets_new_noise() -> None:
    engine = private_engine()
    vectors = [engine.answer("train", PRIVATE, ZERO_OF_TWO, None).vector for _ in range(2)]
    assert len({to_bytes(vector) for vector in vectors if vector is not None}) == 2


def test_an_exact_cohort_scores_the_released_model_and_nothing_before_there_is_one() -> None:
    engine = private_engine("exact")
    assert engine.answer("train", PRIVATE, ZERO_OF_TWO, None).metrics is None
    scored = engine.answer("train", PRIVATE, ZERO_OF_TWO, ZERO_OF_TWO + 1).metrics
    assert scored is not None
    assert scored == engine.answer("evaluate", PRIVATE, ZERO_OF_TWO + 1, None).metrics
    assert scored != engine.answer("evaluate", PRIVATE, ZERO_OF_TWO, None).metrics
    assert engine.answer("evaluate", PRIVATE, ZERO_OF_TWO, None).vector is None


def test_training_is_on_centred_rows_once_there_is_a_centre() -> None:
    settings = PRIVATE.model_copy(update={"centre": Centre(centre=(1.0, -1.0))})
    plain, centred = (
        engine_of(table(), private_cohort(), seeded()).answer("train", each, ZERO_OF_TWO, None).vector
        for each in (PRIVATE, settings)
    )
    assert plain is not None
    assert centred is not None
    assert not np.array_equal(plain, centred)


@pytest.mark.parametrize(
    ("task", "settings", "said"),
    [
        pytest.param("moments", PRIVATE, "asks for moments, which is not in the plan", id="sums without noise"),
        pytest.param(
            "centre",
            private_settings(privacy={"epsilon": 0.5}),
            "asks for centre, which is not in the plan",
            id="a centre that was not planned",
        ),
        pytest.param(
            "train", PRIVATE.model_copy(update={"feature_map": None}), "needs parameters and a feature map", id="no map"
        ),
        pytest.param(
            "train",
            PRIVATE.model_copy(update={"feature_map": SETTINGS.feature_map}),
            "not that of the run's own public bounds",
            id="another map",
        ),
        pytest.param(
            "train",
            PRIVATE.model_copy(update={"centre": Centre(centre=(-6.7e307,) * len(PRIVATE.features.names))}),
            "from -2 to 2",
            id="a centre where no row is",
        ),
        pytest.param(
            "train",
            PRIVATE.model_copy(update={"centre": Centre(centre=(0.5,) * (len(PRIVATE.features.names) + 1))}),
            "a value a column",
            id="a centre of other columns",
        ),
    ],
)
def test_a_private_order_that_is_none_is_refused_and_counts_nobody(
    task: Task, settings: RunSettings, said: str
) -> None:
    with pytest.raises(InvalidMessage, match=said) as refusal:
        private_engine(rows=table(37)).answer(task, settings, ZERO_OF_TWO, None)
    assert not any(str(number) in str(refusal.value) for number in range(20, 38))


def test_a_non_private_run_has_no_centre(engine: CohortEngine) -> None:
    with pytest.raises(InvalidMessage, match="NON-PRIVATE run asks for a centre"):
        engine.answer("centre", SETTINGS, ZERO)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(table(0), id="nobody"),
        pytest.param(table(0, (1.0, 1.0, 1.0)), id="one patient, so that a side is empty"),
        pytest.param(table(0, *[(1.0, 1.0, 1.0)] * 9), id="one class"),
        pytest.param(table(5, (np.nan, np.inf, 7.0)), id="values that are none"),
    ],
)
@pytest.mark.parametrize("metrics", ["noised", "exact"])
def test_a_private_run_refuses_no_table_for_what_it_holds(rows: Table, metrics: str) -> None:
    engine = private_engine(metrics, rows)
    engine.prepare(PRIVATE)
    tasks: tuple[Task, ...] = ("centre", "train", "evaluate")
    for task in tasks:
        engine.answer(task, PRIVATE, ZERO_OF_TWO, ZERO_OF_TWO)


def test_a_private_run_refuses_a_column_that_is_missing_by_its_name() -> None:
    with pytest.raises(InvalidData, match='no column "a"'):
        CohortEngine(cohort()).prepare(PRIVATE)


def test_a_non_private_run_of_the_same_engine_refuses_such_rows_still() -> None:
    engine = private_engine(rows=table(5, (np.inf, 1.0, 1.0)))
    engine.answer("train", PRIVATE, ZERO_OF_TWO, None)
    with pytest.raises(InvalidData, match='column "a" has values that are no numbers'):
        engine.prepare(private_settings(privacy={"epsilon": 0}))
