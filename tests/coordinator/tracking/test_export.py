"""The exported pipeline, against our own probabilities."""

import numpy as np
import pandas as pd
import pytest
import skops.io

from consilia import dataset, manifest
from consilia.errors import InvalidMessage
from consilia.features import FeatureMap, moments
from consilia.model import HIGHEST, Linear, Poisson, Softmax, predict_proba
from consilia_coordinator.tracking.export import to_pipeline

TABLE = dataset.load("breast-cancer")
X = TABLE.values[:, :-1]
W = np.random.default_rng(0).normal(size=31) * 3
FEDERATED = FeatureMap.from_moments(TABLE.columns[:-1], moments(X))


@pytest.fixture(scope="module")
def codebook(pytestconfig):
    path = pytestconfig.rootpath / "examples" / "breast-cancer.yaml"
    spec = manifest.only_federation(manifest.parse(path.read_text("utf-8"), str(path)), str(path)).spec
    return FeatureMap.from_codebook(spec.features)


@pytest.fixture(params=["federated", "all roots", "no roots", "some roots"])
def feature_map(request, codebook):
    if request.param == "federated":
        return FEDERATED
    roots = {"all roots": [True] * 30, "no roots": [False] * 30, "some roots": [i % 3 == 1 for i in range(30)]}
    return codebook.model_copy(update={"roots": tuple(roots[request.param])})


def rows_of_every_kind(feature_map):
    """Patients, rows at and far outside the bounds, and one in the middle, whose norm is not clipped."""
    low, width = np.array(feature_map.offset), np.array(feature_map.scale)
    wild = X * np.random.default_rng(1).uniform(-1, 3, size=X.shape)
    return np.vstack([X, wild, low, low + width, low + width / 2, low + width / 4, low - 1e6, low + 1e6])


def test_the_pipeline_gives_our_probabilities_and_the_classes_zero_and_one(feature_map):
    rows = rows_of_every_kind(feature_map)
    pipeline = to_pipeline(feature_map, W, feature_map.names)
    table = pd.DataFrame(rows, columns=feature_map.names)
    ours = predict_proba(feature_map.apply(rows), W)
    np.testing.assert_allclose(pipeline.predict_proba(table)[:, 1], ours, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(pipeline.predict(table), ours > 0.5)
    assert pipeline.classes_.tolist() == [0, 1]


OTHERS = [
    pytest.param(Softmax(4), id="softmax"),
    pytest.param(Softmax(2), id="softmax of two"),
    pytest.param(Linear(-20.0, 300.0), id="linear"),
    pytest.param(Poisson(40.0), id="poisson"),
]


@pytest.mark.parametrize("family", OTHERS)
def test_a_pipeline_of_another_family_predicts_what_we_do_and_loads_where_only_scikit_learn_is(
    family, feature_map, tmp_path
):
    rows, w = rows_of_every_kind(feature_map), np.random.default_rng(2).normal(size=family.size(31)) / 3
    if isinstance(family, Poisson):
        rows = rows[np.abs(family.predictor(feature_map.apply(rows), w)) < HIGHEST]
    skops.io.dump(to_pipeline(feature_map, w, feature_map.names, family), tmp_path / "model.skops")
    assert skops.io.get_untrusted_types(file=tmp_path / "model.skops") == []
    pipeline = skops.io.load(tmp_path / "model.skops", trusted=[])
    table = pd.DataFrame(rows, columns=feature_map.names)
    ours = family.mean(family.predictor(feature_map.apply(rows), w))
    if family.classes is None:
        assert pipeline.predict(table).shape == (len(rows),)
        np.testing.assert_allclose(pipeline.predict(table), ours, rtol=1e-12, atol=1e-12 * np.abs(ours).max())
    else:
        np.testing.assert_allclose(pipeline.predict_proba(table), ours, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(pipeline.predict(table), ours.argmax(axis=1))
        assert pipeline.classes_.tolist() == list(range(family.count))


def test_parameters_of_another_number_of_classes_are_refused():
    with pytest.raises(InvalidMessage, match="one parameter more for each of the 3 classes"):
        to_pipeline(FEDERATED, W, FEDERATED.names, Softmax(3))


def test_the_codebooks_rows_are_of_both_kinds_clipped_and_not(codebook):
    norms = np.linalg.norm(codebook.apply(rows_of_every_kind(codebook)), axis=1)
    assert norms.min() < 3.9 < norms.max()


def test_the_format_that_runs_no_code_trusts_every_step(feature_map, tmp_path):
    path = tmp_path / "model.skops"
    pipeline = to_pipeline(feature_map, W, feature_map.names)
    skops.io.dump(pipeline, path)
    assert skops.io.get_untrusted_types(file=path) == []
    table = pd.DataFrame(X, columns=feature_map.names)
    loaded = skops.io.load(path, trusted=[])
    np.testing.assert_array_equal(loaded.predict_proba(table), pipeline.predict_proba(table))


def test_columns_in_another_order_or_under_other_names_are_refused_by_the_pipeline(feature_map):
    pipeline = to_pipeline(feature_map, W, feature_map.names)
    with pytest.raises(ValueError, match="feature names"):
        pipeline.predict(pd.DataFrame(X[:2], columns=feature_map.names[::-1]))


@pytest.mark.parametrize(
    ("w", "names"),
    [
        pytest.param(W[1:], FEDERATED.names, id="too few parameters"),
        pytest.param(W, FEDERATED.names[::-1], id="names in another order"),
        pytest.param(W, FEDERATED.names[1:], id="too few names"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(w, names):
    with pytest.raises(InvalidMessage, match="its feature map has 30 columns"):
        to_pipeline(FEDERATED, w, names)
