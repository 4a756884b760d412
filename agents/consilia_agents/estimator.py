"""The hospital's model as a scikit-learn estimator: logistic regression by full-batch gradient descent, warm-started.

scikit-learn's own warm starts go on to convergence with their own solvers; a round of federated averaging needs a fixed
number of plain steps from the global parameters. The arithmetic is :func:`consilia.model.train_local` alone.
"""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from consilia.model import Work, sigmoid, train_local
from consilia.vectors import FloatArray


class FederatedLogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Binary logistic regression, ``steps`` full-batch gradient steps a fit.

    Parameters
    ----------
    steps, learning_rate, l2 : as ``localEpochs``, ``learningRate`` and ``model.l2`` of a federation.
    warm_start : whether ``fit`` goes on from the parameters of the last fit rather than from zero.

    Attributes
    ----------
    coef_ : (1, n_features), ``intercept_`` : (1,), ``classes_`` : (2,), ``n_iter_`` : steps of the last fit.
    """

    def __init__(
        self, steps: int = 20, learning_rate: float = 0.5, l2: float = 0.001, *, warm_start: bool = False
    ) -> None:
        self.steps = steps
        self.learning_rate = learning_rate
        self.l2 = l2
        self.warm_start = warm_start

    def fit(
        self,
        X: Any,  # noqa: N803  # scikit-learn's own name
        y: Any,
        coef_init: FloatArray | None = None,
        intercept_init: float | None = None,
    ) -> Self:
        """Train on ``X`` (n, n_features) and two classes ``y`` (n,); starts as given, or warm, or from zero."""
        X, y = validate_data(self, X, y, dtype=np.float64, reset=True)  # noqa: N806
        check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
        _require_binary(y, classes)
        w0 = self._start(X.shape[1], coef_init, intercept_init)
        self.classes_ = classes
        rows = np.column_stack([X, np.ones(X.shape[0])])
        self._keep(self.warm_fit(rows, codes.astype(np.float64), w0))
        return self

    def warm_fit(self, z: FloatArray, y: FloatArray, w0: FloatArray) -> FloatArray:
        """A round's training without scikit-learn's validation, which costs more than the steps: the new parameters.

        ``z`` (n, d + 1) are design rows, intercept last, already checked; ``y`` is 0.0 or 1.0, one class allowed.
        """
        return train_local(z, y, w0, self.steps, self.learning_rate, self.l2)

    @classmethod
    def of(cls, work: Work) -> Self:
        """The estimator of a round's work."""
        return cls(work.local_epochs, work.learning_rate, work.l2, warm_start=True)

    def decision_function(self, X: Any) -> FloatArray:  # noqa: N803
        """Log-odds of ``classes_[1]`` for rows (n, n_features): (n,)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)  # noqa: N806
        logit: FloatArray = X @ self.coef_[0] + self.intercept_[0]
        return logit

    def predict_proba(self, X: Any) -> FloatArray:  # noqa: N803
        """Probabilities of both classes: (n, 2)."""
        logit = self.decision_function(X)
        return np.column_stack([sigmoid(-logit), sigmoid(logit)])

    def predict(self, X: Any) -> Any:  # noqa: N803
        """The likelier class of each row: (n,)."""
        check_is_fitted(self)
        return self.classes_[(self.decision_function(X) >= 0).astype(int)]

    def _start(self, d: int, coef: FloatArray | None, intercept: float | None) -> FloatArray:
        warm = self.warm_start and hasattr(self, "coef_") and self.coef_.shape[1] == d
        w = np.append(self.coef_[0], self.intercept_) if warm else np.zeros(d + 1)
        if coef is not None:
            w[:-1] = np.reshape(coef, d)
        if intercept is not None:
            w[-1] = intercept
        return w

    def _keep(self, w: FloatArray) -> None:
        self.coef_ = w[None, :-1].copy()
        self.intercept_ = w[-1:].copy()
        self.n_iter_ = self.steps

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def _require_binary(y: Any, classes: Any) -> None:
    kind = type_of_target(y, input_name="y")
    if kind != "binary":
        raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
    if classes.size < 2:
        raise ValueError("The labels have one class only: both classes are needed")
