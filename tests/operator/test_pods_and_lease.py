"""What pods tell, and who may act."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consilia_operator.lease import Lease
from consilia_operator.pods import pod_problems, stuck_pods
from consilia_operator.settings import COMPONENTS, Settings
from fake_cluster import FakeCluster


def pod(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "f-hospital-north-0",
            "namespace": "north",
            "labels": {"consilia.health/hospital": "north", "controller-revision-hash": "old"},
        },
        "status": status,
    }


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        pytest.param({"phase": "Running"}, None, id="running"),
        pytest.param(
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: insufficient memory"}]},
            "pod f-hospital-north-0 cannot be scheduled: 0/1 nodes: insufficient memory",
            id="unschedulable",
        ),
        pytest.param(
            {"containerStatuses": [{"image": "x:1", "state": {"waiting": {"reason": "ErrImagePull"}}}]},
            "pod f-hospital-north-0: ErrImagePull: x:1",
            id="no image",
        ),
        pytest.param(
            {
                "containerStatuses": [
                    {
                        "image": "x:1",
                        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                        "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
                    }
                ]
            },
            "pod f-hospital-north-0: CrashLoopBackOff: back-off (it ended with OOMKilled, exit code 137)",
            id="crashing",
        ),
    ],
)
def test_a_pod_that_cannot_run_says_why(status: dict[str, Any], sentence: str | None) -> None:
    assert pod_problems([pod(**status)]) == ({"north": sentence} if sentence else {})


def test_a_pod_that_never_became_ready_on_an_old_revision_is_replaced() -> None:
    found = {"metadata": {"name": "f-hospital-north", "namespace": "north"}, "status": {"updateRevision": "new"}}
    assert stuck_pods([pod()], [found]) == [("north", "f-hospital-north-0")]
    assert stuck_pods([pod(conditions=[{"type": "Ready", "status": "True"}])], [found]) == []
    found["status"]["updateRevision"] = "old"
    assert stuck_pods([pod()], [found]) == []


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
