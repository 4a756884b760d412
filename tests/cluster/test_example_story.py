"""What a data scientist sees on a cluster: apply the example, watch it, take its model; it is the laptop's model."""

import base64
import json
import re
import time
from collections.abc import Iterator

import numpy as np
import pytest

from cluster.applied import Applied
from cluster.kit.cluster import Cluster
from cluster.release import SYSTEM, Release
from running import computed_parameters, example

pytestmark = pytest.mark.cluster

HOSPITALS = ("harbor", "hillview", "lakeside", "north", "riverside")


@pytest.fixture(scope="module")
def complete(cluster: Cluster, release: Release) -> Iterator[Applied]:
    """The example, applied, and its run complete."""
    assert release
    with cluster.namespace("consortium") as namespace:
        applied = Applied(cluster, namespace, example())
        applied.apply()
        began = time.monotonic()
        applied.until_round(1)
        print(f"from apply to the first committed round: {time.monotonic() - began:.1f} s")
        applied.until_complete()
        yield applied


def test_the_model_is_that_of_a_local_run_of_the_same_file(complete: Applied, release: Release) -> None:
    expected = computed_parameters(example())
    assert np.abs(complete.parameters(release) - expected).max() < 1e-9


def test_the_columns_show_where_it_is(complete: Applied, cluster: Cluster) -> None:
    header, row = cluster.kubectl("get", "fed", f"--namespace={complete.namespace}").splitlines()
    assert header.split() == ["NAME", "PHASE", "ROUND", "ROUNDS", "HOSPITALS", "ACCURACY", "LOSS", "EPSILON", "AGE"]
    name, phase, reached, rounds, hospitals, accuracy, loss, *_ = row.split()
    assert (name, phase, reached, rounds, hospitals) == ("breast-cancer", "Complete", "10", "10", "5/5")
    assert float(accuracy) > 0.9
    assert float(loss) < 0.25


def test_describe_tells_the_story_once(complete: Applied) -> None:
    reasons = [reason for _, reason, _ in complete.events()]
    for reason in ("Started", "QuorumReached", "Completed"):
        assert reasons.count(reason) == 1, complete.events()
    assert [e for e in complete.events() if e[0] == "Warning"] == []


def test_its_status_names_the_model_and_the_run_in_mlflow(complete: Applied) -> None:
    status = complete.until(lambda status: status.get("model"), "a registered model")
    assert re.fullmatch(r"models:/breast-cancer/\d+", status["model"]["uri"])
    assert status["mlflow"]["runId"]
    assert {h["name"]: h["round"] for h in status["hospitals"]} == dict.fromkeys(HOSPITALS, 10)
    assert {c["type"]: c["status"] for c in status["conditions"]}["Complete"] == "True"


def test_no_pod_but_operator_and_dashboard_holds_a_token_of_the_cluster(complete: Applied, cluster: Cluster) -> None:
    tokens = {}
    for namespace in (complete.namespace, SYSTEM):
        for pod in cluster.get("pods", f"--namespace={namespace}")["items"]:
            mounted = [v for v in pod["spec"]["volumes"] if "serviceAccountToken" in json.dumps(v)]
            tokens[pod["metadata"]["name"]] = bool(mounted)
    holders = {name.rsplit("-", 2)[0] for name, holds in tokens.items() if holds}
    assert holders == {"consilia-operator", "consilia-dashboard"}


def test_no_value_of_a_secret_is_in_a_pod_a_log_or_the_status(complete: Applied, cluster: Cluster) -> None:
    told = json.dumps(complete.document())
    secrets = []
    for namespace in (complete.namespace, SYSTEM):
        here = f"--namespace={namespace}"
        pods = cluster.get("pods", here)["items"]
        told += json.dumps(pods) + json.dumps(cluster.get("configmaps", here))
        told += "".join(cluster.kubectl("logs", pod["metadata"]["name"], here) for pod in pods)
        secrets += [s for s in cluster.get("secrets", here)["items"] if s["type"] == "Opaque"]
    private = {
        f"{secret['metadata']['name']}/{key}": value
        for secret in secrets
        for key, value in secret["data"].items()
        if key not in ("ca.crt", "tls.crt", "public.pem")  # public by nature; the authority is in the status
    }
    assert len(private) > len(HOSPITALS)
    assert [name for name, value in private.items() if _is_in(value, told)] == []


def _is_in(value: str, told: str) -> bool:
    plain = base64.b64decode(value).decode().strip()
    return value in told or plain in told or json.dumps(plain)[1:-1] in told
