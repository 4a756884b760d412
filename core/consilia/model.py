"""The models that a federation trains, by full-batch gradient descent, in NumPy alone.

All are generalised linear models (McCullagh & Nelder 1989): a record enters through its linear predictor ``eta = W z``
alone, and its gradient is ``residual(eta, target) (outer) z``. A :class:`Family` says what the residual and the loss
are; whatever trains, clips or scores asks it and knows no model.

Parameters ``w`` are flat float64: ``outputs`` rows of (d + 1), one after the other, the intercept last in each, as in
the design rows ``z`` of :mod:`consilia.features`. The objective is the mean loss plus ``l2 / 2 |w|^2`` without the
intercepts. Deterministic: no draw, and one order of operations.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from consilia.errors import InvalidManifest
from consilia.experiment import Features, FedAvg, Model, Outcome
from consilia.vectors import FloatArray

LOWEST = -700.0
"""Below this log-odd a probability is not told from 0 by float64's exponential."""
HIGHEST = 100.0
"""Log of the highest rate that is told apart: beyond it a Poisson model has long diverged, and its sums are finite."""

STEEPEST_LOG = 1e3
"""Largest weight of a log rate: a row's entries are a few units long, and a rate of e^1000 is none."""

Flags = npt.NDArray[np.bool_]


class Family(ABC):
    """One generalised linear model. Rows are independent: what is told of a record depends on that record alone.

    ``y`` are labels (n,) as hospitals keep them; ``target`` is what training sees of them. ``eta`` is (n,) where there
    is one output, else (n, outputs).
    """

    @property
    def outputs(self) -> int:
        """Linear predictors of a record: 1, or one a class."""
        return 1

    @property
    def classes(self) -> int | None:
        """How many labels there are, 0 to classes - 1; None where the label is a number."""
        return None

    def size(self, width: int) -> int:
        """Length of the parameters for design rows of ``width`` d + 1."""
        return self.outputs * width

    def predictor(self, z: FloatArray, w: FloatArray) -> FloatArray:
        """``eta`` of design rows (n, d + 1)."""
        eta: FloatArray = z @ w if self.outputs == 1 else z @ w.reshape(self.outputs, -1).T
        return eta

    def plausible(self, w: FloatArray) -> bool:  # noqa: ARG002
        """Whether training to these finite parameters did not diverge, as far as they tell."""
        return True

    @abstractmethod
    def label_ok(self, y: FloatArray) -> Flags:
        """Which labels (n,) are some of this model's; NaN never is."""

    @abstractmethod
    def target(self, y: FloatArray) -> FloatArray:
        """Labels (n,) as training sees them; NaN where nothing can be learned from one."""

    @abstractmethod
    def residual(self, eta: FloatArray, target: FloatArray) -> FloatArray:
        """The derivative of each record's loss by its ``eta``, in a new array of its shape; NaN where the target is."""

    @abstractmethod
    def loss(self, eta: FloatArray, target: FloatArray) -> FloatArray:
        """Each record's loss (n,)."""

    @abstractmethod
    def mean(self, eta: FloatArray) -> FloatArray:
        """What is expected of the label, in its own unit: a probability (one a class), or a number."""


@dataclass(frozen=True)
class Logistic(Family):
    """Two classes: the log loss of ``sigmoid(eta)``, in nats. A target between 0 and 1 counts as a share of both."""

    @property
    def classes(self) -> int:
        """See :class:`Family`."""
        return 2

    def label_ok(self, y: FloatArray) -> Flags:
        """See :class:`Family`: 0 and 1."""
        ok: Flags = (y == 0.0) | (y == 1.0)
        return ok

    def target(self, y: FloatArray) -> FloatArray:
        """See :class:`Family`."""
        usable = (y >= 0) & (y <= 1)
        return y if bool(usable.all()) else np.where(usable, y, np.nan)

    def residual(self, eta: FloatArray, target: FloatArray) -> FloatArray:
        """See :class:`Family`: ``sigmoid(eta) - target``."""
        residual = sigmoid(eta)
        residual -= target
        return residual

    def loss(self, eta: FloatArray, target: FloatArray) -> FloatArray:
        """See :class:`Family`."""
        loss: FloatArray = np.logaddexp(0.0, eta) - target * eta
        return loss

    def mean(self, eta: FloatArray) -> FloatArray:
        """See :class:`Family`: the probability of label 1."""
        return sigmoid(eta)


