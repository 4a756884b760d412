"""What federating costs in accuracy: this project against scikit-learn's centralised logistic regression.

Run as ``python -m bench.result``. Each seed goes down the production path of the example's Federation in one process:
the same split, shards, holdouts, moments, feature map, trainer and strategy; only the messages are left out.

* federated: the example's hospitals and rounds, without noise; each trains without its held-out fifth;
* centralised: ``LogisticRegression()`` after ``StandardScaler()``, on all training rows, those held-out ones included;
* on trained rows: the same, on those rows alone that the federation trained on too;
* alone: the same, at each hospital on the rows it trains on; the mean over hospitals.

All are scored on the pooled test fifth. Exit code 1 if the federated mean is more than 0.3 points below the centralised
accuracy, or above 1.03 times its loss.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from consilia import dataset, manifest
from consilia.aggregation import FedAvg, Update, chunks, sum_vectors
from consilia.dataset import Rows
from consilia.features import FeatureMap
from consilia.metrics import score
from consilia.model import Work
from consilia.spec import Cohort, FederationSpec
from consilia.status import Metrics
from consilia.vectors import FloatArray
from consilia_agents.holdout import Sides, divide
from consilia_agents.sources.builtin import BuiltinSource
from consilia_agents.trainers import SklearnTrainer
from consilia_coordinator.evaluation import PublicEvaluation

EXAMPLE = Path(__file__).parent.parent / "examples" / "breast-cancer-non-private.yaml"
SEEDS = 200  # twenty have a standard error as wide as what is promised
MOST_BELOW = 0.003
MOST_LOSS = 1.03


@dataclass(frozen=True)
class Example:
    """The example's Federation and the cohorts of its hospitals."""

    spec: FederationSpec
    cohorts: dict[str, Cohort]

    @classmethod
    def read(cls) -> "Example":
        """Read the example's file."""
        documents = manifest.parse(EXAMPLE.read_text("utf-8"), str(EXAMPLE))
        federation = manifest.only_federation(documents, str(EXAMPLE))
        return cls(federation.spec, documents.cohorts_of(federation))

    def divided(self, seed: int) -> dict[str, Sides]:
        """Every hospital's two sides, the data being cut by ``seed``."""
        features = self.spec.features
        sides = {}
        for hospital, cohort in sorted(self.cohorts.items()):
            builtin = cohort.spec.source.builtin
            source = replace(BuiltinSource.named(hospital, builtin), seed=seed)
            rows = source.extract(features).rows
            sides[hospital] = divide(rows, hospital, cohort.metadata.name, cohort.spec.holdout.fraction)
        return sides

    def pooled(self, seed: int) -> tuple[Rows, Rows]:
        """All training rows and all test rows, as one table each."""
        features = self.spec.features
        cut = dataset.split(dataset.load("breast-cancer"), seed)
        train, test = (table.select(features.names, features.label, "the pool") for table in (cut.train, cut.test))
        return train, test


@dataclass(frozen=True)
class Comparison:
    """Scores on the pooled test rows, of one seed or the mean of several."""

    federated: Metrics
    centralised: Metrics
    trained_rows: Metrics
    alone: Metrics

    @property
    def below(self) -> float:
        """Accuracy that the federated model lacks against the centralised one."""
        return _number(self.centralised, "accuracy") - _number(self.federated, "accuracy")

    @property
    def loss_ratio(self) -> float:
        """Loss of the federated model over that of the centralised one."""
        return _number(self.federated, "loss") / _number(self.centralised, "loss")

    @property
    def passes(self) -> bool:
        """Whether the result is as required."""
        return self.below <= MOST_BELOW and self.loss_ratio <= MOST_LOSS


def federate(trainers: dict[str, SklearnTrainer], spec: FederationSpec, work: Work) -> tuple[FeatureMap, FloatArray]:
    """A whole run without its messages: the feature map and the final parameters."""

    def updates(vectors: dict[str, FloatArray]) -> list[Update]:
        return [Update(name, trainers[name].rows, partial(chunks, vector)) for name, vector in vectors.items()]

    if spec.features.scaling == "federated":
        sent = updates({name: trainer.moments() for name, trainer in trainers.items()})
        feature_map = FeatureMap.from_moments(spec.features.names, sum_vectors(sent, 1 + 2 * len(spec.features.names)))
    else:
        feature_map = FeatureMap.from_codebook(spec.features)
    w = np.zeros(feature_map.size)
    for _ in range(spec.rounds):
        local = {name: trainer.train(feature_map, w, work) for name, trainer in trainers.items()}
        w = FedAvg().reduce(updates(local), w.size)
    return feature_map, w


