"""The trainers of engine spark: the conformance suite of trainers, and the same sums before noise as from memory."""

import numpy as np
import pytest

from builders import keyed_words
from consilia.dataset import Rows
from consilia.features import FeatureMap
from consilia.model import LOGISTIC, Family, Linear, Poisson, Softmax, Work
from consilia.privacy.dp_fedsgd import Centre
from consilia.privacy.keystream import Keystream
from consilia.privacy.noise import Mechanism
from consilia.privacy.noise_plan import Ask, NoisePlan
from consilia.privacy.statistics_plan import StatisticsPlan
from consilia.statistics_sums import Axes
from consilia.status import Metrics
from consilia_agents import holdout
from consilia_agents.private_trainer import PrivateTrainer
from consilia_agents.spark.blocks import Block, keys_of
from consilia_agents.spark.passes import Predictions
from consilia_agents.spark.private import SparkPrivateTrainer
from consilia_agents.spark.rows import Rows as SparkRows
from consilia_agents.spark.scores import Scored
from consilia_agents.spark.session import Session
from consilia_agents.spark.trainer import Designs, Sides, SparkTrainer
from consilia_agents.trainers import SklearnTrainer
from trainer_suite import EveryTrainer

pytestmark = pytest.mark.real


def in_spark(session: Session, sides: holdout.Sides, partitions: int = 1) -> Sides:
    """Two sides as Spark's backend has them, each record in its place."""
    both = (sides.train, sides.holdout)
    values = np.vstack([np.column_stack([side.x, side.y]) for side in both])
    ids = [*sides.train.ids, *sides.holdout.ids]
    held = np.arange(len(ids)) >= len(sides.train)
    nothing = np.zeros(values.shape[1] + 1, dtype=np.int64)
    positions = np.arange(len(ids), dtype=np.int64)
    block = Block(values, keys_of(ids), positions, held, nothing)
    cuts = np.array_split(np.arange(len(ids)), partitions)
    read = session.context().parallelize([block.take(cut).pack() for cut in cuts], partitions)
    rows = SparkRows(session, read)
    return Sides(session, rows.read, values.shape[1] - 1, len(sides.train), len(sides.holdout))


class TestSparkTrainer(EveryTrainer):
    @pytest.fixture
    def make(self, spark: Session):
        return lambda sides: SparkTrainer(in_spark(spark, sides))


D = 5
MAP = FeatureMap(
    scaling="codebook",
    names=tuple("abcde"),
    offset=(0.0,) * D,
    scale=(10.0,) * D,
    roots=(False, True, False, True, False),
)
FAMILIES = [
    pytest.param(LOGISTIC, id="logistic"),
    pytest.param(Softmax(3), id="softmax"),
    pytest.param(Linear(-1.0, 5.0), id="linear"),
    pytest.param(Poisson(5.0), id="poisson"),
]
WORK = Work(local_epochs=3, learning_rate=0.1, l2=0.01)


def made(count: int, family: Family, seed: int = 1) -> Rows:
    draw = np.random.Generator(np.random.PCG64(seed))
    x = draw.uniform(-1, 12, (count, D))
    y = draw.integers(0, family.classes or 6, count).astype(np.float64)
    return Rows(tuple(f"patient/{number}" for number in range(count)), x, y)


def odd(rows: Rows) -> Rows:
    """With records that no sum may be spoilt by."""
    x, y = rows.x.copy(), rows.y.copy()
    x[3, 2], x[5, 0], y[7], y[11], y[13] = np.nan, np.inf, np.nan, 0.5, 1e9
    return Rows(rows.ids, x, y)


def parameters(family: Family) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(7)).normal(size=family.size(D + 1))


