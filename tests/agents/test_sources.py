"""Data sources: the conformance suite, and what is the builtin source's own."""

import numpy as np
import pytest

from builders import features_of
from consilia import dataset
from consilia.errors import InvalidData
from consilia.spec import CohortSpec
from consilia_agents.sources.builtin import BuiltinSource
from consilia_agents.sources.chosen import source_of

NORTH = BuiltinSource("north", "breast-cancer", shard=0, of=5, alpha=0.5, seed=42)
SOURCES = [pytest.param(NORTH, "malignant", id="builtin")]


@pytest.mark.parametrize(("source", "label"), SOURCES)
class TestEverySource:
    def test_records_have_the_named_columns_in_the_named_order(self, source, label):
        one, two = [name for name in source.columns() if name != label][:2]
        read, turned = (source.extract(features_of(*names, label=label)) for names in ((one, two), (two, one)))
        np.testing.assert_array_equal(read.x, turned.x[:, ::-1])
        assert read.x.shape == (len(read), 2)
        assert read.x.dtype == read.y.dtype == np.float64
        assert (turned.features, turned.label) == ((two, one), label)

    def test_two_looks_give_the_same_records_identities_and_fingerprint(self, source, label):
        features = features_of(*source.columns()[:3], label=label)
        first, second = source.extract(features), source.extract(features)
        assert first.ids == second.ids
        assert len(set(first.ids)) == len(first)
        np.testing.assert_array_equal(first.x, second.x)
        assert first.fingerprint == second.fingerprint

    @pytest.mark.parametrize("missing", ["feature", "label"])
    def test_a_missing_column_is_refused_by_its_name(self, source, label, missing):
        there = source.columns()[0]
        features = (
            features_of("mean mood", label=label) if missing == "feature" else features_of(there, label="mean mood")
        )
        with pytest.raises(InvalidData, match='hospital north has no column "mean mood"'):
            source.extract(features)

    def test_the_share_that_was_read_grows_to_the_whole(self, source, label):
        shares: list[float] = []
        source.extract(features_of(source.columns()[0], label=label), shares.append)
        assert shares == sorted(shares)
        assert shares[-1] == 1.0

    def test_a_table_that_stays_keeps_its_stamp(self, source, label):
        assert source.stamp() == source.stamp()


def test_a_cohort_says_which_shard_it_is():
    builtin = {"dataset": "breast-cancer", "shard": 3, "of": 7, "alpha": 2.0, "seed": 9}
    cohort = CohortSpec.model_validate({"hospital": "east", "source": {"builtin": builtin}})
    assert source_of(cohort) == BuiltinSource("east", "breast-cancer", 3, 7, 2.0, 9)


def test_no_hospital_holds_a_public_test_row():
    public = set(dataset.split(dataset.load("breast-cancer"), 42).test.ids)
    sources = [BuiltinSource("any", "breast-cancer", i, 5, 0.5, 42) for i in range(5)]
    assert not public & {patient for one in sources for patient in one.extract(features_of(one.columns()[0])).ids}
