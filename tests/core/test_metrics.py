"""Scores, against scikit-learn's as the oracle."""

import numpy as np
import pytest
from sklearn import metrics as oracle

from consilia.metrics import auc, log_loss, score
from consilia.model import Linear, Poisson, Softmax
from consilia.status import Metrics


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_scikit_learn_ties_included(seed):
    draw = np.random.default_rng(seed)
    y = draw.integers(0, 2, 60).astype(float)
    p = draw.integers(1, 20, 60) / 20
    scores = score(y, p)
    predicted = p >= 0.5
    assert scores.accuracy == pytest.approx(oracle.accuracy_score(y, predicted))
    assert scores.precision == pytest.approx(oracle.precision_score(y, predicted))
    assert scores.recall == pytest.approx(oracle.recall_score(y, predicted))
    assert scores.auc == pytest.approx(oracle.roc_auc_score(y, p))
    assert scores.loss == pytest.approx(oracle.log_loss(y, p))


@pytest.mark.parametrize("seed", range(5))
def test_scores_of_several_classes_are_scikit_learns_macro_averages(seed):
    draw = np.random.default_rng(seed)
    y = draw.integers(0, 4, 60).astype(float)
    share = draw.dirichlet(np.ones(5), 60)
    scores = score(y, share, Softmax(5))
    predicted = share.argmax(axis=1)
    assert scores.accuracy == pytest.approx(oracle.accuracy_score(y, predicted))
    assert scores.loss == pytest.approx(oracle.log_loss(y, share, labels=range(5)))
    assert scores.precision == pytest.approx(oracle.precision_score(y, predicted, average="macro", zero_division=0))
    assert scores.recall == pytest.approx(oracle.recall_score(y, predicted, average="macro", zero_division=0))
    assert (scores.auc, scores.r2) == (None, None)


@pytest.mark.parametrize("seed", range(5))
def test_scores_of_a_number_are_half_its_squared_error_on_bounds_of_one_and_r2(seed):
    draw = np.random.default_rng(seed)
    y, prediction = draw.normal(70, 20, 60), draw.normal(70, 20, 60)
    scores = score(y, prediction, Linear(0.0, 140.0))
    clipped = np.clip(y, 0, 140)
    assert scores.loss == pytest.approx(oracle.mean_squared_error(clipped, prediction) / 70**2 / 2)
    assert scores.r2 == pytest.approx(oracle.r2_score(clipped, prediction))
    assert {name for name, value in scores if value is None} == {"accuracy", "precision", "recall", "auc"}


@pytest.mark.parametrize("seed", range(5))
def test_scores_of_a_count_are_half_its_deviance_and_d2(seed):
    draw = np.random.default_rng(seed)
    rate = draw.gamma(2, 2, 60)
    y = np.minimum(draw.poisson(rate), 9).astype(float)
    scores = score(y, rate, Poisson(9.0))
    assert scores.loss == pytest.approx(oracle.mean_poisson_deviance(y, rate) / 2)
    assert scores.r2 == pytest.approx(oracle.d2_tweedie_score(y, rate, power=1))


@pytest.mark.parametrize("family", [Linear(0.0, 10.0), Poisson(10.0)], ids=["linear", "poisson"])
@pytest.mark.parametrize("label", [0.0, 3.0])
def test_labels_that_are_all_the_same_have_a_loss_and_no_r2(family, label):
    scores = score(np.full(4, label), np.array([1.0, 2.0, 3.0, 4.0]), family)
    assert scores.loss > 0
    assert scores.r2 is None


def test_a_loss_beyond_all_numbers_is_told_as_none():
    assert score(np.array([1.0, 2.0]), np.array([1e300, 1.0]), Linear(0.0, 3.0)) == Metrics()


@pytest.mark.parametrize("family", [Softmax(3), Linear(0.0, 1.0), Poisson(5.0)], ids=["softmax", "linear", "poisson"])
def test_no_rows_have_no_scores_of_any_model(family):
    shape = (0, 3) if family.outputs > 1 else 0
    assert score(np.empty(0), np.empty(shape), family) == Metrics()


@pytest.mark.parametrize(
    ("y", "p", "undefined"),
    [
        pytest.param([], [], set(Metrics.model_fields), id="no rows"),
        pytest.param([0, 1], [0.1, 0.2], {"precision"}, id="nothing predicted 1"),
        pytest.param([0, 0], [0.1, 0.9], {"recall", "auc"}, id="no label is 1"),
        pytest.param([1, 1], [0.1, 0.9], {"auc"}, id="no label is 0"),
    ],
)
def test_a_score_that_the_rows_do_not_define_is_none(y, p, undefined):
    scores = score(np.array(y, dtype=float), np.array(p, dtype=float))
    assert {name for name, value in scores if value is None} == undefined | {"r2"}


def test_a_certain_error_costs_a_finite_loss():
    assert log_loss(np.array([1.0]), np.array([0.0])) == pytest.approx(-np.log(1e-15))


def test_all_equal_probabilities_rank_as_a_coin():
    assert auc(np.array([0.0, 1.0, 1.0]), np.full(3, 0.3)) == 0.5
