"""Statistics federations over the builtin shards: documents, and the rows that their hospitals take statistics of."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from consilia.experiment import Features
from consilia.spec import Cohort, Federation, FederationSpec
from consilia.vectors import FloatArray
from consilia_agents.holdout import sides_of
from consilia_agents.sources.chosen import source_of

HOSPITALS = ("north", "south")
FEATURES = [
    {"name": "mean radius", "min": 5, "max": 30, "unit": "mm"},
    {"name": "mean texture", "min": 5, "max": 40},
    {"name": "mean area", "min": 100, "max": 2600},
]


def statistics_spec(epsilon: float = 0.0, hospitals: tuple[str, ...] = HOSPITALS, **spec: Any) -> FederationSpec:
    """The spec of a statistics federation of mean radius and mean texture; ``spec`` sets fields of it."""
    fields = {
        "task": "Statistics",
        "statistics": {"features": ["mean radius", "mean texture"], "bins": 10},
        "features": {"label": "malignant", "codebook": FEATURES, "nominalRows": 400},
        "privacy": {"epsilon": epsilon},
        "hospitals": [{"name": name, "cohort": {"name": f"{name}-2024"}} for name in hospitals],
    } | spec
    document = {
        "apiVersion": "consilia.health/v1alpha1",
        "kind": "Federation",
        "metadata": {"name": "survey"},
        "spec": {name: value for name, value in fields.items() if value is not None},
    }
    return Federation.model_validate(document).spec


def training_rows(cohorts: Mapping[str, Cohort], features: Features) -> FloatArray:
    """The training patients of all cohorts together, (n, F)."""
    sides = []
    for cohort in cohorts.values():
        rows = source_of(cohort.spec).extract(features).rows
        key = cohort.spec.hospital, cohort.metadata.name, cohort.spec.holdout.fraction
        sides.append(sides_of(rows, *key).train.x)
    return np.concatenate(sides)
