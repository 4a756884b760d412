"""A status is of one very object: never of another one that was made under its name meanwhile."""

from typing import Any

import pytest

from consilia_operator.children import version_of
from consilia_operator.cluster import Absent, Conflict
from consilia_operator.naming import Manifest
from consilia_operator.very_object import TRIES, write_status
from fake_cluster import FakeCluster

KEY = ("n", "f")


def federation(uid: str, **fields: Any) -> Manifest:
    return {"kind": "Federation", "metadata": {"namespace": "n", "name": "f", "uid": uid}} | fields


def test_the_object_that_was_seen_gets_its_status() -> None:
    cluster = FakeCluster()
    seen = cluster.put(federation("one"))
    written = write_status(cluster, "Federation", KEY, "one", version_of(seen), {"round": 1})
    assert written["status"] == {"round": 1}
    assert cluster.reads == []


def test_one_that_was_changed_since_gets_its_status_too() -> None:
    cluster = FakeCluster()
    seen = cluster.put(federation("one"))
    cluster.put(federation("one", spec={"rounds": 2}))
    written = write_status(cluster, "Federation", KEY, "one", version_of(seen), {"round": 1})
    assert (written["status"], written["spec"]) == ({"round": 1}, {"rounds": 2})


def test_one_that_was_made_anew_under_its_name_does_not() -> None:
    cluster = FakeCluster()
    seen = cluster.put(federation("one"))
    cluster.put(federation("two"))
    with pytest.raises(Absent, match="Federation n/f of UID one is gone"):
        write_status(cluster, "Federation", KEY, "one", version_of(seen), {"round": 1})
    held = cluster.get("Federation", *KEY)
    assert held is not None
    assert "status" not in held


def test_one_that_is_gone_is_absent() -> None:
    with pytest.raises(Absent):
        write_status(FakeCluster(), "Federation", KEY, "one", 1, {"round": 1})


def test_one_that_changes_all_the_time_is_left_for_later() -> None:
    class Restless(FakeCluster):
        def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
            found = super().get(kind, namespace, name)
            self.put(federation("one"))
            return found

    cluster = Restless()
    seen = cluster.put(federation("one"))
    cluster.put(federation("one"))
    with pytest.raises(Conflict):
        write_status(cluster, "Federation", KEY, "one", version_of(seen), {"round": 1})
    assert len(cluster.writes) == TRIES
