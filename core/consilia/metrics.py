"""Scores of a model on rows: of classes accuracy, loss, precision, recall, auc; of numbers and counts loss and r2.

A score that the rows do not define is None, never a number that looks like one: precision when nothing is predicted 1,
recall when no label is 1, auc when one class is missing, r2 when all labels are the same, and everything when there are
no rows.

Of several classes, precision and recall are macro averages: the mean over the classes that are among the labels or the
predictions, of which one that is never predicted has precision 0, and one that nobody has recall 0 (as scikit-learn's
``average="macro", zero_division=0``). The loss of a number is half its squared error where the public bounds of the
label are -1 and 1, and that of a count half its Poisson deviance, which is about 1/2 where the model is right.
"""

import numpy as np

from consilia.model import LOGISTIC, Family, Linear, Poisson, Softmax
from consilia.status import Metrics
from consilia.vectors import FloatArray

TINY = 1e-15
"""Probabilities are clipped to [TINY, 1 - TINY] before the logarithm, as scikit-learn did for long; rates to TINY."""


def score(y: FloatArray, prediction: FloatArray, family: Family = LOGISTIC) -> Metrics:
    """All scores of predictions (:meth:`Family.mean`) against labels (n,) of the family.

    Of two classes a prediction is the probability (n,) of label 1, and 0.5 and above predicts it; of several, one
    probability a class, and the largest predicts its own.
    """
    if y.size == 0:
        return Metrics()
    if isinstance(family, Softmax):
        return _of_classes(y, prediction, family)
    return _of_two(y, prediction) if family == LOGISTIC else _of_numbers(y, prediction, family)


def losses(y: FloatArray, prediction: FloatArray, family: Family) -> FloatArray:
    """Each record's loss (n,), for predictions as in :func:`score`; finite where label and prediction are usable."""
    target = family.target(y)
    loss: FloatArray
    match family:
        case Softmax():
            usable = ~np.isnan(target)
            own = prediction[np.arange(y.size), np.where(usable, target, 0.0).astype(np.intp)]
            loss = -np.log(np.maximum(np.where(usable, own, np.nan), TINY))
        case Linear():
            with np.errstate(over="ignore"):
                loss = np.square((prediction - family.middle) / family.half - target) / 2
        case Poisson():
            rate = np.maximum(prediction, TINY)
            loss = rate - target + target * np.log(np.maximum(target, 1.0) / rate)
        case _:
            loss = -np.log(np.maximum(np.where(target > 0.5, prediction, 1.0 - prediction), TINY))
    return loss


def _of_two(y: FloatArray, probability: FloatArray) -> Metrics:
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


def _of_classes(y: FloatArray, probability: FloatArray, family: Softmax) -> Metrics:
    labels, predicted = y.astype(np.intp), probability.argmax(axis=1)
    having = np.bincount(labels, minlength=family.count)
    told = np.bincount(predicted, minlength=family.count)
    hits = np.bincount(labels[labels == predicted], minlength=family.count)
    seen = having + told > 0
    return Metrics(
        accuracy=int(hits.sum()) / y.size,
        loss=float(losses(y, probability, family).mean()),
        precision=float(np.mean(hits[seen] / np.maximum(told[seen], 1))),
        recall=float(np.mean(hits[seen] / np.maximum(having[seen], 1))),
    )


def _of_numbers(y: FloatArray, prediction: FloatArray, family: Family) -> Metrics:
    found = float(losses(y, prediction, family).mean())
    if not np.isfinite(found):
        return Metrics()
    # In the label's own unit, as predictions are: on clipped labels, which the loss is of.
    target = family.target(y)
    label = family.middle + family.half * target if isinstance(family, Linear) else target
    if label.min() == label.max():
        return Metrics(loss=found)
    of_the_mean = float(losses(label, np.full(y.size, label.mean()), family).mean())
    return Metrics(loss=found, r2=1.0 - found / of_the_mean)


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
