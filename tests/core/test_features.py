"""The feature map."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from consilia import manifest
from consilia.errors import InvalidData, InvalidManifest
from consilia.experiment import Feature, Features
from consilia.features import RADIUS, FeatureMap, moments, scaling_from_moments

FEATURES = Features(
    label="ill",
    scaling="codebook",
    codebook=[
        Feature(name="age", min=0, max=100, scale="linear"),
        Feature(name="area", min=10, max=110, scale="sqrt"),
    ],
)
CODEBOOK = FeatureMap.from_codebook(FEATURES)


def by_hand(x, low, high, scale):
    u = min(max((x - low) / (high - low), 0.0), 1.0)
    return 2 * (2 * u - 1 if scale == "linear" else 2 * u**0.5 - 1)


@pytest.mark.parametrize(
    ("age", "area"),
    [
        pytest.param(50, 60, id="between the bounds"),
        pytest.param(0, 10, id="at the lower bounds"),
        pytest.param(100, 110, id="at the upper bounds"),
        pytest.param(-1e300, 1e300, id="far outside both"),
    ],
)
def test_the_codebook_maps_as_the_formula_says_with_the_intercept_last(age, area):
    row = CODEBOOK.apply(np.array([[age, area]], dtype=float))[0]
    expected = [by_hand(age, 0, 100, "linear"), by_hand(area, 10, 110, "sqrt"), 1.0]
    np.testing.assert_allclose(row, expected, rtol=0, atol=1e-15)


def test_a_long_row_is_clipped_to_norm_four_intercept_included_and_a_short_one_is_not():
    names = [f"c{i}" for i in range(30)]
    codebook = [Feature(name=name, min=0, max=1) for name in names]
    wide = FeatureMap.from_codebook(Features(label="ill", scaling="codebook", codebook=codebook))
    corner, middle = wide.apply(np.array([[1.0] * 30, [0.5] * 30]))
    assert np.linalg.norm(corner) == pytest.approx(RADIUS, rel=1e-15)
    np.testing.assert_allclose(corner / corner[-1], [2.0] * 30 + [1.0])
    np.testing.assert_array_equal(middle, [0.0] * 30 + [1.0])


@given(arrays(np.float64, (7, 2), elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_no_finite_row_leaves_the_ball_of_radius_four(x):
    with np.errstate(over="ignore"):
        norms = np.linalg.norm(CODEBOOK.apply(x), axis=1)
    assert (norms <= RADIUS * (1 + 1e-12)).all()


def test_moments_of_shards_sum_to_the_scaling_of_the_pooled_table():
    draw = np.random.default_rng(1)
    x = draw.normal(loc=[1e4, -3.0, 0.1], scale=[2.0, 5.0, 0.01], size=(500, 3))
    total = sum(moments(part) for part in np.array_split(x, 5))
    mean, scale = scaling_from_moments(total)
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scale, x.std(axis=0), rtol=1e-8)
    z = FeatureMap.from_moments(("a", "b", "c"), total).apply(x)
    np.testing.assert_allclose(z[:, :-1], (x - x.mean(axis=0)) / x.std(axis=0), atol=1e-6)
    np.testing.assert_array_equal(z[:, -1], 1.0)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e9, 1e-9])
def test_a_constant_column_maps_to_zero_and_not_to_noise(value):
    feature_map = FeatureMap.from_moments(("c",), moments(np.full((333, 1), value)))
    assert feature_map.scale == (1.0,)
    np.testing.assert_allclose(feature_map.apply(np.full((2, 1), value))[:, 0], 0.0, atol=1e-6)


@pytest.mark.parametrize(
    ("total", "said"),
    [
        pytest.param([1.0, 2.0], "expected 1 \\+ 2", id="even length"),
        pytest.param([0.0, 0.0, 0.0], "count no rows", id="no rows"),
        pytest.param([2.0, np.nan, 1.0], "not finite", id="NaN"),
        pytest.param([2.0, 20.0, 1.0], "too small for its sum", id="impossible squares"),
        pytest.param([2.0, 0.0, -1.0], "too small for its sum", id="negative squares"),
    ],
)
def test_moments_of_no_table_are_refused(total, said):
    with pytest.raises(InvalidData, match=said):
        scaling_from_moments(np.array(total))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_by_its_column(value):
    x = np.array([[1.0, 2.0], [3.0, value]])
    with pytest.raises(InvalidData, match='column "area" holds NaN or infinity'):
        CODEBOOK.apply(x)


def test_a_table_of_another_width_is_refused():
    with pytest.raises(InvalidData, match=r"shape \(1, 3\).*needs 2 columns"):
        CODEBOOK.apply(np.zeros((1, 3)))


def test_the_rows_given_stay_as_they_are():
    x = np.array([[1.0, 2.0]])
    CODEBOOK.apply(x)
    np.testing.assert_array_equal(x, [[1.0, 2.0]])


@given(arrays(np.float64, 5, elements=st.floats(min_value=-1e8, max_value=1e8, width=64)))
def test_a_map_comes_back_from_json_bit_by_bit(row):
    total = np.concatenate(([3.0], row, np.square(row) + np.abs(row) + 1.0))
    feature_map = FeatureMap.from_moments(tuple("abcde"), total)
    assert FeatureMap.model_validate_json(feature_map.model_dump_json()) == feature_map
    assert FeatureMap.model_validate(json.loads(json.dumps(feature_map.model_dump(mode="json")))) == feature_map


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"scale": (1.0,)}, id="a scale is missing"),
        pytest.param({"scale": (1.0, 0.0)}, id="a scale of zero"),
        pytest.param({"offset": (0.0, float("nan"))}, id="an offset that is NaN"),
        pytest.param({"roots": ()}, id="a codebook without its roots"),
        pytest.param({"scaling": "federated"}, id="roots in federated scaling"),
        pytest.param({"centre": 1}, id="an unknown field"),
    ],
)
def test_a_map_that_does_not_add_up_is_refused(change):
    with pytest.raises(ValidationError):
        FeatureMap.model_validate({**CODEBOOK.model_dump(), **change})


def test_the_examples_codebook_maps_every_patient_of_the_example(pytestconfig):
    path = pytestconfig.rootpath / "examples" / "breast-cancer.yaml"
    spec = manifest.only_federation(manifest.parse(path.read_text("utf-8"), str(path)), str(path)).spec
    assert FeatureMap.from_codebook(spec.features).size == 31


TOTAL = moments(np.array([[1.0, 20.0], [3.0, 60.0], [8.0, 10.0]]))


@pytest.mark.parametrize("total", [None, TOTAL], ids=["before moments", "with moments"])
def test_bounds_decide_where_the_scaling_is_codebook_whatever_was_summed(total):
    assert FeatureMap.of(FEATURES, total) == CODEBOOK


def test_the_summed_moments_decide_where_the_scaling_is_federated():
    federated = FEATURES.model_copy(update={"scaling": "federated"})
    assert FeatureMap.of(federated, TOTAL) == FeatureMap.from_moments(FEATURES.names, TOTAL)


def test_a_federated_scaling_has_no_map_before_its_moments():
    federated = FEATURES.model_copy(update={"scaling": "federated"})
    with pytest.raises(InvalidManifest, match="no map before the hospitals' moments are summed"):
        FeatureMap.of(federated, None)
