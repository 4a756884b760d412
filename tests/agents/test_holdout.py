"""Train and holdout."""

import numpy as np
import pytest

from consilia.dataset import Rows
from consilia.errors import InvalidData
from consilia_agents.holdout import divide, is_held_out


def rows(count):
    return Rows(tuple(f"patient/{i}" for i in range(count)), np.zeros((count, 1)), np.arange(count) % 2 * 1.0)


def test_every_patient_is_on_exactly_one_side():
    sides = divide(rows(500), "north", "north-2024", 0.2)
    assert sorted(sides.train.ids + sides.holdout.ids) == sorted(rows(500).ids)


def test_the_holdout_has_about_its_fraction():
    held = len(divide(rows(20_000), "north", "north-2024", 0.2).holdout)
    assert abs(held - 4000) < 5 * (20_000 * 0.2 * 0.8) ** 0.5


def test_a_patient_stays_on_a_side_when_the_table_grows():
    before = divide(rows(100), "north", "north-2024", 0.2)
    after = divide(rows(1000), "north", "north-2024", 0.2)
    assert set(before.train.ids) <= set(after.train.ids)
    assert set(before.holdout.ids) <= set(after.holdout.ids)


def test_a_patient_who_comes_twice_is_on_one_side_twice():
    twice = Rows(("a", "b", "a", "b"), np.zeros((4, 1)), np.array([0.0, 1.0, 0.0, 1.0]))
    sides = divide(twice, "north", "north-2024", 0.5)
    assert not set(sides.train.ids) & set(sides.holdout.ids)


def test_another_cohort_holds_out_other_patients():
    held = {
        divide(rows(100), hospital, cohort, 0.2).holdout.ids
        for hospital, cohort in [("north", "a"), ("north", "b"), ("south", "a")]
    }
    assert len(held) == 3


def test_sides_stay_what_they_were_when_they_were_published():
    held = [i for i in range(30) if is_held_out(f"breast-cancer/{i}", "north", "north-2024", 0.2)]
    assert held == [1, 4, 8, 10, 16, 25, 27, 29]


def test_a_holdout_that_takes_everybody_is_refused():
    with pytest.raises(
        InvalidData, match=r"cohort x of hospital north has no patient left to train on.*lower holdout.fraction"
    ):
        divide(rows(3), "north", "x", 0.999999)
