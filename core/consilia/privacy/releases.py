"""What a hospital sends in a private run: three sums over patients, each with its noise. Nothing leaves without it.

Each function takes the plan of its kind of release (:mod:`consilia.privacy.noise_plan`), clips to that plan's
sensitivity, adds that plan's noise and returns the sum; the sum without noise is never returned. Where records are in
several places, each place's sum is clipped and exact, and the noise is added to the sum of those. All raise
:class:`InvalidPrivacy`, before anything is computed, where they are given the plan of another kind.
"""

import numpy as np

from consilia.errors import InvalidPrivacy
from consilia.model import LOGISTIC, Family
from consilia.privacy.cells import Evaluation, cells_of, clipped_losses, usable
from consilia.privacy.clipping import gradient_sum, row_sum
from consilia.privacy.keystream import WordSource
from consilia.privacy.noise import Integers
from consilia.privacy.noise_plan import LOSS_WEIGHT, Kind, Planned
from consilia.vectors import FloatArray


def noised_gradient(
    z: FloatArray, y: FloatArray, w: FloatArray, train: Planned, words: WordSource, family: Family = LOGISTIC
) -> FloatArray:
    """The sum of the clipped record gradients at ``w``, with noise: as long, for rows (n, d + 1), n >= 0."""
    _require("train", train)
    return _noised(gradient_sum(z, y, w, train.sensitivity, train.noise.grid, train.norm, family), train, words)


def noised_rows(z: FloatArray, centre: Planned, words: WordSource) -> FloatArray:
    """The sum of design rows (n, d + 1), with noise: (d + 1); the last is the number of rows, but for the clipping."""
    _require("centre", centre)
    return _noised(row_sum(z, centre.sensitivity, centre.noise.grid, centre.norm), centre, words)


def noised_scores(
    y: FloatArray, prediction: FloatArray, evaluate: Planned, words: WordSource, family: Family = LOGISTIC
) -> FloatArray:
    """Scores of holdout patients, with noise: the cells of the model's kind, then the sum of losses.

    For labels (n,) and what the model predicts of them (:func:`consilia.metrics.score`), n >= 0. A patient adds 1 to
    one cell and, clipped to the evaluation's largest loss and in other units, at most ``LOSS_WEIGHT`` to the last
    value: the vector is noised as one query, of L2 sensitivity ``sqrt(1 + LOSS_WEIGHT^2)`` (Dwork & Roth 2014,
    definition 3.8). A patient whose label is none of the model's, or whose prediction cannot be, adds nothing.
    """
    _require("evaluate", evaluate)
    return noised_sum_of_scores(score_sum(y, prediction, evaluate, family), evaluate, words, family)


def score_sum(y: FloatArray, prediction: FloatArray, evaluate: Planned, family: Family = LOGISTIC) -> Integers:
    """What :func:`noised_scores` adds its noise to, in whole multiples of its grid: sums over patients, exact."""
    counts = usable(y, prediction, family)
    y, prediction = y[counts], prediction[counts]
    grid = evaluate.noise.grid
    # Cut to the grid patient by patient, so that the sum is exact, and no patient moves it by more than their part. A
    # patient is a whole number of multiples, but for noise so large (epsilon below 1e-9) that they are not even one.
    patient = int(1.0 / grid)
    cells = [patient * int(np.count_nonzero(cell)) for cell in cells_of(y, prediction, family)]
    loss = np.trunc(clipped_losses(y, prediction, family) * (_loss_unit(family) / grid)).astype(np.int64).sum()
    return np.array([*cells, loss], dtype=np.int64)


def noised_sum_of_scores(
    total: Integers, evaluate: Planned, words: WordSource, family: Family = LOGISTIC
) -> FloatArray:
    """A :func:`score_sum` over all patients, with noise, as :func:`noised_scores` gives it."""
    noised = noised_sum("evaluate", total, evaluate, words)
    noised[-1] /= _loss_unit(family)
    return noised


def noised_sum(kind: Kind, total: Integers, planned: Planned, words: WordSource) -> FloatArray:
    """A sum of records, each clipped (:mod:`consilia.privacy.clipping`), in whole multiples of the grid, with noise."""
    _require(kind, planned)
    return _noised(total, planned, words)


def _loss_unit(family: Family) -> float:
    return LOSS_WEIGHT / Evaluation.of(family).largest_loss


def _noised(total: Integers, planned: Planned, words: WordSource) -> FloatArray:
    multiples = total + planned.noise.draw(total.size, words)
    return multiples.astype(np.float64) * planned.noise.grid


def _require(kind: Kind, planned: Planned) -> None:
    if planned.kind != kind:
        raise InvalidPrivacy(
            f"a release of kind {kind} was given the noise of kind {planned.kind}: nothing is released"
        )
