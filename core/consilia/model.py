"""Logistic regression by full-batch gradient descent, in NumPy alone.

Parameters ``w``: (d + 1) float64, intercept last, as the design rows ``z`` of :mod:`consilia.features`. The objective
is the mean log loss plus ``l2 / 2 |w|^2`` without the intercept. Deterministic: no draw, and one order of operations.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from consilia.experiment import FedAvg, Model
from consilia.vectors import FloatArray

LOWEST = -700.0
"""Below this log-odd a probability is not told from 0 by float64's exponential."""


@dataclass(frozen=True)
class Work:
    """What a round asks of a hospital: full-batch steps (>= 1), their size (> 0), and the penalty (>= 0)."""

    local_epochs: int
    learning_rate: float
    l2: float

    @classmethod
    def of(cls, model: Model, fed_avg: FedAvg) -> Self:
        """The work that a federation's model and algorithm ask for."""
        return cls(fed_avg.local_epochs, fed_avg.learning_rate, model.l2)


def sigmoid(logit: FloatArray) -> FloatArray:
    """``1 / (1 + exp(-logit))`` without overflow, and to full relative precision at either end."""
    odds = np.exp(-np.maximum(logit, LOWEST))
    odds += 1.0
    return np.reciprocal(odds, out=odds)


def predict_proba(z: FloatArray, w: FloatArray) -> FloatArray:
    """Probability of label 1 for design rows (n, d + 1): (n,) in [0, 1]."""
    return sigmoid(z @ w)


def loss_and_gradient(z: FloatArray, y: FloatArray, w: FloatArray, l2: float) -> tuple[float, FloatArray]:
    """The objective and its gradient (d + 1) at ``w``, for rows (n, d + 1) with labels 0 or 1 (n,); n >= 1."""
    logit = z @ w
    loss = float(np.mean(np.logaddexp(0.0, logit) - y * logit) + l2 / 2 * (w[:-1] @ w[:-1]))
    return loss, _gradient(z, y, w, l2)


def train_local(  # an update rule has these six, in this order
    z: FloatArray, y: FloatArray, w0: FloatArray, steps: int, learning_rate: float, l2: float
) -> FloatArray:
    """``steps`` of full-batch gradient descent from ``w0``: the new parameters; ``w0`` stays as it is."""
    w = w0.copy()
    for _ in range(steps):
        w -= learning_rate * _gradient(z, y, w, l2)
    return w


def _gradient(z: FloatArray, y: FloatArray, w: FloatArray, l2: float) -> FloatArray:
    residual = sigmoid(z @ w)
    residual -= y
    gradient: FloatArray = residual @ z
    gradient /= y.size
    gradient[:-1] += l2 * w[:-1]
    return gradient
