"""The builtin dataset, its split and its shards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilia.dataset import Table, load, parse, shard, split
from consilia.errors import InvalidData

TABLE = load("breast-cancer")
OF = 5


def outcome(table):
    return table.values[:, -1]


def shards(seed, of=OF, alpha=0.5):
    train = split(TABLE, seed).train
    return train, [shard(train, i, of, alpha, seed) for i in range(of)]


def test_the_packaged_table_is_scikit_learns_value_by_value():
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415  # seconds of import, for one test

    oracle = load_breast_cancer()
    assert TABLE.columns == (*oracle.feature_names.tolist(), "malignant")
    np.testing.assert_array_equal(TABLE.values[:, :-1], oracle.data)
    np.testing.assert_array_equal(outcome(TABLE), 1 - oracle.target)


def test_a_dataset_that_is_not_builtin_is_refused():
    with pytest.raises(InvalidData, match='"iris" is unknown: use one of breast-cancer'):
        load("iris")


def test_nobody_can_change_the_table_that_all_share():
    with pytest.raises(ValueError, match="read-only"):
        TABLE.values[0, 0] = 0.0


@given(st.integers(0, 2**32 - 1))
def test_a_split_is_stratified_and_loses_nobody(seed):
    both = split(TABLE, seed)
    assert sorted(both.train.ids + both.test.ids) == sorted(TABLE.ids)
    assert len(both.test) == 114
    assert outcome(both.test).sum() == 42


@given(st.integers(0, 2**32 - 1))
def test_every_patient_is_in_exactly_one_shard_and_every_shard_has_both_classes(seed):
    train, parts = shards(seed)
    assert sorted(patient for part in parts for patient in part.ids) == sorted(train.ids)
    for part in parts:
        assert 5 <= outcome(part).sum() <= len(part) - 5


def test_the_same_seed_gives_the_same_rows_and_another_gives_others():
    (_, first), (_, again), (_, other) = shards(42), shards(42), shards(43)
    assert [part.ids for part in first] == [part.ids for part in again]
    assert [part.ids for part in first] != [part.ids for part in other]


def test_the_examples_shards_stay_what_they_were_when_they_were_published():
    _, parts = shards(42)
    assert [(len(part), int(outcome(part).sum())) for part in parts] == [
        (27, 21), (89, 21), (138, 8), (183, 115), (18, 5)
    ]  # fmt: skip


def test_a_small_alpha_skews_the_labels_and_a_large_one_does_not():
    def spread(alpha):
        return np.mean([np.std([outcome(part).mean() for part in shards(seed, alpha=alpha)[1]]) for seed in range(20)])

    assert spread(0.5) > 0.2
    assert spread(1000.0) < 0.02


def test_many_hospitals_each_get_both_classes_while_there_are_enough():
    train, parts = shards(0, of=100)
    assert sum(len(part) for part in parts) == len(train)
    assert all(0 < outcome(part).sum() < len(part) for part in parts)


def test_more_hospitals_than_patients_of_an_outcome_are_refused():
    with pytest.raises(InvalidData, match="500 shards are too many: the rarer outcome has 170 rows"):
        shard(split(TABLE, 42).train, 0, 500, 0.5, 42)


def test_a_shard_that_does_not_exist_is_refused():
    with pytest.raises(InvalidData, match="shard 5 does not exist: of 5 shards the last is 4"):
        shard(TABLE, 5, 5, 0.5, 42)


def test_columns_come_in_the_order_that_the_federation_names():
    rows = parse("a,b,ill\n1,2,0\n3,4,1", "t").select(("b", "a"), "ill", "hospital north")
    np.testing.assert_array_equal(rows.x, [[2, 1], [4, 3]])
    np.testing.assert_array_equal(rows.y, [0, 1])
    assert rows.ids == ("t/0", "t/1")


@pytest.mark.parametrize(
    ("values", "features", "label", "said"),
    [
        pytest.param([[1, 0], [2, 1]], ("b",), "ill", 'has no column "b"', id="a missing feature"),
        pytest.param([[1, 0], [2, 1]], ("a",), "sick", 'has no column "sick"', id="a missing label"),
        pytest.param([[77, 0], [np.nan, 1]], ("a",), "ill", 'column "a" holds NaN or infinity', id="NaN"),
        pytest.param([[77, 0], [2, 7]], ("a",), "ill", '"ill" is neither 0 nor 1', id="a label that is not 0 or 1"),
        pytest.param([[77, 0], [2, np.nan]], ("a",), "ill", '"ill" is neither 0 nor 1', id="a label that is NaN"),
        pytest.param([[77, 1], [2, 1]], ("a",), "ill", "has one class only", id="one class"),
        pytest.param(np.empty((0, 2)), ("a",), "ill", "has no rows", id="no rows"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_without_a_patients_value(values, features, label, said):
    table = Table(tuple("xy"), ("a", "ill"), np.array(values, dtype=float))
    with pytest.raises(InvalidData) as refused:
        table.select(features, label, "hospital north")
    sentence = str(refused.value)
    assert sentence.startswith("hospital north")
    assert said in sentence
    assert "77" not in sentence
