"""Waits between attempts grow, and stay bounded."""

import math
from itertools import islice

import pytest

from consilia.backoff import delays


@pytest.mark.parametrize(
    ("first", "longest", "expected"),
    [
        pytest.param(0.25, 2.0, [0.25, 0.5, 1.0, 2.0, 2.0], id="doubles to the longest and stays"),
        pytest.param(0.2, 0.5, [0.2, 0.4, 0.5, 0.5, 0.5], id="a longest between two doublings"),
        pytest.param(3.0, 1.0, [1.0] * 5, id="a first above the longest"),
        pytest.param(1.0, math.inf, [1.0, 2.0, 4.0, 8.0, 16.0], id="without a longest"),
    ],
)
def test_waits_double_up_to_the_longest(first: float, longest: float, expected: list[float]) -> None:
    assert list(islice(delays(first, longest), 5)) == expected


def test_waits_go_on_for_as_long_as_an_outage_does() -> None:
    assert next(islice(delays(0.25, 15.0), 5000, None)) == 15.0
