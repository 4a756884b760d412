"""What a holdout patient adds to a noised evaluation, for each kind of model. Pure, and public but for the patient.

A patient adds 1 to one cell, and to the sum of losses at most :attr:`Evaluation.largest_loss`. The cells are true
positives, false positives, true negatives and false negatives of two classes; right and wrong of several; and of a
number all patients are in one, as accuracy means nothing there.
"""

from dataclasses import dataclass
from math import log

import numpy as np

from consilia.metrics import losses
from consilia.model import Family, Flags, Logistic, Poisson, Softmax
from consilia.privacy.noise_plan import LARGEST_LOSS
from consilia.vectors import FloatArray

RIGHT_POISSON = 0.5
"""Half the deviance of a count whose rate is right, but for small rates: chance alone."""
MIDDLE_AT_WORST = 0.5
"""Loss of a number where the middle of its bounds is told of one at a bound: larger ones are clipped to it."""
MIDDLE_ON_AVERAGE = 1 / 6
"""The same on average over labels that lie evenly between the bounds."""


@dataclass(frozen=True)
class Evaluation:
    """The shape of one evaluation: how many cells come before the sum of losses.

    A patient's loss is clipped to ``largest_loss``; ``ignorant_loss`` is that of a model that knows nothing.
    """

    cells: int
    largest_loss: float
    ignorant_loss: float

    @property
    def length(self) -> int:
        """How many values an evaluation has."""
        return self.cells + 1

    @classmethod
    def of(cls, family: Family) -> "Evaluation":
        """The evaluation of a kind of model."""
        match family:
            case Logistic():
                return cls(4, LARGEST_LOSS, log(2))
            case Softmax(count):
                # A class is told a probability of a 27th of what chance gives it, as with two of them.
                return cls(2, LARGEST_LOSS + log(count / 2), log(count))
            case Poisson():
                return cls(1, LARGEST_LOSS, RIGHT_POISSON)
            case _:
                return cls(1, MIDDLE_AT_WORST, MIDDLE_ON_AVERAGE)


def usable(y: FloatArray, prediction: FloatArray, family: Family) -> Flags:
    """The patients (n,) that an evaluation counts: their label is one of the model's, and what it predicts can be."""
    possible = np.isfinite(prediction)
    if family.classes is not None:
        possible &= (prediction >= 0) & (prediction <= 1)
    told = possible if family.outputs == 1 else np.logical_and.reduce(possible, axis=1)
    counted: Flags = told & ~np.isnan(family.target(y))
    return counted


def cells_of(y: FloatArray, prediction: FloatArray, family: Family) -> list[Flags]:
    """Which of the usable patients (n,) are in which cell: each in one."""
    match family:
        case Logistic():
            positive, predicted = y > 0.5, prediction >= 0.5
            return [positive & predicted, ~positive & predicted, ~positive & ~predicted, positive & ~predicted]
        case Softmax():
            right = prediction.argmax(axis=1) == y
            return [right, ~right]
        case _:
            return [np.ones(y.size, dtype=np.bool_)]


def clipped_losses(y: FloatArray, prediction: FloatArray, family: Family) -> FloatArray:
    """What the usable patients (n,) add to the sum of losses: each from 0 to the evaluation's largest."""
    return np.clip(losses(y, prediction, family), 0.0, Evaluation.of(family).largest_loss)
