"""Noise: how much, of which distribution, on which grid, from where, and what it costs."""

from collections.abc import Callable
from math import erf, erfc, exp, log2, sqrt
from time import perf_counter

import numpy as np
import pytest
from numpy.typing import NDArray

from consilia.errors import InvalidPrivacy
from consilia.privacy import keystream
from consilia.privacy.keystream import Keystream, Words
from consilia.privacy.noise import CELL_BITS, CELLS, FINENESS, Mechanism, Noise

VALUES = 62_000
SCALE = 17.4973
"""Of a run with epsilon 1, 20 rounds and 2 in reserve."""
DEVIATION = {"Gaussian": 1.0, "Laplace": sqrt(2)}


def drawn(mechanism: Mechanism, count: int = VALUES, scale: float = SCALE, key: int = 1) -> NDArray[np.float64]:
    """Noise of the production path, in scales. A known key, so that a test says the same every time."""
    noise = Noise(mechanism, scale)
    return noise.draw(count, Keystream(bytes([key]) * 32)) * (noise.grid / scale)


def too_little(x: NDArray[np.float64]) -> bool:
    """One-sided chi-square test that Gaussian noise has at least the variance 1, at 1 in 10,000.

    Wilson & Hilferty 1931: the cube root of chi-square over its degrees of freedom is nearly normal.
    """
    share = 2 / (9 * x.size)
    z = ((np.square(x).sum() / x.size) ** (1 / 3) - (1 - share)) / sqrt(share)
    return bool(z < -3.72)


def distribution(mechanism: Mechanism, x: float) -> float:
    if mechanism == "Gaussian":
        return (1 + erf(x / sqrt(2))) / 2
    return exp(x) / 2 if x < 0 else 1 - exp(-x) / 2


def kolmogorov_smirnov(x: NDArray[np.float64], mechanism: Mechanism) -> float:
    """The statistic times the root of n; above 1.95 at 1 in 1,000 (Smirnov 1948)."""
    expected = np.array([distribution(mechanism, value) for value in np.sort(x)])
    ranks = np.arange(x.size + 1) / x.size
    return float(max((ranks[1:] - expected).max(), (expected - ranks[:-1]).max()) * sqrt(x.size))


@pytest.mark.parametrize("key", range(4))
def test_there_is_as_much_gaussian_noise_as_was_asked_for(key: int) -> None:
    assert not too_little(drawn("Gaussian", key=key))


def test_two_per_cent_too_little_noise_is_caught() -> None:
    assert too_little(0.98 * drawn("Gaussian"))


@pytest.mark.parametrize("scale", [SCALE, 1.0, 1.0000001, 1.9999999, 3e-9, 5e12], ids="scale {}".format)
@pytest.mark.parametrize("mechanism", ["Gaussian", "Laplace"])
def test_noise_has_its_distribution_at_every_scale(mechanism: Mechanism, scale: float) -> None:
    assert kolmogorov_smirnov(drawn(mechanism, scale=scale), mechanism) < 1.95


@pytest.mark.parametrize("mechanism", ["Gaussian", "Laplace"])
def test_a_wrong_distribution_is_caught(mechanism: Mechanism) -> None:
    x = drawn("Laplace" if mechanism == "Gaussian" else "Gaussian")
    assert kolmogorov_smirnov(x / x.std() * DEVIATION[mechanism], mechanism) > 1.95


@pytest.mark.parametrize(
    ("mechanism", "scale", "end"),
    [
        pytest.param("Gaussian", 1.999, 4.0, id="Gaussian, from 4 sigma"),
        pytest.param("Laplace", 1.0, 8.0, id="Laplace, from 8 scales"),
        pytest.param("Laplace", 1.999, 4.0, id="Laplace, from 4 scales"),
    ],
)
def test_the_far_tail_is_as_heavy_as_it_ought_to_be(mechanism: Mechanism, scale: float, end: float) -> None:
    """Beyond the table's cells values come by another way."""
    assert end == pytest.approx(CELLS * 2.0 ** (CELL_BITS - FINENESS) / scale, rel=1e-3)
    count = 4_000_000
    x = np.abs(drawn(mechanism, count, scale))
    for limit in (end - 0.5, end, end + 0.1, end + 0.3, end + 1):
        expected = count * (erfc(limit / sqrt(2)) if mechanism == "Gaussian" else exp(-limit))
        assert abs(int((x > limit).sum()) - expected) < 4.5 * sqrt(expected) + 1