def same_scores(found: Metrics, expected: Metrics) -> None:
    told = [
        {name: value for name, value in each.model_dump().items() if value is not None} for each in (found, expected)
    ]
    assert told[0] == pytest.approx(told[1], rel=1e-11)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_model_trains_and_scores_as_in_memory_whatever_the_number_of_partitions(
    spark: Session, family: Family
) -> None:
    sides = holdout.Sides(made(700, family), made(90, family, 2))
    mine, theirs = SparkTrainer(in_spark(spark, sides, 3), family), SklearnTrainer(sides, family)
    w = parameters(family)
    np.testing.assert_allclose(mine.train(MAP, w, WORK), theirs.train(MAP, w, WORK), rtol=1e-9)
    np.testing.assert_allclose(mine.moments(), theirs.moments(), rtol=1e-12)
    same_scores(mine.evaluate(MAP, w), theirs.evaluate(MAP, w))
    again = SparkTrainer(in_spark(spark, sides, 3), family)
    assert mine.train(MAP, w, WORK).tobytes() == again.train(MAP, w, WORK).tobytes()


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_of_more_rows_than_this_process_takes_are_the_same(spark: Session, family: Family) -> None:
    side = made(3000, family)
    # Some predictions are the same, as of rows that are the same.
    doubled = Rows(side.ids, np.vstack([side.x[:1500]] * 2), side.y)
    sides = holdout.Sides(made(5, family), doubled)
    mine, theirs = SparkTrainer(in_spark(spark, sides, 4), family), SklearnTrainer(sides, family)
    w = parameters(family)
    same_scores(scored_in_spark(mine, w, sides.holdout, most=0), theirs.evaluate(MAP, w))
    assert scored_in_spark(mine, w, Rows((), side.x[:0], side.y[:0]), most=0) == Metrics()


def scored_in_spark(trainer: SparkTrainer, w: np.ndarray, side: Rows, most: int) -> Metrics:
    """Scores of a holdout of which no more than ``most`` values are collected."""
    predictions = Predictions(trainer.holdout_design(MAP), w)
    return Scored(trainer.sides.session, Designs(trainer.sides).rows(predictions.design), predictions, most).metrics(
        len(side)
    )


@pytest.mark.parametrize("mechanism", ["Gaussian", "Laplace"])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_private_run_sends_is_to_the_last_bit_what_rows_in_memory_send(
    spark: Session, family: Family, mechanism: str
) -> None:
    ask = Ask(
        epsilon=2.0,
        delta=1e-5,
        clip=0.7,
        rounds=5,
        hospitals=3,
        nominal_rows=300,
        mechanism=mechanism,  # type: ignore[arg-type]
    )
    plan = NoisePlan.of(ask)
    assert plan.evaluate is not None
    sides = holdout.Sides(odd(made(400, family)), odd(made(80, family, 2)))

    def words() -> Keystream:
        return Keystream(bytes(range(32)))

    theirs = PrivateTrainer(sides, words, family)
    mine = SparkPrivateTrainer(in_spark(spark, sides, 3), words, family)
    w = parameters(family)
    for centre in (None, Centre(centre=(0.25, -0.5, 1.0, 0.0, 0.5))):
        assert mine.train(MAP, centre, w, plan.train).tobytes() == theirs.train(MAP, centre, w, plan.train).tobytes()
    if plan.centre is not None:
        assert mine.centre(MAP, plan.centre).tobytes() == theirs.centre(MAP, plan.centre).tobytes()
    assert mine.evaluate(MAP, w, plan.evaluate).tobytes() == theirs.evaluate(MAP, w, plan.evaluate).tobytes()
    same_scores(mine.score(MAP, w), theirs.score(MAP, w))


AXES = Axes((0.0,) * D, (10.0,) * D, 12)


def test_statistics_are_those_of_rows_in_memory(spark: Session) -> None:
    sides = holdout.Sides(made(700, LOGISTIC), made(90, LOGISTIC, 2))
    mine, theirs = SparkTrainer(in_spark(spark, sides, 3)), SklearnTrainer(sides)
    np.testing.assert_allclose(mine.statistics(AXES), theirs.statistics(AXES), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mechanism", ["Gaussian", "Laplace"])
def test_noised_statistics_are_to_the_last_bit_those_of_rows_in_memory(spark: Session, mechanism: Mechanism) -> None:
    planned = StatisticsPlan.of(Ask(2.0, 1e-5, 1.0, 1, 3, 300, mechanism, reserve=0), D).statistics
    sides = holdout.Sides(odd(made(400, LOGISTIC)), odd(made(80, LOGISTIC, 2)))
    theirs = PrivateTrainer(sides, lambda: keyed_words(1))
    mine = SparkPrivateTrainer(in_spark(spark, sides, 3), lambda: keyed_words(1))
    assert mine.statistics(AXES, planned).tobytes() == theirs.statistics(AXES, planned).tobytes()
    empty = holdout.Sides(made(0, LOGISTIC), made(5, LOGISTIC))
    alone = PrivateTrainer(empty, lambda: keyed_words(2)).statistics(AXES, planned)
    nobody = SparkPrivateTrainer(in_spark(spark, empty), lambda: keyed_words(2))
    assert nobody.statistics(AXES, planned).tobytes() == alone.tobytes()
