"""Public evaluation data."""

import subprocess
import sys

import numpy as np
import pytest

from consilia import dataset, manifest
from consilia.errors import InvalidData
from consilia.experiment import Feature
from consilia.features import FeatureMap
from consilia.metrics import score
from consilia.model import predict_proba
from consilia_coordinator.evaluation import PublicEvaluation


@pytest.fixture(scope="module")
def spec(pytestconfig):
    path = pytestconfig.rootpath / "examples" / "breast-cancer.yaml"
    return manifest.only_federation(manifest.parse(path.read_text("utf-8"), str(path)), str(path)).spec


def test_a_model_is_scored_on_the_test_rows_that_the_spec_names(spec):
    feature_map = FeatureMap.from_codebook(spec.features)
    w = np.random.default_rng(0).normal(size=31)
    test = dataset.split(dataset.load("breast-cancer"), 42).test
    evaluation = PublicEvaluation.of(spec)
    expected = score(test.values[:, -1], predict_proba(feature_map.apply(test.values[:, :-1]), w))
    assert evaluation.score(feature_map, w) == expected
    assert evaluation.score(feature_map, w) == expected


def test_another_map_is_used_as_soon_as_it_comes(spec):
    feature_map = FeatureMap.from_codebook(spec.features)
    other = feature_map.model_copy(update={"offset": tuple(value + 1 for value in feature_map.offset)})
    evaluation = PublicEvaluation.of(spec)
    w = np.ones(31)
    before = evaluation.score(feature_map, w)
    assert evaluation.score(other, w) != before
    assert evaluation.score(feature_map, w) == before


def test_a_federation_that_names_no_public_data_has_no_evaluation(spec):
    assert PublicEvaluation.of(spec.model_copy(update={"evaluation": None})) is None


def test_a_column_that_the_public_data_lack_is_refused_by_its_name(spec):
    codebook = [*spec.features.codebook, Feature(name="mean mood", min=0, max=1)]
    asked = spec.model_copy(update={"features": spec.features.model_copy(update={"codebook": codebook})})
    with pytest.raises(InvalidData, match='evaluation dataset breast-cancer has no column "mean mood"'):
        PublicEvaluation.of(asked)


def test_the_coordinator_needs_no_scikit_learn_for_it():
    program = (
        "import sys; from consilia_coordinator import evaluation; from consilia import dataset;"
        "dataset.load('breast-cancer'); sys.exit(any(name in sys.modules for name in ('sklearn', 'pandas', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
