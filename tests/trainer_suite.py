"""The conformance suite of trainers without noise: tests to inherit, with a fixture ``make`` of one's own."""

import numpy as np
import pytest

from builders import features_of
from consilia.dataset import Rows
from consilia.errors import InvalidData, InvalidMessage
from consilia.features import FeatureMap, moments
from consilia.metrics import score
from consilia.model import Work, predict_proba, train_local
from consilia.status import Metrics
from consilia_agents.holdout import Sides, divide
from consilia_agents.sources.builtin import BuiltinSource

SOURCE = BuiltinSource("north", "breast-cancer", shard=2, of=5, alpha=0.5, seed=42)
SIDES = divide(SOURCE.extract(features_of(*SOURCE.columns()[:-1])).rows, "north", "north-2024", 0.2)
MAP = FeatureMap.from_moments(SOURCE.columns()[:-1], moments(SIDES.train.x))
WORK = Work(local_epochs=20, learning_rate=0.5, l2=0.001)
W0 = np.random.default_rng(4).normal(size=31)


class EveryTrainer:
    """What every trainer does. ``make``: a trainer over two sides."""

    def test_its_weight_is_the_rows_that_it_trains_on(self, make):
        assert make(SIDES).rows == len(SIDES.train) < len(SIDES.train) + len(SIDES.holdout)

    def test_moments_are_of_the_training_rows_alone(self, make):
        np.testing.assert_array_equal(make(SIDES).moments(), moments(SIDES.train.x))

    def test_training_goes_on_from_the_global_parameters(self, make):
        expected = train_local(MAP.apply(SIDES.train.x), SIDES.train.y, W0, 20, 0.5, 0.001)
        np.testing.assert_allclose(make(SIDES).train(MAP, W0, WORK), expected, rtol=1e-12)

    def test_the_same_request_gets_the_same_bits(self, make):
        trainer = make(SIDES)
        first = trainer.train(MAP, W0, WORK)
        assert trainer.train(MAP, W0, WORK).tobytes() == first.tobytes()
        assert make(SIDES).train(MAP, W0, WORK).tobytes() == first.tobytes()

    def test_scores_are_of_the_holdout_rows_alone(self, make):
        expected = score(SIDES.holdout.y, predict_proba(MAP.apply(SIDES.holdout.x), W0))
        assert make(SIDES).evaluate(MAP, W0).model_dump() == pytest.approx(expected.model_dump())

    def test_another_feature_map_is_used_as_soon_as_it_comes(self, make):
        trainer = make(SIDES)
        trainer.train(MAP, W0, WORK)
        other = MAP.model_copy(update={"offset": tuple(value + 1 for value in MAP.offset)})
        assert trainer.train(other, W0, WORK).tobytes() == make(SIDES).train(other, W0, WORK).tobytes()

    def test_without_holdout_rows_every_score_is_undefined(self, make):
        nobody = SIDES.holdout.take(np.arange(0))
        assert make(Sides(SIDES.train, nobody)).evaluate(MAP, W0) == Metrics()

    def test_a_training_side_that_the_hash_left_with_one_class_still_trains(self, make):
        one = SIDES.train.take(np.flatnonzero(SIDES.train.y == 0))
        assert np.isfinite(make(Sides(one, SIDES.holdout)).train(MAP, W0, WORK)).all()

    def test_parameters_of_another_length_are_refused(self, make):
        with pytest.raises(InvalidMessage, match="have 30 values: the feature map needs 31"):
            make(SIDES).train(MAP, W0[1:], WORK)
        with pytest.raises(InvalidMessage, match="have 30 values: the feature map needs 31"):
            make(SIDES).evaluate(MAP, W0[1:])

    @pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
    def test_training_that_diverges_is_refused_with_what_to_lower(self, make):
        with pytest.raises(InvalidData, match=r"diverged at learningRate 1000 and l2 1000: lower"):
            make(SIDES).train(MAP, W0, Work(local_epochs=200, learning_rate=1000.0, l2=1000.0))

    def test_a_column_that_is_not_finite_is_refused(self, make):
        x = SIDES.train.x.copy()
        x[0, 3] = np.nan
        broken = Sides(Rows(SIDES.train.ids, x, SIDES.train.y), SIDES.holdout)
        with pytest.raises(InvalidData, match='column "mean area" holds NaN'):
            make(broken).train(MAP, W0, WORK)