@dataclass(frozen=True)
class Softmax(Family):
    """``count`` classes: the log loss of ``softmax(eta)``, in nats.

    Every class has its own weights, and the penalty makes them unique, as in scikit-learn's LogisticRegression.
    """

    count: int

    @property
    def outputs(self) -> int:
        """See :class:`Family`."""
        return self.count

    @property
    def classes(self) -> int:
        """See :class:`Family`."""
        return self.count

    def label_ok(self, y: FloatArray) -> Flags:
        """See :class:`Family`: 0, 1, ... to the number of classes, exclusive."""
        with np.errstate(invalid="ignore"):
            ok: Flags = (y >= 0) & (y < self.count) & (np.floor(y) == y)
        return ok

    def target(self, y: FloatArray) -> FloatArray:
        """See :class:`Family`."""
        return np.where(self.label_ok(y), y, np.nan)

    def residual(self, eta: FloatArray, target: FloatArray) -> FloatArray:
        """See :class:`Family`: ``softmax(eta)``, less 1 at the record's own class."""
        residual = softmax(eta)
        residual -= target[:, None] == np.arange(self.count)
        residual[np.isnan(target)] = np.nan
        return residual

    def loss(self, eta: FloatArray, target: FloatArray) -> FloatArray:
        """See :class:`Family`."""
        usable = ~np.isnan(target)
        own = eta[np.arange(target.size), np.where(usable, target, 0.0).astype(np.intp)]
        top = eta.max(axis=1, initial=-np.inf)
        loss = top + np.log(np.add.reduce(np.exp(eta - top[:, None]), axis=1)) - own
        return np.where(usable, loss, np.nan)

    def mean(self, eta: FloatArray) -> FloatArray:
        """See :class:`Family`: the probability of each class."""
        return softmax(eta)


@dataclass(frozen=True)
class Linear(Family):
    """A number: half the squared error, on labels that the public bounds ``low`` and ``high`` map to [-1, 1].

    So a step size means the same whatever the unit. Labels out of bounds are clipped to them.
    """

    low: float
    high: float

    @property
    def middle(self) -> float:
        """The label that is 0 to training."""
        return (self.low + self.high) / 2

    @property
    def half(self) -> float:
        """What 1 is to training, in the label's unit."""
        return (self.high - self.low) / 2

    def label_ok(self, y: FloatArray) -> Flags:
        """See :class:`Family`: any finite number."""
        return np.isfinite(y)

    def target(self, y: FloatArray) -> FloatArray:
        """See :class:`Family`: ``(clip(y) - middle) / half``."""
        clipped = np.clip(y, self.low, self.high)
        return np.where(np.isfinite(y), (clipped - self.middle) / self.half, np.nan)

    def residual(self, eta: FloatArray, target: FloatArray) -> FloatArray:
        """See :class:`Family`: ``eta - target``."""
        return eta - target

    def loss(self, eta: FloatArray, target: FloatArray) -> FloatArray:
        """See :class:`Family`: ``(eta - target)^2 / 2``."""
        return np.square(eta - target) / 2

    def mean(self, eta: FloatArray) -> FloatArray:
        """See :class:`Family`: ``middle + half eta``."""
        return self.middle + self.half * eta


