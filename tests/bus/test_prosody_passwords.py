"""A real Prosody during a rotation: two passwords of one account are right, over every mechanism, and no third."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from brokers import Broker, make_broker, running
from consilia.pki import Authority
from consilia_bus.spade_bus import SpadeBus
from scram_login import Login

pytestmark = pytest.mark.real

MECHANISMS = ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS")


@pytest.fixture(scope="module")
def prosody(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Broker]:
    broker = make_broker("prosody", tmp_path_factory.mktemp("prosody"), authority)
    broker.start()
    yield broker
    broker.kill(signal.SIGTERM)


@pytest.fixture
def login(prosody: Broker) -> Iterator[Login]:
    connection = Login("localhost", prosody.folder.port, prosody.ca_file)
    yield connection
    connection.close()


def rotating(prosody: Broker, text: str) -> None:
    (prosody.folder.path / "accounts" / "north").write_text(text)


def test_every_mechanism_that_is_offered_is_tried_here(login: Login) -> None:
    assert sorted(login.mechanisms) == sorted(MECHANISMS)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(
    ("lines", "password", "said"),
    [
        pytest.param("new\nold\n", "new", None, id="the new one"),
        pytest.param("new\nold\n", "old", None, id="the old one"),
        pytest.param("new\nold\n", "third", "not-authorized", id="a third"),
        pytest.param("new\nold\nthird\n", "third", "not-authorized", id="two are the most"),
        pytest.param("new\nold\n", "new\nold", "not-authorized", id="the file is no password"),
        pytest.param("new\n", "new", None, id="afterwards the new one"),
        pytest.param("new\n", "old", "not-authorized", id="afterwards not the old one"),
        pytest.param("new\n", "", "not-authorized", id="nothing is no second password"),
        pytest.param("\n", "", "not-authorized", id="an empty file is no account"),
    ],
)
def test_a_password_is_right_while_it_is_in_the_file(
    prosody: Broker, login: Login, mechanism: str, lines: str, password: str, said: str | None
) -> None:
    rotating(prosody, lines)
    assert login.attempt(mechanism, "north", password) == said


def test_after_a_failure_the_same_connection_may_try_again_with_either(prosody: Broker, login: Login) -> None:
    rotating(prosody, "new\nold\n")
    assert login.attempt("SCRAM-SHA-256", "north", "third") == "not-authorized"
    assert login.attempt("SCRAM-SHA-1", "north", "fourth") == "not-authorized"
    assert login.attempt("SCRAM-SHA-256", "north", "old") is None


def test_the_other_password_of_one_account_is_none_of_another(prosody: Broker, login: Login) -> None:
    rotating(prosody, "new\nold\n")
    assert login.attempt("SCRAM-SHA-256", "south", "old") == "not-authorized"
    assert login.attempt("SCRAM-SHA-256", "north", "old") is None


def test_what_begins_with_a_dot_is_no_account(prosody: Broker, login: Login) -> None:
    (prosody.folder.path / "accounts" / ".rotation").write_text("a number")
    assert login.attempt("SCRAM-SHA-256", ".rotation", "a number") == "not-authorized"


async def test_a_bus_is_let_in_with_either_password(prosody: Broker, tmp_path: Path) -> None:
    rotating(prosody, "new\nold\n")
    for password in ("old", "new"):
        (tmp_path / password).write_text(password)
        async with running(SpadeBus(replace(prosody.settings("north"), password_file=tmp_path / password))):
            pass
