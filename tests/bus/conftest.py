"""Fixtures of the tests over both real brokers."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from brokers import Broker, make_broker
from consilia.pki import Authority, make_authority


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority("consortium/breast-cancer", datetime.now(UTC), days=1)


@pytest.fixture(scope="module", params=["embedded", "prosody"])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Broker]:
    """A broker that no test of this module stops."""
    broker = make_broker(request.param, tmp_path_factory.mktemp(request.param), authority)
    broker.start()
    yield broker
    broker.kill(signal.SIGTERM)


@pytest.fixture(params=["embedded", "prosody"])
def mortal(request: pytest.FixtureRequest, tmp_path: Path, authority: Authority) -> Iterator[Broker]:
    """A broker of this test's own."""
    broker = make_broker(request.param, tmp_path, authority)
    broker.start()
    yield broker
    broker.kill()
