"""Scores, against scikit-learn's as the oracle."""

import numpy as np
import pytest
from sklearn import metrics as oracle

from consilia.metrics import auc, log_loss, score
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
