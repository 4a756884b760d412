"""The families of models: what each asks of a record, against finite differences and scikit-learn."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilia.errors import InvalidManifest
from consilia.experiment import Feature, Features, Model, Outcome
from consilia.model import (
    HIGHEST,
    LOGISTIC,
    Family,
    Linear,
    Poisson,
    Softmax,
    family_of,
    loss_and_gradient,
    softmax,
    train_local,
)
from consilia.vectors import FloatArray

DRAW = np.random.default_rng(7)
ROWS, COLUMNS = 240, 5
Z = np.column_stack([DRAW.uniform(-1, 1, size=(ROWS, COLUMNS)), np.ones(ROWS)])
SLOPES = DRAW.normal(size=COLUMNS + 1) / 2
LABELS: dict[Family, FloatArray] = {
    LOGISTIC: (Z @ SLOPES + DRAW.normal(size=ROWS) > 0).astype(float),
    Softmax(3): (Z @ DRAW.normal(size=(COLUMNS + 1, 3)) + DRAW.gumbel(size=(ROWS, 3))).argmax(axis=1).astype(float),
    Linear(-40.0, 160.0): np.clip(60 + 50 * (Z @ SLOPES) + DRAW.normal(size=ROWS), -40, 160),
    Poisson(30.0): np.minimum(DRAW.poisson(np.exp(Z @ SLOPES)), 30).astype(float),
}
FAMILIES = [pytest.param(family, id=type(family).__name__.lower()) for family in LABELS]


def classes(count: int = 3) -> Features:
    return Features(label="stage", codebook=[Feature(name="a", min=0, max=count)])


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_the_residual_is_the_losses_derivative(family: Family, data: st.DataObject) -> None:
    eta = np.array(data.draw(st.lists(st.floats(-6, 6), min_size=family.outputs, max_size=family.outputs)))
    target = family.target(np.array([data.draw(st.sampled_from(LABELS[family].tolist()))]))

    def loss(at: FloatArray) -> float:
        return float(family.loss(at[None] if family.outputs > 1 else at, target)[0])

    step = 1e-5
    numerical = [(loss(eta + step * e) - loss(eta - step * e)) / (2 * step) for e in np.eye(family.outputs)]
    residual = family.residual(eta[None] if family.outputs > 1 else eta, target)
    np.testing.assert_allclose(np.ravel(residual), numerical, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_the_gradient_is_that_of_the_objective(family: Family, data: st.DataObject) -> None:
    size = family.size(COLUMNS + 1)
    w = np.random.default_rng(data.draw(st.integers(0, 1 << 30))).normal(size=size) / 2
    l2 = data.draw(st.sampled_from([0.0, 0.1, 3.0]))
    target = family.target(LABELS[family])
    _, gradient = loss_and_gradient(Z, target, w, l2, family)
    step = 1e-5
    numerical = [
        (
            loss_and_gradient(Z, target, w + step * e, l2, family)[0]
            - loss_and_gradient(Z, target, w - step * e, l2, family)[0]
        )
        / (2 * step)
        for e in np.eye(size)
    ]
    np.testing.assert_allclose(gradient, numerical, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_records_gradient_is_its_residual_times_its_row(family: Family) -> None:
    """What clipping and Spark build on."""
    w = np.random.default_rng(1).normal(size=family.size(COLUMNS + 1))
    target = family.target(LABELS[family])
    residual = family.residual(family.predictor(Z, w), target).reshape(ROWS, -1)
    outer = np.einsum("nk,nd->kd", residual, Z) / ROWS
    np.testing.assert_allclose(loss_and_gradient(Z, target, w, 0.0, family)[1], outer.ravel(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("family", FAMILIES)
def test_intercepts_are_not_penalised(family: Family) -> None:
    w = np.zeros((family.outputs, COLUMNS + 1))
    w[:, -1] = 0.3
    target = family.target(LABELS[family])
    assert (
        loss_and_gradient(Z, target, w.ravel(), 10.0, family)[0]
        == (loss_and_gradient(Z, target, w.ravel(), 0.0, family)[0])
    )


@pytest.mark.parametrize("l2", [0.01, 0.2])
def test_softmax_reaches_the_minimum_of_scikit_learn(l2: float) -> None:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # seconds of import

    family = Softmax(3)
    y = LABELS[family]
    oracle = LogisticRegression(C=1 / (ROWS * l2), tol=1e-10, max_iter=10_000).fit(Z[:, :-1], y)
    w = trained(family, y, l2, 20_000, 0.5).reshape(3, -1)
    np.testing.assert_allclose(w[:, :-1], oracle.coef_, atol=1e-5)
    # Intercepts are unique but for a number added to all.
    np.testing.assert_allclose(w[:, -1] - w[:, -1].mean(), oracle.intercept_ - oracle.intercept_.mean(), atol=1e-5)
    np.testing.assert_allclose(softmax(Z @ w.T), oracle.predict_proba(Z[:, :-1]), atol=1e-5)


@pytest.mark.parametrize("l2", [0.0, 0.05])
def test_linear_regression_reaches_the_minimum_of_scikit_learn_in_the_labels_unit(l2: float) -> None:
    from sklearn.linear_model import Ridge  # noqa: PLC0415

    family = Linear(-40.0, 160.0)
    y = LABELS[family]
    # The penalty is on weights of the scaled label, of which scikit-learn's are `half` times as many.
    oracle = Ridge(alpha=ROWS * l2, tol=1e-12).fit(Z[:, :-1], y)
    w = trained(family, y, l2, 20_000, 0.5)
    np.testing.assert_allclose(family.half * w[:-1], oracle.coef_, atol=1e-6 * family.half)
    np.testing.assert_allclose(family.middle + family.half * w[-1], oracle.intercept_, atol=1e-6 * family.half)
    np.testing.assert_allclose(family.mean(family.predictor(Z, w)), oracle.predict(Z[:, :-1]), rtol=1e-6)


@pytest.mark.parametrize("l2", [0.0, 0.05])
def test_poisson_regression_reaches_the_minimum_of_scikit_learn(l2: float) -> None:
    from sklearn.linear_model import PoissonRegressor  # noqa: PLC0415

    family = Poisson(30.0)
    y = LABELS[family]
    oracle = PoissonRegressor(alpha=l2, tol=1e-10, max_iter=10_000).fit(Z[:, :-1], y)
    w = trained(family, y, l2, 20_000, 0.2)
    np.testing.assert_allclose(w, np.append(oracle.coef_, oracle.intercept_), atol=1e-5)


def trained(family: Family, y: FloatArray, l2: float, steps: int, learning_rate: float) -> FloatArray:
    return train_local(Z, family.target(y), np.zeros(family.size(Z.shape[1])), steps, learning_rate, l2, family)


def test_two_classes_of_softmax_tell_what_logistic_regression_tells() -> None:
    y = LABELS[LOGISTIC]
    two = trained(Softmax(2), y, 0.0, 3000, 0.5).reshape(2, -1)
    one = trained(LOGISTIC, y, 0.0, 6000, 0.5)
    np.testing.assert_allclose(two[1] - two[0], one, atol=1e-6)


NAN, INF = np.nan, np.inf
ODD = [0.0, 1.0, 2.0, 3.0, 0.5, -1.0, 1e9, -0.0, NAN, INF, -INF]


@pytest.mark.parametrize(
    ("family", "good", "target"),
    [
        pytest.param(LOGISTIC, [0, 1, 7], [0, 1, NAN, NAN, 0.5, NAN, NAN, 0, NAN, NAN, NAN], id="logistic"),
        pytest.param(Softmax(3), [0, 1, 2, 7], [0, 1, 2, NAN, NAN, NAN, NAN, 0, NAN, NAN, NAN], id="softmax"),
        pytest.param(
            Linear(-1.0, 3.0), range(8), [-0.5, 0, 0.5, 1, -0.25, -1, 1, -0.5, NAN, NAN, NAN], id="linear, clipped"
        ),
        pytest.param(
            Poisson(2.0), [0, 1, 2, 3, 6, 7], [0, 1, 2, 2, NAN, NAN, 2, 0, NAN, NAN, NAN], id="poisson, clipped"
        ),
    ],
)
def test_what_is_a_label_and_what_training_sees_of_it(family: Family, good: Any, target: list[float]) -> None:
    y = np.array(ODD)
    assert np.flatnonzero(family.label_ok(y)).tolist() == list(good)
    np.testing.assert_array_equal(family.target(y), target)
    eta = np.zeros((len(ODD), family.outputs) if family.outputs > 1 else len(ODD))
    residual, loss = family.residual(eta, family.target(y)), family.loss(eta, family.target(y))
    np.testing.assert_array_equal(np.isnan(residual.reshape(len(ODD), -1)).any(axis=1), np.isnan(target))
    np.testing.assert_array_equal(np.isnan(loss), np.isnan(target))


def test_probabilities_of_any_predictors_sum_to_one_and_rates_are_finite() -> None:
    eta = np.array([[1e300, 0.0, -1e300], [0.0, 0.0, 0.0], [-700.0, -701.0, -1e5]])
    np.testing.assert_allclose(softmax(eta).sum(axis=1), 1.0, atol=1e-15)
    assert np.isfinite(Poisson(5.0).mean(np.array([1e308, -1e308, HIGHEST]))).all()
    assert softmax(np.empty((0, 4))).shape == (0, 4)


def test_a_spec_has_the_family_of_its_model_and_its_labels_bounds() -> None:
    counted = classes().model_copy(update={"outcome": Outcome(min=0, max=20)})
    assert family_of(Model(), classes()) == LOGISTIC
    assert family_of(Model(kind="SoftmaxRegression", classes=4), classes()) == Softmax(4)
    assert family_of(Model(kind="LinearRegression"), counted) == Linear(0.0, 20.0)
    assert family_of(Model(kind="PoissonRegression"), counted) == Poisson(20.0)
    assert [family.classes for family in LABELS] == [2, 3, None, None]
    with pytest.raises(InvalidManifest, match=r"LinearRegression needs features\.outcome"):
        family_of(Model(kind="LinearRegression"), classes())
