"""A numeric label in another unit than the federation's is converted as any feature is."""

import numpy as np
import pytest

from consilia.errors import InvalidData
from consilia.experiment import Features
from consilia.spec import CohortSpec
from consilia_agents.sources.mapped import Mapped

FEATURES = Features.model_validate(
    {
        "label": "height",
        "outcome": {"min": 50, "max": 230, "unit": "cm"},
        "codebook": [{"name": "a", "min": 0, "max": 1}],
    }
)


def cohort_of(unit: str) -> CohortSpec:
    mapping = {"columns": [{"name": "height", "column": "HGT", "unit": unit}]}
    return CohortSpec.model_validate({"hospital": "north", "source": {"csv": {"path": "t.csv"}}, "mapping": mapping})


def test_the_label_comes_in_the_federations_unit() -> None:
    label = Mapped.of(cohort_of("m"), FEATURES).label
    np.testing.assert_allclose(label.conversion.apply(np.array([1.75, np.nan])), [175.0, np.nan])


def test_a_unit_that_does_not_convert_is_refused_by_the_labels_name() -> None:
    with pytest.raises(InvalidData, match="HGT"):
        Mapped.of(cohort_of("kg"), FEATURES)
