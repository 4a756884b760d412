"""What federating costs in accuracy: this project against scikit-learn's centralised logistic regression.

Run as ``python -m bench.result``. Each seed goes down the production path in one process: the same split, shards,
holdouts, moments, feature map, trainer and strategy, in the same order; only the messages are left out. Three columns:

* federated: five hospitals, 10 rounds, ``scaling: federated``, no noise; each trains without its held-out fifth;
* centralised: ``LogisticRegression()`` after ``StandardScaler()``, on all training rows, those held-out ones included;
* alone: each hospital with the same centralised recipe on its own training rows, the mean of the five.

All are scored on the pooled test fifth. Exit code 1 if the federated mean is more than 0.3 points below the centralised
accuracy, or above 1.03 times its loss.
"""

import argparse
import sys
from dataclasses import dataclass
from functools import partial

import numpy as np
from consilia import dataset
from consilia.aggregation import FedAvg, Update, chunks, sum_vectors
from consilia.dataset import Rows
from consilia.features import FeatureMap
from consilia.metrics import Metrics, score
from consilia.model import Work
from consilia.vectors import FloatArray
from consilia_agents.holdout import divide
from consilia_agents.sources import BuiltinSource
from consilia_agents.trainers import SklearnTrainer
from consilia_coordinator.evaluation import PublicEvaluation
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HOSPITALS = ("east", "north", "south", "university", "west")
LABEL = "malignant"
ROUNDS = 10
ALPHA = 0.5
HOLDOUT = 0.2
WORK = Work(local_epochs=20, learning_rate=0.5, l2=0.001)
MOST_BELOW = 0.003
MOST_LOSS = 1.03


@dataclass(frozen=True)
class Comparison:
    """Scores of one seed on the pooled test rows."""

    federated: Metrics
    centralised: Metrics
    alone: Metrics


def federate(sides: dict[str, SklearnTrainer], features: tuple[str, ...], work: Work) -> tuple[FeatureMap, FloatArray]:
    """A whole run without its messages: the feature map and the final parameters."""

    def updates(vectors: dict[str, FloatArray]) -> list[Update]:
        return [Update(name, sides[name].rows, partial(chunks, vector)) for name, vector in vectors.items()]

    moments = {name: trainer.moments() for name, trainer in sides.items()}
    feature_map = FeatureMap.from_moments(features, sum_vectors(updates(moments), 1 + 2 * len(features)))
    w = np.zeros(feature_map.size)
    for _ in range(ROUNDS):
        local = {name: trainer.train(feature_map, w, work) for name, trainer in sides.items()}
        w = FedAvg().reduce(updates(local), w.size)
    return feature_map, w


def centralise(train: Rows, test: Rows) -> Metrics:
    """scikit-learn's own logistic regression on rows in one place."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train.x, train.y)
    return score(test.y, model.predict_proba(test.x)[:, 1])


def compare(seed: int, work: Work = WORK) -> Comparison:
    """All three columns for one seed."""
    table = dataset.load("breast-cancer")
    features = table.columns[:-1]
    both = dataset.split(table, seed)
    train = both.train.select(features, LABEL, "the pooled training rows")
    test = both.test.select(features, LABEL, "the test rows")
    divided = {
        name: divide(
            BuiltinSource(name, "breast-cancer", i, len(HOSPITALS), ALPHA, seed).load(features, LABEL),
            f"default/{name}-2024",
            HOLDOUT,
        )
        for i, name in enumerate(HOSPITALS)
    }
    trainers = {name: SklearnTrainer(sides) for name, sides in divided.items()}
    feature_map, w = federate(trainers, features, work)
    learners = [sides.train for sides in divided.values() if sides.train.y.min() < sides.train.y.max()]
    return Comparison(
        federated=PublicEvaluation(test).score(feature_map, w),
        centralised=centralise(train, test),
        alone=mean([centralise(rows, test) for rows in learners]),
    )


def mean(scores: list[Metrics]) -> Metrics:
    """The mean of each score over those that define it."""
    defined = {name: [value for one in scores if (value := one[name]) is not None] for name in scores[0]}
    return {name: float(np.mean(values)) if values else None for name, values in defined.items()}


def mean_of(comparisons: list[Comparison]) -> Comparison:
    """The mean over seeds, column by column."""
    return Comparison(
        federated=mean([one.federated for one in comparisons]),
        centralised=mean([one.centralised for one in comparisons]),
        alone=mean([one.alone for one in comparisons]),
    )


def shortfall(one: Comparison) -> tuple[float, float]:
    """(accuracy below the centralised one, loss as a multiple of the centralised one)."""
    federated, centralised = ({k: v or 0.0 for k, v in m.items()} for m in (one.federated, one.centralised))
    return centralised["accuracy"] - federated["accuracy"], federated["loss"] / centralised["loss"]


def main() -> int:
    """Print the table and say whether the result is as required."""
    parser = argparse.ArgumentParser(description="Federated against centralised, on the pooled test rows.")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--local-epochs", type=int, default=WORK.local_epochs)
    parser.add_argument("--learning-rate", type=float, default=WORK.learning_rate)
    parser.add_argument("--l2", type=float, default=WORK.l2)
    given = parser.parse_args()
    work = Work(given.local_epochs, given.learning_rate, given.l2)
    total = mean_of([compare(seed, work) for seed in range(given.seeds)])
    print(f"{given.seeds} seeds, {len(HOSPITALS)} hospitals, {ROUNDS} rounds, {work}\n")
    print(f"{'':12} {'accuracy':>9} {'loss':>7} {'precision':>9} {'recall':>7} {'auc':>7}")
    for name in ("federated", "centralised", "alone"):
        row = getattr(total, name)
        print(
            f"{name:12} {row['accuracy']:9.2%} {row['loss']:7.4f} {row['precision']:9.2%} "
            f"{row['recall']:7.2%} {row['auc']:7.4f}"
        )
    below, times = shortfall(total)
    passed = below <= MOST_BELOW and times <= MOST_LOSS
    print(
        f"\naccuracy {100 * below:+.2f} points below (at most {100 * MOST_BELOW:.1f}); loss x{times:.3f} (at most {MOST_LOSS})"
    )
    print("PASSED" if passed else "MISSED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
