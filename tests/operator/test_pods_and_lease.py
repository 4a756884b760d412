"""Who may act."""

from datetime import UTC, datetime, timedelta

from consilia_operator.lease import Lease
from consilia_operator.settings import COMPONENTS, Settings
from fake_cluster import FakeCluster


class Clock:
    now = datetime(2026, 11, 24, tzinfo=UTC)


def leases() -> tuple[Clock, Lease, Lease]:
    clock, cluster = Clock(), FakeCluster()
    images = dict.fromkeys(COMPONENTS, "image")
    first, second = (
        Lease(cluster, Settings("consilia-system", who, images, None, None, 8080), lambda: clock.now)
        for who in ("first", "second")
    )
    return clock, first, second


def test_one_operator_holds_the_lease_and_another_takes_it_when_it_ran_out() -> None:
    clock, first, second = leases()
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    clock.now += timedelta(seconds=16)
    assert second.acquire()
    assert not first.acquire(), "a paused holder that wakes up is no holder any more"


def test_a_lease_that_is_given_back_is_free_at_once() -> None:
    _, first, second = leases()
    assert first.acquire()
    first.release()
    assert second.acquire()
