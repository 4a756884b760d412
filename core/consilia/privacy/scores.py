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

from consilia.model import LOGISTIC, Family, Logistic, Softmax
from consilia.privacy.cells import Evaluation
from consilia.privacy.noise_plan import LOSS_WEIGHT, Planned
from consilia.status import HospitalMetrics, MetricErrors, ScoreName
from consilia.vectors import FloatArray

NOISIEST_SHARE = 0.10
"""Error bar from which on a share is hidden: ten points."""
CLEARLY = 5.0
"""Standard deviations of its own by which a denominator must be above 0; nearer to it the delta method is wrong."""

NORMAL_95 = 1.96
"""95 % of normal noise is within so many standard deviations."""
LAPLACE_95 = log(20) / sqrt(2)
"""95 % of one Laplace noise is, and more than that of sums of several."""


@dataclass(frozen=True)
class _Ratio:
    """A score: how often each of the values counts above and below the line, and between what it lies."""

    name: ScoreName
    above: FloatArray
    below: FloatArray
    most: float
    noisiest: float


def ratios_of(family: Family) -> tuple[_Ratio, ...]:
    """The scores that an evaluation of this kind of model tells."""
    evaluation = Evaluation.of(family)
    *cells, losses = np.eye(evaluation.length)
    whole = np.add.reduce(cells)
    # A loss is hidden where its error bar is the loss of a model that knows nothing.
    loss = _Ratio("loss", losses, whole, evaluation.largest_loss, evaluation.ignorant_loss)
    match family:
        case Logistic():
            tp, fp, tn, fn = cells
            return (
                _Ratio("accuracy", tp + tn, whole, 1.0, NOISIEST_SHARE),
                loss,
                _Ratio("precision", tp, tp + fp, 1.0, NOISIEST_SHARE),
                _Ratio("recall", tp, tp + fn, 1.0, NOISIEST_SHARE),
            )
        case Softmax():
            return (_Ratio("accuracy", cells[0], whole, 1.0, NOISIEST_SHARE), loss)
        case _:
            return (loss,)


def scores_of(noised: FloatArray, evaluate: Planned, family: Family = LOGISTIC) -> HospitalMetrics:
    """The scores that an evaluation, noised as ``evaluate`` says, tells, each with its 95 % error bar.

    Values beyond what a score can be are clipped; a score is hidden where its bar is too wide, or its denominator not
    clearly above 0. What is hidden depends on the noise too: of all evaluations, told or hidden, 5 % tell a score that
    is off by more than its bar.
    """
    deviations, ratios = _deviations(evaluate, family), ratios_of(family)
    values: dict[ScoreName, float] = {}
    errors: dict[ScoreName, float] = {}
    for ratio in ratios:
        found = _told(ratio, noised, deviations)
        if found is None:
            continue
        value, deviation = found
        error = _quantile(evaluate) * deviation
        if error <= ratio.noisiest:
            values[ratio.name], errors[ratio.name] = value, error
    hidden = [ratio.name for ratio in ratios if ratio.name not in values]
    told = {"errors": MetricErrors.model_validate(errors) if errors else None, "hidden": hidden or None}
    return HospitalMetrics.model_validate(values | told)


@dataclass(frozen=True)
class ErrorBar:
    """How far off noise may put a score, 95 % of the time, and whether it is told at all."""

    score: ScoreName
    error: float
    told: bool


def expected_bar(evaluate: Planned, patients: int, accuracy: float, family: Family = LOGISTIC) -> ErrorBar:
    """The bar of this kind of model's first score over ``patients`` >= 1, before anything is released.

    That is an accuracy, of about ``accuracy`` (0 to 1), or of a number its loss, of about nothing.
    """
    first = ratios_of(family)[0]
    value = accuracy if first.name == "accuracy" else 0.0
    each = _quantile(evaluate) * _deviation(first, value, float(patients), _deviations(evaluate, family))
    return ErrorBar(first.name, min(each, first.most), each <= first.noisiest)


def _told(ratio: _Ratio, noised: FloatArray, deviations: FloatArray) -> tuple[float, float] | None:
    """The value and its standard deviation; None where the denominator may as well be 0."""
    below = float(ratio.below @ noised)
    if below <= CLEARLY * sqrt(float(ratio.below @ np.square(deviations))):
        return None
    value = min(max(float(ratio.above @ noised) / below, 0.0), ratio.most)
    return value, _deviation(ratio, value, below, deviations)


def _deviation(ratio: _Ratio, value: float, below: float, deviations: FloatArray) -> float:
    return float(np.linalg.norm((ratio.above - value * ratio.below) * deviations)) / below


def _deviations(evaluate: Planned, family: Family) -> FloatArray:
    """Standard deviations of the noises: the loss travels in units of which a patient adds few."""
    evaluation = Evaluation.of(family)
    deviation = evaluate.noise.scale * (1.0 if evaluate.noise.mechanism == "Gaussian" else sqrt(2))
    return deviation * np.append(np.ones(evaluation.cells), evaluation.largest_loss / LOSS_WEIGHT)


def _quantile(evaluate: Planned) -> float:
    return NORMAL_95 if evaluate.noise.mechanism == "Gaussian" else LAPLACE_95
