"""The roster: who is there, who fell silent, and what is known of each."""

import pytest

from builders import START
from consilia_coordinator.roster import SILENCE_SECONDS, Roster


@pytest.fixture
def roster() -> Roster:
    """North and south are there, heard of at second 0."""
    roster = Roster()
    for name in ("south", "north"):
        roster.hear(name, 0.0, START)
        roster.join(name, f"{name}@localhost/1", "i1", "sklearn")
    return roster


def test_nobody_is_there_before_joining_not_even_one_that_was_heard_of() -> None:
    roster = Roster()
    roster.hear("north", 0.0, START)
    assert roster.present() == []
    assert not roster.member("north").known


@pytest.mark.parametrize("how", ["joins anew", "is lost"])
def test_a_hospital_that_goes_or_comes_anew_is_not_said_to_read(roster: Roster, how: str) -> None:
    roster.member("north").reading = 0.4
    if how == "is lost":
        roster.lose("north", "gone")
    else:
        roster.join("north", "north@localhost/2", "i2", "sklearn")
    assert roster.member("north").reading is None


def test_those_who_are_there_come_in_the_order_of_names(roster: Roster) -> None:
    assert [member.name for member in roster.present()] == ["north", "south"]


@pytest.mark.parametrize(
    ("second", "silent"),
    [
        pytest.param(SILENCE_SECONDS, [], id="just in time"),
        pytest.param(SILENCE_SECONDS + 0.1, ["south"], id="too long"),
    ],
)
def test_silence_is_counted_from_the_last_sign_of_life(roster: Roster, second: float, silent: list[str]) -> None:
    roster.hear("north", 2.0, START)
    assert roster.silent(second) == silent


def test_who_is_lost_is_not_silent_a_second_time(roster: Roster) -> None:
    roster.lose("south", "no sign of life")
    assert roster.silent(100.0) == ["north"]
    assert roster.member("south").lost_reason == "no sign of life"
    assert roster.member("south").known


def test_nobody_is_silent_for_the_time_that_the_coordinator_was_cut_off(roster: Roster) -> None:
    roster.forgive_silence(100.0)
    assert roster.silent(100.0 + SILENCE_SECONDS) == []
    roster.forgive_silence(50.0)
    assert roster.silent(100.0 + SILENCE_SECONDS) == []


def test_joining_again_clears_what_was_wrong_and_takes_the_new_address(roster: Roster) -> None:
    roster.lose("north", "its process was stopped")
    roster.member("north").refusal = "column is missing"
    member = roster.join("north", "north@localhost/2", "i2", "sklearn")
    assert (member.address, member.instance) == ("north@localhost/2", "i2")
    assert member.lost_reason is None
    assert member.refusal is None
    assert member.present
