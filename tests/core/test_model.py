"""Logistic regression."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilia.experiment import FedAvg, Model
from consilia.model import Work, loss_and_gradient, predict_proba, sigmoid, train_local

DRAW = np.random.default_rng(3)
Z = np.column_stack([DRAW.normal(size=(90, 30)), np.ones(90)])
Y = (Z @ DRAW.normal(size=31) + DRAW.normal(size=90) > 0).astype(float)
W = DRAW.normal(size=31)


def test_the_gradient_is_that_of_the_loss():
    _, gradient = loss_and_gradient(Z, Y, W, 0.1)
    step = 1e-6
    numerical = [
        (loss_and_gradient(Z, Y, W + step * e, 0.1)[0] - loss_and_gradient(Z, Y, W - step * e, 0.1)[0]) / (2 * step)
        for e in np.eye(31)
    ]
    np.testing.assert_allclose(gradient, numerical, atol=1e-8)


def test_the_intercept_is_not_penalised():
    only_intercept = np.append(np.zeros(30), 5.0)
    assert loss_and_gradient(Z, Y, only_intercept, 10.0)[0] == loss_and_gradient(Z, Y, only_intercept, 0.0)[0]


def test_training_is_plain_gradient_descent():
    w = W
    for _ in range(7):
        w = w - 0.3 * loss_and_gradient(Z, Y, w, 0.01)[1]
    np.testing.assert_array_equal(train_local(Z, Y, W, 7, 0.3, 0.01), w)


def test_many_steps_reach_the_minimum_that_another_solver_finds():
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # seconds of import, for one test

    oracle = LogisticRegression(C=1 / (90 * 0.05), tol=1e-12, max_iter=10_000).fit(Z[:, :-1], Y)
    w = train_local(Z, Y, np.zeros(31), 20_000, 0.5, 0.05)
    np.testing.assert_allclose(w, np.append(oracle.coef_[0], oracle.intercept_), atol=1e-5)


def test_training_leaves_its_start_alone_and_gives_the_same_bits_wherever_the_rows_lie_in_memory():
    before = W.copy()
    first = train_local(Z, Y, W, 20, 0.5, 0.001)
    shifted = np.empty(Z.size + 1)[1:].reshape(Z.shape)
    shifted[:] = Z
    assert train_local(shifted, Y, W, 20, 0.5, 0.001).tobytes() == first.tobytes()
    assert W.tobytes() == before.tobytes()


@given(st.floats(min_value=-1e308, max_value=1e308))
def test_the_sigmoid_never_overflows_and_is_symmetric(logit):
    p, q = sigmoid(np.array([logit, -logit]))
    assert 0.0 <= p <= 1.0
    assert p + q == pytest.approx(1.0, abs=1e-15)


def test_a_tiny_probability_keeps_its_precision():
    assert sigmoid(np.array([-100.0]))[0] == pytest.approx(np.exp(-100.0), rel=1e-14)


def test_probabilities_are_of_label_one():
    assert predict_proba(np.array([[2.0, 1.0]]), np.array([1.0, -2.0])) == pytest.approx([0.5])


def test_work_is_what_the_federation_asks_for():
    algorithm = FedAvg(local_epochs=3, learning_rate=0.25)
    assert Work.of(Model(l2=0.5), algorithm) == Work(local_epochs=3, learning_rate=0.25, l2=0.5)
