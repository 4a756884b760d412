"""Every hospital's rows as files, made once by the production path, for both sides to read."""

from functools import partial
from pathlib import Path

import numpy as np

from bench.workload import Training, save
from consilia import manifest
from consilia.aggregation import Update, chunks, sum_vectors
from consilia.experiment import Feature, Features
from consilia.features import FeatureMap, moments
from consilia_agents.holdout import Sides, divide
from consilia_agents.sources.chosen import source_of


def prepare(file: Path, folder: Path) -> Training:
    """Write the workload of a Federation's file into `folder`: each hospital's design rows under the shared map."""
    documents = manifest.parse(file.read_text(), str(file))
    federation = manifest.only_federation(documents, str(file))
    spec = federation.spec
    cohorts = documents.cohorts_of(federation)
    first = source_of(next(iter(cohorts.values())).spec)
    names = tuple(column for column in first.columns() if column != spec.features.label)
    features = Features(
        label=spec.features.label,
        scaling="federated",
        codebook=[Feature.model_validate({"name": name}) for name in names],
    )
    sides = {}
    for hospital, cohort in cohorts.items():
        rows = source_of(cohort.spec).extract(features).rows
        sides[hospital] = divide(rows, hospital, cohort.metadata.name, cohort.spec.holdout.fraction)
    feature_map = shared_map(names, sides)
    folder.mkdir(parents=True)
    for number, hospital in enumerate(spec.hospital_names):
        own = sides[hospital]
        np.savez(
            folder / f"{number}.npz",
            train_design=feature_map.apply(own.train.x),
            train_labels=own.train.y,
            holdout_design=feature_map.apply(own.holdout.x),
            holdout_labels=own.holdout.y,
        )
    plan = spec.fed_avg
    workload = Training(
        folder, len(sides), spec.rounds, feature_map.size, plan.local_epochs, plan.learning_rate, spec.model.l2
    )
    save(workload, folder)
    return workload


def shared_map(names: tuple[str, ...], sides: dict[str, Sides]) -> FeatureMap:
    """Return the scaling from the moments of all training rows, summed in the order in which the product sums them."""
    summed = [
        Update(hospital, len(own.train), partial(chunks, moments(own.train.x)))
        for hospital, own in sorted(sides.items())
    ]
    return FeatureMap.from_moments(names, sum_vectors(summed, 1 + 2 * len(names)))