def test_every_multiple_of_the_grid_comes_with_either_sign_and_all_last_bits() -> None:
    multiples = Noise("Gaussian", SCALE).draw(VALUES, Keystream(bytes(32)))
    for bit in (0, 1, 7, 20, CELL_BITS - 1, CELL_BITS):
        assert abs(int(((multiples >> bit) & 1).sum()) - VALUES / 2) < 4.5 * sqrt(VALUES) / 2
    assert abs(int((multiples < 0).sum()) - VALUES / 2) < 4.5 * sqrt(VALUES) / 2


@pytest.mark.parametrize("scale", [2.0**-400, 1e-9, 0.5, 1.0, SCALE, 1e9, 2.0**400])
def test_the_grid_is_a_power_of_two_of_which_a_scale_has_a_thousand_million(scale: float) -> None:
    grid = Noise("Gaussian", scale).grid
    assert log2(grid) == int(log2(grid))
    assert 2**FINENESS <= scale / grid < 2 ** (FINENESS + 1)


class Words16:
    """A source whose words are given; for the tails that chance would never show."""

    def __init__(self, *words: int) -> None:
        self.words = list(words)

    def take(self, count: int) -> Words:
        taken, self.words = self.words[:count], self.words[count:]
        return np.array(taken + [0] * (count - len(taken)), dtype=np.uint64)


def test_zero_is_proposed_by_one_sign_only() -> None:
    """Both signs of magnitude 0 would make it twice as likely as its neighbours: with a minus it stands for -1."""
    minus = 1 << 16
    kept = Noise("Gaussian", 1.0).draw(2, Words16(0, minus))
    assert kept.tolist() == [0, -1]


def test_streams_of_two_releases_are_different_and_of_one_key_the_same() -> None:
    assert not np.array_equal(Keystream.fresh().take(8), Keystream.fresh().take(8))
    assert np.array_equal(Keystream(bytes(32)).take(8), Keystream(bytes(32)).take(8))


def test_a_stream_goes_on_and_never_repeats_itself() -> None:
    stream = Keystream(bytes(32))
    whole = Keystream(bytes(32)).take(7)
    np.testing.assert_array_equal(np.concatenate([stream.take(3), stream.take(0), stream.take(4)]), whole)
    assert len(set(whole.tolist())) == 7


def test_the_words_are_those_of_aes_256_in_counter_mode() -> None:
    """The AES-256 block of zeros under the key of zeros (NIST AESAVS, appendix B)."""
    assert Keystream(bytes(32)).take(2).astype("<u8").tobytes().hex() == "dc95c078a2408989ad48a21492842087"


def test_a_fresh_key_comes_from_the_operating_system(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(keystream.secrets, "token_bytes", lambda count: asked.append(count) or bytes(count))
    Keystream.fresh()
    assert asked == [32]


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_noise_of_no_scale_is_refused(scale: float) -> None:
    with pytest.raises(InvalidPrivacy, match="cannot be made"):
        Noise("Gaussian", scale)


def test_an_unknown_mechanism_is_refused() -> None:
    with pytest.raises(InvalidPrivacy, match='mechanism "Uniform" is unknown: use one of Gaussian, Laplace'):
        Noise("Uniform", 1.0)  # type: ignore[arg-type]


def fastest(work: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times)


@pytest.mark.real
@pytest.mark.parametrize("mechanism", ["Gaussian", "Laplace"])
def test_noise_costs_at_most_five_times_numpys(mechanism: Mechanism) -> None:
    generator, noise = np.random.default_rng(1), Noise(mechanism, SCALE)
    ours = fastest(lambda: noise.draw(1_000_000, Keystream.fresh()))
    assert ours < 5 * fastest(lambda: generator.standard_normal(1_000_000))
