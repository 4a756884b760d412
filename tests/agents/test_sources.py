"""Data sources: the conformance suite, and what is the builtin source's own."""

import numpy as np
import pytest

from consilia import dataset
from consilia.errors import InvalidData
from consilia.spec import CohortSpec
from consilia_agents.sources import BuiltinSource

NORTH = BuiltinSource("north", "breast-cancer", shard=0, of=5, alpha=0.5, seed=42)
SOURCES = [pytest.param(NORTH, "malignant", id="builtin")]


@pytest.mark.parametrize(("source", "label"), SOURCES)
class TestEverySource:
    def test_rows_have_the_named_columns_in_the_named_order(self, source, label):
        one, two = [name for name in source.columns if name != label][:2]
        rows, turned = source.load((one, two), label), source.load((two, one), label)
        np.testing.assert_array_equal(rows.x, turned.x[:, ::-1])
        assert rows.x.shape == (len(rows), 2)
        assert rows.x.dtype == rows.y.dtype == np.float64

    def test_two_loads_give_the_same_rows_with_the_same_identities(self, source, label):
        features = source.columns[:3]
        first, second = source.load(features, label), source.load(features, label)
        assert first.ids == second.ids
        assert len(set(first.ids)) == len(first)
        np.testing.assert_array_equal(first.x, second.x)

    def test_a_missing_column_is_refused_by_its_name(self, source, label):
        with pytest.raises(InvalidData, match='hospital north has no column "mean mood"'):
            source.load((source.columns[0], "mean mood"), label)

    def test_a_private_run_reads_the_same_rows(self, source, label):
        features = source.columns[:3]
        strict, lenient = source.load(features, label), source.read(features, label)
        assert strict.ids == lenient.ids
        np.testing.assert_array_equal(strict.x, lenient.x)
        np.testing.assert_array_equal(strict.y, lenient.y)

    def test_a_private_run_reads_whatever_the_values_are_and_refuses_a_missing_column_alone(self, source, label):
        odd = source.read(source.columns[1:2], source.columns[0])
        assert not np.isin(odd.y, (0.0, 1.0)).all()
        with pytest.raises(InvalidData, match='hospital north has no column "mean mood"'):
            source.read((source.columns[0], "mean mood"), label)

    def test_a_missing_label_is_refused_by_its_name(self, source, label):
        with pytest.raises(InvalidData, match='hospital north has no column "sick"'):
            source.load(source.columns[:1], "sick")

    def test_a_label_that_is_not_zero_or_one_is_refused(self, source, label):
        with pytest.raises(InvalidData, match=r"hospital north: label .* is neither 0 nor 1"):
            source.load(source.columns[1:2], source.columns[0])


def test_a_cohort_says_which_shard_it_is():
    builtin = {"dataset": "breast-cancer", "shard": 3, "of": 7, "alpha": 2.0, "seed": 9}
    cohort = CohortSpec.model_validate({"hospital": "east", "source": {"builtin": builtin}})
    assert BuiltinSource.of_cohort(cohort) == BuiltinSource("east", "breast-cancer", 3, 7, 2.0, 9)


def test_no_hospital_holds_a_public_test_row():
    public = set(dataset.split(dataset.load("breast-cancer"), 42).test.ids)
    sources = [BuiltinSource("any", "breast-cancer", i, 5, 0.5, 42) for i in range(5)]
    assert not public & {patient for one in sources for patient in one.load(one.columns[:1], "malignant").ids}
