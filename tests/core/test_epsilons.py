"""Epsilons as people read them: rounded against whoever spends, and by no more than they have to be."""

from math import inf

import pytest

from consilia.epsilons import asked, remaining, rounded_down, rounded_up, small, spent


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(asked(1.0), "1.0", id="asked, whole"),
        pytest.param(asked(0.125), "0.125", id="asked, every digit"),
        pytest.param(asked(0.12345678), "0.12345678", id="asked, however many digits"),
        pytest.param(asked(1e-9), "1e-9", id="asked, next to nothing"),
        pytest.param(spent(0.7801), "0.79", id="spent, never too little"),
        pytest.param(spent(0.7912), "0.80", id="spent, with both decimals"),
        pytest.param(spent(0.79 + 1e-12), "0.79", id="spent, but for the total's rounding"),
        pytest.param(spent(0.9999999999977), "1.00", id="spent, a whole plan"),
        pytest.param(spent(0.0001), "0.01", id="spent, however little"),
        pytest.param(spent(0), "0.00", id="nothing spent"),
        pytest.param(spent(inf), "inf", id="spent beyond counting"),
        pytest.param(remaining(3.2099), "3.20", id="remaining, never too much"),
        pytest.param(remaining(0.6 - 1e-12), "0.60", id="remaining, but for the total's rounding"),
        pytest.param(remaining(0.001), "0.00", id="next to nothing remaining"),
        pytest.param(small(1e-5), "1e-5", id="delta"),
        pytest.param(small(2.5e-12), "2.5e-12", id="a smaller delta"),
    ],
)
def test_words_are_rounded_against_whoever_spends(words: str, told: str) -> None:
    assert words == told


@pytest.mark.parametrize(
    ("epsilon", "digits", "up", "down"),
    [
        pytest.param(0.786123, 4, 0.7862, 0.7861, id="four digits"),
        pytest.param(0.78614999, 4, 0.7862, 0.7861, id="nearer to what is below"),
        pytest.param(12.345678, 3, 12.4, 12.3, id="above ten"),
        pytest.param(0.000123456, 3, 0.000124, 0.000123, id="a small one"),
        pytest.param(99999.0, 4, 100000.0, 99990.0, id="one more digit"),
        pytest.param(1.0 - 2e-12, 4, 1.0, 1.0, id="the rounding of a total"),
        pytest.param(0.25, 4, 0.25, 0.25, id="one of few digits"),
        pytest.param(0.0, 4, 0.0, 0.0, id="nothing"),
        pytest.param(-1e-17, 4, 0.0, 0.0, id="the rounding of nothing"),
        pytest.param(inf, 4, inf, inf, id="beyond counting"),
    ],
)
def test_numbers_are_rounded_against_whoever_spends(epsilon: float, digits: int, up: float, down: float) -> None:
    assert (rounded_up(epsilon, digits), rounded_down(epsilon, digits)) == (up, down)


def test_what_was_rounded_is_rounded_no_further() -> None:
    for step in range(1, 400):
        once = rounded_up(step * 0.00731, 4), rounded_down(step * 0.00731, 4)
        assert (rounded_up(once[0], 4), rounded_down(once[1], 4)) == once
