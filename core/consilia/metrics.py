"""Scores of a model on rows: accuracy, loss, precision, recall, auc.

A score that the rows do not define is None, never a number that looks like one: precision when nothing is predicted 1,
recall when no label is 1, auc when one class is missing, and everything when there are no rows.
"""

import numpy as np

from consilia.status import Metrics
from consilia.vectors import FloatArray

TINY = 1e-15
"""Probabilities are clipped to [TINY, 1 - TINY] before the logarithm, as scikit-learn did for long."""


def score(y: FloatArray, probability: FloatArray) -> Metrics:
    """All scores of probabilities (n,) of label 1 against labels 0 or 1 (n,); 0.5 and above predicts 1."""
    if y.size == 0:
        return Metrics()
    positive = y > 0.5
    predicted = probability >= 0.5
    hits = int(np.count_nonzero(predicted & positive))
    return Metrics(
        accuracy=int(np.count_nonzero(predicted == positive)) / y.size,
        loss=log_loss(y, probability),
        precision=_share(hits, int(np.count_nonzero(predicted))),
        recall=_share(hits, int(np.count_nonzero(positive))),
        auc=auc(y, probability),
    )


def log_loss(y: FloatArray, probability: FloatArray) -> float:
    """Mean of ``-log`` of the probability given to the true label, in nats; n >= 1."""
    given = np.where(y > 0.5, probability, 1.0 - probability)
    return float(-np.mean(np.log(np.clip(given, TINY, 1.0 - TINY))))


def auc(y: FloatArray, probability: FloatArray) -> float | None:
    """Area under the ROC curve: P(a positive ranks above a negative), a tie counting one half.

    The rank-sum formula of Mann and Whitney (1947), with mid-ranks for ties.
    """
    positive = y > 0.5
    n_positive = int(np.count_nonzero(positive))
    n_negative = y.size - n_positive
    if n_positive == 0 or n_negative == 0:
        return None
    order = np.sort(probability)
    below = np.searchsorted(order, probability[positive], side="left")
    up_to = np.searchsorted(order, probability[positive], side="right")
    twice_ranks = int(below.sum()) + int(up_to.sum()) + n_positive
    return (twice_ranks / 2 - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
