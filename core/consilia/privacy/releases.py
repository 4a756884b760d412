"""What a hospital sends in a private run: three sums over patients, each with its noise. Nothing leaves without it.

Each function takes the plan of its kind of release (:mod:`consilia.privacy.noise_plan`), clips to that plan's
sensitivity, adds that plan's noise and returns the sum; the sum without noise is never returned. All raise
:class:`InvalidPrivacy`, before anything is computed, where they are given the plan of another kind.
"""

import numpy as np

from consilia.errors import InvalidPrivacy
from consilia.metrics import TINY
from consilia.privacy.clipping import gradient_sum, row_sum
from consilia.privacy.keystream import WordSource
from consilia.privacy.noise import Integers
from consilia.privacy.noise_plan import LARGEST_LOSS, LOSS_WEIGHT, Kind, Planned
from consilia.vectors import FloatArray

CELLS = 4
"""Of an evaluation: true positives, false positives, true negatives, false negatives; the loss comes after them."""


def noised_gradient(z: FloatArray, y: FloatArray, w: FloatArray, train: Planned, words: WordSource) -> FloatArray:
    """The sum of the clipped record gradients at ``w`` (d + 1), with noise: (d + 1), for rows (n, d + 1), n >= 0."""
    _require("train", train)
    return _noised(gradient_sum(z, y, w, train.sensitivity, train.noise.grid, train.norm), train, words)


def noised_rows(z: FloatArray, centre: Planned, words: WordSource) -> FloatArray:
    """The sum of design rows (n, d + 1), with noise: (d + 1); the last is the number of rows, but for the clipping."""
    _require("centre", centre)
    return _noised(row_sum(z, centre.sensitivity, centre.noise.grid, centre.norm), centre, words)


def noised_scores(y: FloatArray, probability: FloatArray, evaluate: Planned, words: WordSource) -> FloatArray:
    """Scores of holdout patients, with noise: the four cells, then the sum of losses (nats), (5,).

    For labels (n,) and probabilities of label 1 (n,), n >= 0; 0.5 and above predicts 1. A patient adds 1 to one cell
    and, clipped to ``LARGEST_LOSS`` and in other units, at most ``LOSS_WEIGHT`` to the last value: the vector is noised
    as one query, of L2 sensitivity ``sqrt(1 + LOSS_WEIGHT^2)`` (Dwork & Roth 2014, definition 3.8). A patient whose
    label or probability is not a number from 0 to 1 adds nothing.
    """
    _require("evaluate", evaluate)
    counts = (y >= 0) & (y <= 1) & (probability >= 0) & (probability <= 1)
    positive, predicted = y[counts] > 0.5, probability[counts] >= 0.5
    given = np.where(positive, probability[counts], 1.0 - probability[counts])
    loss = np.minimum(-np.log(np.maximum(given, TINY)), LARGEST_LOSS)
    cells = [positive & predicted, ~positive & predicted, ~positive & ~predicted, positive & ~predicted]
    grid = evaluate.noise.grid
    total = np.array([round(int(np.count_nonzero(cell)) / grid) for cell in cells] + [0], dtype=np.int64)
    # Cut to the grid patient by patient, so that the sum is exact.
    total[-1] = np.trunc(loss * (LOSS_WEIGHT / LARGEST_LOSS / grid)).astype(np.int64).sum()
    noised = _noised(total, evaluate, words)
    noised[-1] *= LARGEST_LOSS / LOSS_WEIGHT
    return noised


def _noised(total: Integers, planned: Planned, words: WordSource) -> FloatArray:
    multiples = total + planned.noise.draw(total.size, words)
    return multiples.astype(np.float64) * planned.noise.grid


def _require(kind: Kind, planned: Planned) -> None:
    if planned.kind != kind:
        raise InvalidPrivacy(
            f"a release of kind {kind} was given the noise of kind {planned.kind}: nothing is released"
        )