@dataclass(frozen=True)
class Poisson(Family):
    """A count: half the Poisson deviance of the rate ``exp(eta)``, as scikit-learn's PoissonRegressor.

    Counts above the public bound ``high`` are clipped to it.
    """

    high: float

    def label_ok(self, y: FloatArray) -> Flags:
        """See :class:`Family`: whole numbers from 0."""
        with np.errstate(invalid="ignore"):
            ok: Flags = (y >= 0) & (np.floor(y) == y) & np.isfinite(y)
        return ok

    def target(self, y: FloatArray) -> FloatArray:
        """See :class:`Family`: ``min(y, high)``."""
        return np.where(self.label_ok(y), np.minimum(y, self.high), np.nan)

    def residual(self, eta: FloatArray, target: FloatArray) -> FloatArray:
        """See :class:`Family`: ``exp(eta) - target``."""
        residual = self.mean(eta)
        residual -= target
        return residual

    def loss(self, eta: FloatArray, target: FloatArray) -> FloatArray:
        """See :class:`Family`: ``exp(eta) - y - y (eta - log y)``, which is 0 where the rate is the count itself."""
        loss: FloatArray = self.mean(eta) - target - target * (eta - np.log(np.maximum(target, 1.0)))
        return loss

    def mean(self, eta: FloatArray) -> FloatArray:
        """See :class:`Family`: the rate ``exp(eta)``."""
        rate: FloatArray = np.exp(np.minimum(eta, HIGHEST))
        return rate

    def plausible(self, w: FloatArray) -> bool:
        """See :class:`Family`: too long a step gives a rate of nearly 0 or of more than all counts of the world, and
        there the next one has nothing to hold on to."""
        return bool(np.abs(w).max() <= STEEPEST_LOG)


LOGISTIC = Logistic()


def family_of(model: Model, features: Features) -> Family:
    """The family that a federation asks for. Raises :class:`InvalidManifest` for a numeric label without bounds."""
    return family_for(model, features.outcome)


def family_for(model: Model, outcome: Outcome | None) -> Family:
    """The family of a model's kind, and of the public bounds of its label where that is a number."""
    if model.kind == "SoftmaxRegression" and model.classes is not None:
        return Softmax(model.classes)
    if not model.numeric:
        return LOGISTIC
    if outcome is None:
        raise InvalidManifest(f"{model.kind} needs features.outcome, the public bounds of its label")
    return Linear(outcome.min, outcome.max) if model.kind == "LinearRegression" else Poisson(outcome.max)


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


def softmax(eta: FloatArray) -> FloatArray:
    """``exp(eta) / sum(exp(eta))`` of each row (n, K), without overflow; every row is summed by itself."""
    share: FloatArray = np.exp(eta - eta.max(axis=1, initial=-np.inf)[:, None])
    share /= np.add.reduce(share, axis=1)[:, None]
    return share


def predict_proba(z: FloatArray, w: FloatArray) -> FloatArray:
    """Probability of label 1 for design rows (n, d + 1), by logistic regression: (n,) in [0, 1]."""
    return sigmoid(z @ w)


def loss_and_gradient(
    z: FloatArray, target: FloatArray, w: FloatArray, l2: float, family: Family = LOGISTIC
) -> tuple[float, FloatArray]:
    """The objective and its gradient, as long as ``w``, for rows (n, d + 1) and targets (n,); n >= 1."""
    weights = w.reshape(family.outputs, -1)[:, :-1]
    loss = float(np.mean(family.loss(family.predictor(z, w), target)) + l2 / 2 * np.square(weights).sum())
    return loss, _gradient(z, target, w, l2, family)


def train_local(  # an update rule has these six, in this order
    z: FloatArray,
    target: FloatArray,
    w0: FloatArray,
    steps: int,
    learning_rate: float,
    l2: float,
    family: Family = LOGISTIC,
) -> FloatArray:
    """``steps`` of full-batch gradient descent from ``w0``: the new parameters; ``w0`` stays as it is."""
    w = w0.copy()
    for _ in range(steps):
        w -= learning_rate * _gradient(z, target, w, l2, family)
    return w


def _gradient(z: FloatArray, target: FloatArray, w: FloatArray, l2: float, family: Family) -> FloatArray:
    residual = family.residual(family.predictor(z, w), target)
    gradient: FloatArray = residual.T @ z
    gradient /= target.size
    if family.outputs == 1:
        gradient[:-1] += l2 * w[:-1]
        return gradient
    gradient[:, :-1] += l2 * w.reshape(family.outputs, -1)[:, :-1]
    return gradient.ravel()
