"""Who may act, and that nobody else writes: the Lease, and the fence that it opens."""

from datetime import UTC, datetime

import pytest

from consilia.errors import Unavailable
from consilia_operator.counts import Counts
from consilia_operator.fence import Fence
from consilia_operator.guarded import GuardedCluster
from consilia_operator.lease import FENCE_SECONDS, Lease
from consilia_operator.settings import COMPONENTS, Settings
from fake_cluster import FakeCluster

IMAGES = dict.fromkeys(COMPONENTS, "image")
CONFIG_MAP = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c", "namespace": "n"}}


class Room:
    """One cluster, a clock that the test sets, and operators with a fence each."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.cluster = FakeCluster()

    def operator(self, name: str) -> tuple[Lease, GuardedCluster]:
        fence = Fence(lambda: self.seconds, FENCE_SECONDS)
        settings = Settings("consilia-system", name, IMAGES, None, None, 8080)
        # The wall clocks of two machines are worlds apart: nobody compares them.
        wall = datetime(2026 if name == "first" else 1990, 11, 24, tzinfo=UTC)
        return Lease(self.cluster, settings, fence, lambda: wall), GuardedCluster(self.cluster, fence, Counts())


def test_one_operator_holds_the_lease_and_another_takes_it_when_it_was_not_renewed_for_its_duration() -> None:
    room = Room()
    (first, _), (second, _) = room.operator("first"), room.operator("second")
    assert first.acquire()
    assert first.renew()
    assert not second.acquire()
    room.seconds += 14
    assert not second.acquire()
    room.seconds += 2
    assert second.acquire()


def test_a_holder_that_renews_keeps_it() -> None:
    room = Room()
    (first, _), (second, _) = room.operator("first"), room.operator("second")
    assert first.acquire()
    for tick in range(20):
        room.seconds += 5
        # Its wall clock stands still: that the object was written again is what tells.
        found = room.cluster.get("Lease", "consilia-system", "consilia-operator")
        assert found is not None
        room.cluster.put(found | {"spec": found["spec"] | {"renewTime": f"tick {tick}"}})
        assert not second.acquire()


def test_a_lease_that_is_given_back_is_free_at_once() -> None:
    room = Room()
    (first, writer), (second, _) = room.operator("first"), room.operator("second")
    assert first.acquire()
    first.release()
    with pytest.raises(Unavailable):
        writer.apply(CONFIG_MAP)
    assert second.acquire()


def test_nobody_writes_before_it_holds_the_lease_and_everybody_may_read() -> None:
    room = Room()
    _, writer = room.operator("first")
    assert writer.get("ConfigMap", "n", "c") is None
    with pytest.raises(Unavailable, match="not renewed within 12 s"):
        writer.apply(CONFIG_MAP)
    assert room.cluster.writes == []


def test_a_leader_that_slept_writes_nothing_until_it_has_renewed() -> None:
    room = Room()
    lease, writer = room.operator("first")
    assert lease.acquire()
    writer.apply(CONFIG_MAP)
    room.seconds += 13
    about = {"kind": "Federation", "metadata": {"name": "f", "namespace": "n"}}
    for write in (
        lambda: writer.apply(CONFIG_MAP),
        lambda: writer.replace(CONFIG_MAP),
        lambda: writer.delete("ConfigMap", "n", "c"),
        lambda: writer.patch_status("ConfigMap", "n", "c", {}),
        lambda: writer.tell(about, "Normal", "Reason", "message"),
    ):
        with pytest.raises(Unavailable):
            write()
    assert len(room.cluster.writes) == 1
    assert lease.renew()
    writer.apply(CONFIG_MAP)
    assert len(room.cluster.writes) == 2


@pytest.mark.parametrize("gives_back", [True, False], ids=["gave it back", "still holds it"])
def test_a_leader_that_slept_through_anothers_term_never_writes_again(gives_back: bool) -> None:
    room = Room()
    (first, writer), (second, _) = room.operator("first"), room.operator("second")
    assert first.acquire()
    assert not second.acquire()
    room.seconds += 16
    assert second.acquire()
    if gives_back:
        second.release()
    assert not first.renew()
    with pytest.raises(Unavailable):
        writer.apply(CONFIG_MAP)
    assert room.cluster.writes == []


def test_a_fence_is_open_from_when_the_lease_was_asked_for_and_not_from_when_it_was_answered() -> None:
    seconds = [100.0]
    fence = Fence(lambda: seconds[0], 10)
    seconds[0] = 108.0
    fence.renewed(100.0)
    assert fence.open
    seconds[0] = 110.0
    assert not fence.open
