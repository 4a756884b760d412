"""Parts of sentences that several processes say."""

import pytest

from consilia.experiment import Privacy
from consilia.wording import counted, first_of, privacy_of, privacy_word


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 rounds"), (1, "1 round"), (2, "2 rounds"), (100_000, "100000 rounds")]
)
def test_one_of_a_thing_has_no_s(number: int, told: str) -> None:
    assert counted(number, "round") == told


@pytest.mark.parametrize(
    ("epsilon", "told"), [(0.0, "NON-PRIVATE"), (1.0, "epsilon 1"), (0.5, "epsilon 0.5"), (1e-9, "epsilon 1e-09")]
)
def test_a_run_is_called_by_its_epsilon_or_non_private(epsilon: float, told: str) -> None:
    assert privacy_of(epsilon) == told
    assert Privacy.model_construct(epsilon=epsilon).label == told


def test_a_status_says_whether_it_is_private() -> None:
    assert (privacy_word(False), privacy_word(True)) == ("NON-PRIVATE", "private")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        pytest.param([], [], id="none"),
        pytest.param(["a", "b"], ["a", "b"], id="all of them"),
        pytest.param(["a", "b", "c", "d"], ["a", "b", "and 2 more"], id="more than are named"),
    ],
)
def test_of_many_the_first_are_named_and_the_rest_counted(parts: list[str], said: list[str]) -> None:
    assert first_of(parts, 2) == said
