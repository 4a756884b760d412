"""What noised cells say of a model: scores with their error bars, and which of them the noise hides. Pure.

Post-processing of one evaluation (:func:`consilia.privacy.releases.noised_scores`). A score is a ratio A / B of sums of
cells whose noises are independent, of one standard deviation s; to first order (the delta method, Casella & Berger
2002, section 5.5.4) its variance is ``(s / B)^2`` times the sum over the cells of ``(a - (A / B) b)^2``, where a cell
counts ``a`` times in A and ``b`` times in B.

Refuses nothing: whatever noise made of the cells, the scores that are told lie where such scores can lie.
"""

from dataclasses import dataclass
from math import log, sqrt

import numpy as np

from consilia.privacy.noise_plan import LARGEST_LOSS, LOSS_WEIGHT, Planned
from consilia.status import HospitalMetrics, MetricErrors, ScoreName
from consilia.vectors import FloatArray

NOISIEST_SHARE = 0.10
"""Error bar from which on a share is hidden: ten points."""
NOISIEST_LOSS = log(2)
"""Error bar from which on a loss is hidden: the loss of a model that knows nothing."""
CLEARLY = 5.0
"""Standard deviations of its own by which a denominator must be above 0; nearer to it the delta method is wrong."""

NORMAL_95 = 1.96
"""95 % of normal noise is within so many standard deviations."""
LAPLACE_95 = log(20) / sqrt(2)
"""95 % of one Laplace noise is, and more than that of sums of several."""

_TP, _FP, _TN, _FN, _LOSS = np.eye(5)
_ALL = _TP + _FP + _TN + _FN


@dataclass(frozen=True)
class _Ratio:
    """A score: how often the five values count above and below the line, and between what it lies."""

    name: ScoreName
    above: FloatArray
    below: FloatArray
    most: float
    noisiest: float


RATIOS = (
    _Ratio("accuracy", _TP + _TN, _ALL, 1.0, NOISIEST_SHARE),
    _Ratio("loss", _LOSS, _ALL, LARGEST_LOSS, NOISIEST_LOSS),
    _Ratio("precision", _TP, _TP + _FP, 1.0, NOISIEST_SHARE),
    _Ratio("recall", _TP, _TP + _FN, 1.0, NOISIEST_SHARE),
)


def scores_of(noised: FloatArray, evaluate: Planned) -> HospitalMetrics:
    """The scores that an evaluation (5,), noised as ``evaluate`` says, tells, each with its 95 % error bar.

    Values beyond what a score can be are clipped; a score is hidden where its bar is too wide, or its denominator not
    clearly above 0. What is hidden depends on the noise too: of all evaluations, told or hidden, 5 % tell a score that
    is off by more than its bar.
    """
    deviations = _deviations(evaluate)
    values: dict[ScoreName, float] = {}
    errors: dict[ScoreName, float] = {}
    for ratio in RATIOS:
        found = _told(ratio, noised, deviations)
        if found is None:
            continue
        value, deviation = found
        error = _quantile(evaluate) * deviation
        if error <= ratio.noisiest:
            values[ratio.name], errors[ratio.name] = value, error
    hidden = [ratio.name for ratio in RATIOS if ratio.name not in values]
    told = {"errors": MetricErrors.model_validate(errors) if errors else None, "hidden": hidden or None}
    return HospitalMetrics.model_validate(values | told)


def accuracy_error(evaluate: Planned, patients: int, accuracy: float) -> float:
    """The 95 % error bar of an accuracy (0 to 1) over ``patients`` >= 1, before anything is released; at most 1."""
    each = _deviation(RATIOS[0], accuracy, float(patients), _deviations(evaluate))
    return min(_quantile(evaluate) * each, 1.0)


def _told(ratio: _Ratio, noised: FloatArray, deviations: FloatArray) -> tuple[float, float] | None:
    """The value and its standard deviation; None where the denominator may as well be 0."""
    below = float(ratio.below @ noised)
    if below <= CLEARLY * sqrt(float(ratio.below @ np.square(deviations))):
        return None
    value = min(max(float(ratio.above @ noised) / below, 0.0), ratio.most)
    return value, _deviation(ratio, value, below, deviations)


def _deviation(ratio: _Ratio, value: float, below: float, deviations: FloatArray) -> float:
    return float(np.linalg.norm((ratio.above - value * ratio.below) * deviations)) / below


def _deviations(evaluate: Planned) -> FloatArray:
    """Standard deviations of the five noises: the loss travels in units of which a patient adds few."""
    deviation = evaluate.noise.scale * (1.0 if evaluate.noise.mechanism == "Gaussian" else sqrt(2))
    return deviation * (_ALL + LARGEST_LOSS / LOSS_WEIGHT * _LOSS)


def _quantile(evaluate: Planned) -> float:
    return NORMAL_95 if evaluate.noise.mechanism == "Gaussian" else LAPLACE_95