def centralise(train: Rows, test: Rows) -> Metrics:
    """scikit-learn's own logistic regression on rows in one place."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train.x, train.y)
    return score(test.y, model.predict_proba(test.x)[:, 1])


def compare(example: Example, seed: int, work: Work | None = None) -> Comparison:
    """One seed; ``work`` instead of the example's own, where given."""
    train, test = example.pooled(seed)
    sides = example.divided(seed)
    trainers = {name: SklearnTrainer(both) for name, both in sides.items()}
    used = work or Work.of(example.spec.model, example.spec.fed_avg)
    feature_map, w = federate(trainers, example.spec, used)
    trained = {patient for both in sides.values() for patient in both.train.ids}
    kept = np.flatnonzero([patient in trained for patient in train.ids])
    learners = [both.train for both in sides.values() if both.train.y.min() < both.train.y.max()]
    return Comparison(
        federated=PublicEvaluation(test).score(feature_map, w),
        centralised=centralise(train, test),
        trained_rows=centralise(train.take(kept), test),
        alone=mean([centralise(rows, test) for rows in learners]),
    )


def mean(scores: list[Metrics]) -> Metrics:
    """The mean of each score over those that define it."""
    defined = {
        name: [value for one in scores if (value := getattr(one, name)) is not None] for name in Metrics.model_fields
    }
    return Metrics(**{name: float(np.mean(values)) for name, values in defined.items() if values})


def mean_of(comparisons: list[Comparison]) -> Comparison:
    """The mean over seeds, model by model."""
    return Comparison(
        federated=mean([one.federated for one in comparisons]),
        centralised=mean([one.centralised for one in comparisons]),
        trained_rows=mean([one.trained_rows for one in comparisons]),
        alone=mean([one.alone for one in comparisons]),
    )


def _number(metrics: Metrics, name: str) -> float:
    value: float | None = getattr(metrics, name)
    assert value is not None, f"{name} is undefined on the test rows"
    return value


def _show(comparisons: list[Comparison]) -> None:
    total = mean_of(comparisons)
    print(f"{'':16} {'accuracy':>9} {'loss':>7} {'precision':>9} {'recall':>7} {'auc':>7}")
    for name in ("federated", "centralised", "trained_rows", "alone"):
        row = {score: value or 0.0 for score, value in getattr(total, name)}
        print(
            f"{name.replace('_', ' '):16} {row['accuracy']:9.2%} {row['loss']:7.4f} {row['precision']:9.2%} "
            f"{row['recall']:7.2%} {row['auc']:7.4f}"
        )
    spread = float(np.std([one.below for one in comparisons])) / max(1, len(comparisons) - 1) ** 0.5
    print(
        f"\naccuracy below the centralised: {100 * total.below:+.2f} points (at most {100 * MOST_BELOW:.1f}), ", end=""
    )
    print(f"standard error {100 * spread:.2f}; loss x{total.loss_ratio:.3f} (at most {MOST_LOSS})")
    print("PASSED" if total.passes else "MISSED")


def main() -> int:
    """Print the table; 0 if the result is as required."""
    example = Example.read()
    own = Work.of(example.spec.model, example.spec.fed_avg)
    parser = argparse.ArgumentParser(description="Federated against centralised, on the pooled test rows.")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many seeds")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--local-epochs", type=int, default=own.local_epochs)
    parser.add_argument("--learning-rate", type=float, default=own.learning_rate)
    parser.add_argument("--l2", type=float, default=own.l2)
    given = parser.parse_args()
    work = Work(given.local_epochs, given.learning_rate, given.l2)
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    print(f"{len(seeds)} seeds, {len(example.cohorts)} hospitals, {example.spec.rounds} rounds, {work}\n")
    comparisons = [compare(example, seed, work) for seed in seeds]
    _show(comparisons)
    return 0 if mean_of(comparisons).passes else 1


if __name__ == "__main__":
    sys.exit(main())
