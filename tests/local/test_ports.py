"""Ports are bound, or said to be taken."""

import socket
from collections.abc import Iterator

import pytest

from consilia.errors import InvalidSetting
from consilia_local.ports import ANY, CannotListen, WantedPort, choose, claim


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_claimed_port_can_be_listened_on() -> None:
    with claim("127.0.0.1", 0) as claimed:
        claimed.listen()
        with socket.create_connection(claimed.getsockname()):
            pass


def test_a_taken_port_is_one_sentence(taken: int) -> None:
    with pytest.raises(CannotListen) as refused:
        claim("127.0.0.1", taken)
    assert str(refused.value) == f"port {taken} of 127.0.0.1 is taken; stop what listens there"
    assert refused.value.is_taken


def test_an_address_that_is_not_of_this_machine_is_one_sentence_with_its_reason() -> None:
    with pytest.raises(CannotListen) as refused:
        claim("192.0.2.1", 4000)
    assert str(refused.value) == (
        "port 4000 of 192.0.2.1 cannot be used (Cannot assign requested address); choose another"
    )
    assert not refused.value.is_taken


def test_ports_that_nobody_asked_for_by_number_are_free_and_different() -> None:
    chosen = choose([WantedPort(f"part {number}", "--port", None) for number in range(20)])
    assert len(set(chosen)) == 20
    assert all(port in ANY for port in chosen)
    for port in chosen:
        claim("127.0.0.1", port).close()


def test_a_port_is_given_to_one_alone(taken: int) -> None:
    free = choose([WantedPort("the broker", "--broker-port", None)])[0]
    twice = [WantedPort("the dashboard", "--dashboard-port", free), WantedPort("MLflow", "--mlflow-port", free)]
    with pytest.raises(InvalidSetting, match=f"port {free} for MLflow is taken: .* choose another with --mlflow-port"):
        choose(twice)


def test_where_all_of_those_are_taken_any_other_will_do(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    monkeypatch.setattr("consilia_local.ports.ANY", range(taken, taken + 1))
    monkeypatch.setattr("consilia_local.ports.TRIES", 1)
    [chosen] = choose([WantedPort("the broker", "--broker-port", None)])
    assert chosen != taken
