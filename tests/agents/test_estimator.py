"""The estimator, by scikit-learn's own suite and by what a round needs of it."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

from consilia.model import Work, train_local
from consilia_agents.estimator import FederatedLogisticRegression

DRAW = np.random.default_rng(2)
X = DRAW.normal(size=(60, 4))
Y = np.where(X[:, 0] + 0.3 * DRAW.normal(size=60) > 0, "ill", "well")


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.filterwarnings("ignore")  # the checks provoke warnings on purpose
def test_scikit_learns_checks_pass(warm):
    checks = check_estimator(FederatedLogisticRegression(warm_start=warm), on_skip=None, on_fail=None)
    assert [check["check_name"] for check in checks if check["status"] not in {"passed", "skipped"}] == []
    assert sum(check["status"] == "passed" for check in checks) > 50
    # It needs an environment variable set before SciPy is imported, and is about arrays that are not NumPy's.
    assert {check["check_name"] for check in checks if check["status"] == "skipped"} <= {"check_array_api_input"}


def test_a_fit_is_the_rounds_training_from_the_given_parameters():
    start = DRAW.normal(size=5)
    model = FederatedLogisticRegression(steps=7, learning_rate=0.3, l2=0.01)
    model.fit(X, Y, coef_init=start[:-1], intercept_init=start[-1])
    z = np.column_stack([X, np.ones(60)])
    expected = train_local(z, (Y == "well").astype(float), start, 7, 0.3, 0.01)
    np.testing.assert_array_equal(np.append(model.coef_[0], model.intercept_), expected)
    np.testing.assert_array_equal(model.warm_fit(z, (Y == "well").astype(float), start), expected)


def test_a_warm_start_goes_on_where_the_last_fit_ended_and_a_cold_one_does_not():
    once = FederatedLogisticRegression(steps=20).fit(X, Y)
    warm = FederatedLogisticRegression(steps=10, warm_start=True).fit(X, Y).fit(X, Y)
    cold = FederatedLogisticRegression(steps=10).fit(X, Y).fit(X, Y)
    np.testing.assert_array_equal(warm.coef_, once.coef_)
    assert (cold.coef_ != once.coef_).any()


def test_predictions_are_the_likelier_class():
    model = FederatedLogisticRegression.of(Work(50, 0.5, 0.001)).fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), model.classes_[model.predict_proba(X).argmax(axis=1)])
    assert model.score(X, Y) > 0.85


def test_three_classes_and_one_class_are_refused():
    with pytest.raises(ValueError, match="Only binary classification"):
        FederatedLogisticRegression().fit(X, np.arange(60) % 3)
    with pytest.raises(ValueError, match="one class only"):
        FederatedLogisticRegression().fit(X, np.zeros(60))
