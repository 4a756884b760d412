"""Whose Events are read: of what does not come up and does not say why, after ten seconds, and ever more rarely."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consilia_operator.naming import Manifest
from consilia_operator.silences import Silences

START = datetime(2026, 11, 24, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def described(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "namespace": "n", "uid": f"uid-{name}", "creationTimestamp": START.isoformat(), **more}


def pod(status: Manifest, node: str | None = "node", **metadata: Any) -> Manifest:
    spec = {"nodeName": node} if node else {}
    return {"kind": "Pod", "metadata": described("s-0", **metadata), "spec": spec, "status": status}


SET = {"kind": "StatefulSet", "metadata": described("s")}
WAITING = {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}
NO_IMAGE = {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]}


@pytest.mark.parametrize(
    ("pods", "sets", "silent"),
    [
        pytest.param([pod({"phase": "Pending"})], [SET], ["s-0"], id="a pod that the kubelet says nothing of"),
        pytest.param([pod(WAITING)], [SET], ["s-0"], id="a pod whose container is being created"),
        pytest.param([], [SET], ["s"], id="a set without its pod"),
        pytest.param([pod(NO_IMAGE)], [SET], [], id="a pod that says why"),
        pytest.param([pod({"phase": "Pending"}, node=None)], [SET], [], id="a pod without a node says why itself"),
        pytest.param([pod({"phase": "Running"})], [SET], [], id="a pod that runs"),
        pytest.param([pod(WAITING, deletionTimestamp=START.isoformat())], [SET], [], id="a pod that goes"),
    ],
)
def test_who_is_silent(pods: list[Manifest], sets: list[Manifest], silent: list[str]) -> None:
    silences = Silences()
    silences.look(pods, sets, at(1))
    assert silences.due(at(9.9)) == []
    assert [each["metadata"]["name"] for each in silences.due(at(10))] == silent


def test_events_are_read_ever_more_rarely() -> None:
    silences = Silences()
    silences.look([pod(WAITING)], [SET], at(0))
    now, pauses = at(10), []
    for _ in range(8):
        (about,) = silences.due(now)
        silences.heard(about, [], now)
        due = silences.next_due()
        assert due is not None
        pauses.append((due - now).total_seconds())
        silences.look([pod(WAITING)], [SET], due)
        now = due
    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300]


def test_what_was_told_is_kept_the_newest_last_until_it_is_silent_no_more() -> None:
    silences = Silences()
    silences.look([pod(WAITING)], [SET], at(0))
    old = {"metadata": {}, "reason": "old", "lastTimestamp": "2026-11-24T00:00:01Z"}
    new = {"metadata": {}, "reason": "new", "eventTime": "2026-11-24T00:00:02.000000Z"}
    silences.heard(pod(WAITING), [new, old], at(10))
    assert [event["reason"] for event in silences.events] == ["old", "new"]
    silences.look([pod({"phase": "Running"})], [SET], at(12))
    assert (silences.events, silences.next_due()) == ([], None)


def test_an_answer_about_who_is_silent_no_more_is_dropped() -> None:
    silences = Silences()
    silences.heard(pod(WAITING), [{"metadata": {}, "reason": "late"}], at(10))
    assert silences.events == []
