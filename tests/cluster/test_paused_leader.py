"""An operator that sleeps while another takes over, and wakes up, does no harm."""

import signal
from pathlib import Path

import pytest

from cluster.applied import Applied
from cluster.kit.cluster import Cluster
from cluster.operator_process import operator_process
from cluster.release import SYSTEM, Release
from deadline import eventually
from running import example

pytestmark = pytest.mark.cluster

LEASE_SECONDS = 15


def holder(cluster: Cluster) -> str:
    """Who holds the Lease."""
    return str(cluster.get("lease", "consilia-operator", f"--namespace={SYSTEM}")["spec"].get("holderIdentity"))


def test_a_leader_that_wakes_up_after_another_took_over_writes_nothing(
    cluster: Cluster, release: Release, namespace: str, tmp_path: Path
) -> None:
    applied = Applied(cluster, namespace, example(suspend="true"))
    release.scale("operator", 0)
    try:
        with operator_process(cluster.kubectl, tmp_path, "outside") as outside:
            sleeper = outside.process
            eventually(lambda: holder(cluster) == "outside", 60, pause=0.2)
            applied.apply()
            applied.until(lambda status: status, "a status", 60)
            sleeper.send_signal(signal.SIGSTOP)
            release.scale("operator", 1)
            eventually(lambda: holder(cluster) == release.pod("operator"), 4 * LEASE_SECONDS, pause=0.5)
            applied.edit(suspend=False)
            applied.until_complete()
            applied.until(lambda status: status.get("model"), "a registered model")
            before = state(applied)
            sleeper.send_signal(signal.SIGCONT)
            assert sleeper.wait(30) != 0
        assert state(applied) == before
        assert holder(cluster) == release.pod("operator")
        log = outside.log.read_text()
        assert "Lease" in log.splitlines()[-1], log
    finally:
        release.scale("operator", 1)


def state(applied: Applied) -> dict[str, str]:
    """The version of everything of the federation: any write shows."""
    kinds = "federations,statefulsets,services,secrets,configmaps,networkpolicies"
    found = applied.cluster.get(kinds, f"--namespace={applied.namespace}")["items"]
    return {f"{o['kind']}/{o['metadata']['name']}": o["metadata"]["resourceVersion"] for o in found}
