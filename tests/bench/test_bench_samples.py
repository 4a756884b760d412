"""Measured values and their noise."""

import pytest

from bench.samples import Sample


def test_a_sample_knows_its_middle_and_its_ends():
    sample = Sample.of([3, 1, 2, 10])
    assert (sample.low, sample.median, sample.high) == (1.0, 2.5, 10.0)


def test_a_mean_has_the_standard_error_of_what_it_was_drawn_from():
    sample = Sample.of([1, 2, 3, 6])
    assert sample.mean == 3.0
    assert sample.error == pytest.approx((14 / 3) ** 0.5 / 2)
    assert Sample.of([5]).error == 0.0


def test_a_ratio_is_one_of_medians_so_that_an_outlier_does_not_move_it():
    assert Sample.of([1, 2, 900]).ratio(Sample.of([4, 4, 4])) == 0.5


def test_nothing_measured_is_refused():
    with pytest.raises(ValueError, match="nothing was measured"):
        Sample.of([])
