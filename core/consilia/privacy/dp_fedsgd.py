"""DP-FedSGD: what is made of the hospitals' noisy sums. All of it is post-processing, and costs no privacy.

Noise on sums of clipped record gradients, and steps at the coordinator (Abadi et al. 2016, with all records in every
step); the model that is released is the mean of the last half of the iterates, in which the steps' noise averages out
(Polyak & Juditsky 1992). No number here comes from patients but through those sums.

Where the run released a centre, training sees ``1.5 (z - centre)``: what all patients have in common no longer uses up
the norm to which gradients are clipped. The centre is subtracted as often as the row has an intercept (a clipped row
has less than 1 of it), which makes it a linear map of rows: it folds into the weights, and the exported model is one of
plain design rows.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from consilia.errors import InvalidData
from consilia.features import RADIUS, STRETCH, FeatureMap
from consilia.model import LOGISTIC, Family, Flags
from consilia.privacy.noise_plan import NoisePlan
from consilia.vectors import FloatArray

CENTRED_SCALE = 1.5
"""How much longer rows are made once their centre is taken away."""


LONGEST_OF_NUMBERS = 2 / RADIUS**2
"""Longest step of a model of numbers: squares curve as the row's squared norm, and beyond it steps on them grow."""


class Centre(BaseModel):
    """A public centre of design rows, ``d`` values without the intercept. It travels as JSON, bit by bit."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    centre: tuple[float, ...]

    @classmethod
    def of(cls, total: FloatArray, nominal_rows: int) -> Self:
        """From the hospitals' summed noisy rows (d + 1), the last of which counts them.

        That count is noisy too: it is taken for at least half of the nominal rows. No column's centre is outside of
        +-2, where no column is.
        """
        rows = max(float(total[-1]), nominal_rows / 2)
        return cls(centre=tuple(np.clip(total[:-1] / rows, -STRETCH, STRETCH).tolist()))

    def rows(self, z: FloatArray) -> FloatArray:
        """Design rows (n, d + 1) as training sees them; the intercept stays."""
        centred = z.copy()
        centred[:, :-1] -= z[:, -1:] * np.asarray(self.centre)
        centred[:, :-1] *= CENTRED_SCALE
        return centred

    def weights(self, w: FloatArray) -> FloatArray:
        """Weights of plain design rows, which give the linear predictors that ``w`` gives of the centred ones: (d + 1)
        for each of the model's outputs, as ``w``."""
        plain = w * CENTRED_SCALE
        width = len(self.centre) + 1
        for output in range(0, w.size, width):
            row = plain[output : output + width]
            row[-1] = w[output + width - 1] - row[:-1] @ np.asarray(self.centre)
        return plain


def average_of_last_half(iterates: Sequence[FloatArray]) -> FloatArray:
    """The mean of the last half of the iterates so far, in the order of rounds; of one, it is that one.

    Always added in that order, so that it has the same bits after a restart. Raises ValueError where there is none.
    """
    taken = iterates[len(iterates) // 2 :]
    if not taken:
        raise ValueError("no round has been committed yet: there is no model to release")
    total = np.zeros_like(taken[0])
    for iterate in taken:
        total += iterate
    total /= len(taken)
    return total


def step(w: FloatArray, total: FloatArray, plan: NoisePlan, l2: float, family: Family = LOGISTIC) -> FloatArray:
    """The next iterate: ``w - eta (total / n0 + l2 w)``, the intercepts without penalty; ``w`` stays as it is.

    ``total``, as long: the sum of the hospitals' noisy gradient sums. The number of rows behind it is not known to
    anybody, so it is divided by the nominal one.
    """
    direction = total / plan.ask.nominal_rows
    direction.reshape(family.outputs, -1)[:, :-1] += l2 * w.reshape(family.outputs, -1)[:, :-1]
    next_w: FloatArray = w - step_size(plan, family) * direction
    return next_w


def step_size(plan: NoisePlan, family: Family) -> float:
    """The size of a step: the plan's, for models of classes, whose residuals are bounded; of numbers no longer than
    :data:`LONGEST_OF_NUMBERS`. (A count's loss curves as its rate: there clipping alone bounds how far a step goes.)"""
    return plan.learning_rate if family.classes is not None else min(plan.learning_rate, LONGEST_OF_NUMBERS)


def private_rows(feature_map: FeatureMap, x: FloatArray) -> FloatArray:
    """Map clinical rows (n, d) to design rows (n, d + 1), whatever they hold; a row with NaN or infinity is all NaN.

    Such a row counts as zeros in every sum (:mod:`consilia.privacy.clipping`). :meth:`FeatureMap.apply` refuses it,
    and a refusal that others see would tell of one patient. Raises :class:`InvalidData` for another number of columns.
    """
    if x.ndim != 2 or x.shape[1] != len(feature_map.names):
        raise InvalidData(f"the table has other columns than the {len(feature_map.names)} of the feature map")
    usable: Flags = np.logical_and.reduce(np.isfinite(x), axis=1)
    with np.errstate(over="ignore"):
        z = feature_map.apply(np.where(usable[:, None], x, 0.0))
    z[~usable] = np.nan
    return z
