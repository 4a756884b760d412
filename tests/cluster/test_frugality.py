"""What the operator costs a cluster: idle, and with fifty federations that can never run."""

import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from cluster import audit
from cluster.applied import Applied
from cluster.kit.cluster import Cluster
from cluster.release import SYSTEM, Release
from deadline import eventually
from running import example

pytestmark = pytest.mark.cluster

# Two minutes of the ten that the figure is of: CI has not forever. CONSILIA_IDLE_SECONDS=600 measures all of it.
IDLE_SECONDS = float(os.environ.get("CONSILIA_IDLE_SECONDS", "120"))
PER_MINUTE = 4
RESYNC_SECONDS = 600
MANY = 50
MEBI = 2**20


def usage(cluster: Cluster, pod: str) -> tuple[float, float]:
    """Seconds of a core that a pod has used, and its memory in MiB, as the kubelet tells."""
    node = cluster.get("pod", pod, f"--namespace={SYSTEM}")["spec"]["nodeName"]
    told = json.loads(cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))
    found = next(p for p in told["pods"] if p["podRef"]["name"] == pod)
    return found["cpu"]["usageCoreNanoSeconds"] / 1e9, found["memory"]["workingSetBytes"] / MEBI


def terminating(cluster: Cluster) -> list[str]:
    """The namespaces that are on their way out."""
    found = cluster.get("namespaces")["items"]
    return [each["metadata"]["name"] for each in found if each["status"]["phase"] == "Terminating"]


@contextmanager
def window(seconds: float) -> Iterator[None]:
    """A stretch of time in which nothing is done: it is what is measured, not waited through."""
    end = time.monotonic() + seconds
    yield
    while (left := end - time.monotonic()) > 0:
        time.sleep(left)


def test_an_idle_federation_costs_no_request(cluster: Cluster, release: Release, namespace: str) -> None:
    if cluster.audit_log is None:
        pytest.skip("this cluster's audit log is not ours to read")
    applied = Applied(cluster, namespace, example())
    applied.apply()
    applied.until_complete()
    applied.until(lambda status: status.get("model"), "a registered model")
    # What other tests left is gone first, or the operator would be seen sweeping it.
    eventually(lambda: terminating(cluster) == [], 120, lambda: str(terminating(cluster)), pause=1)
    start = audit.mark(cluster.audit_log)
    with window(IDLE_SECONDS):
        pass
    asked = audit.requests(cluster.audit_log, start)
    print(f"idle for {IDLE_SECONDS:g} s: {sum(asked.values())} requests: {dict(asked)}")
    # Every ten minutes one list a kind finds what no watch told: whether it falls into the stretch is chance.
    assert max(asked.values(), default=0) <= math.ceil(IDLE_SECONDS / RESYNC_SECONDS), asked
    assert sum(asked.values()) <= PER_MINUTE * RESYNC_SECONDS / 60, asked


def test_fifty_federations_that_fit_no_node_cost_little_and_a_good_one_does_not_wait(
    cluster: Cluster, release: Release, namespace: str
) -> None:
    documents = list(yaml.safe_load_all(example()))
    federation = next(d for d in documents if d["kind"] == "Federation")
    cohorts = [d for d in documents if d["kind"] == "Cohort"]
    huge = {"requests": {"memory": "9000Gi"}, "limits": {"memory": "9000Gi"}}
    federation["spec"] |= {name: {"resources": huge} for name in ("broker", "coordinator", "tracking")}
    federation["spec"]["hospitals"] = federation["spec"]["hospitals"][:1]
    federation["spec"].pop("quorum", None)
    cohorts[0]["spec"]["agent"] = {"resources": huge}
    with cluster.namespace("crowd") as crowd:
        named = []
        for number in range(MANY):
            cohort = json.loads(json.dumps(cohorts[0]))
            cohort["metadata"]["name"] = f"cohort-{number}"
            each = json.loads(json.dumps(federation))
            each["metadata"]["name"] = f"crowd-{number}"
            each["spec"]["hospitals"][0]["cohort"] = {"name": f"cohort-{number}"}
            named += [cohort, each]
        cluster.apply(*named, namespace=crowd)

        def told() -> bool:
            found = cluster.get("federations", f"--namespace={crowd}")["items"]
            return all("cannot be scheduled" in json.dumps(f.get("status", {})) for f in found)

        eventually(told, 180, cluster.story, pause=2)
        good = Applied(cluster, namespace, example())
        good.apply()
        good.until_complete(60)
        pod = release.pod("operator")
        before, _ = usage(cluster, pod)
        began = time.monotonic()
        with window(60):
            pass
        after, memory = usage(cluster, pod)
        core = (after - before) / (time.monotonic() - began)
        print(f"with {MANY} unschedulable federations: {core:.1%} of a core, {memory:.0f} MiB")
        assert memory < 300
        assert core < 0.05
