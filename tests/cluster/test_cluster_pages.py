"""The dashboard and MLflow through forwarded ports, as a scientist opens them."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from chromium import chromium
from cluster.applied import Applied
from cluster.forwarding import forwarded
from cluster.kit.cluster import Cluster
from cluster.release import SYSTEM, Release
from running import example

pytestmark = [pytest.mark.cluster, pytest.mark.real]

# In a process of its own: what a data scientist types, and nothing of ours imported.
PREDICT = """
import sys, json, mlflow
from sklearn.datasets import load_breast_cancer
model = mlflow.pyfunc.load_model(sys.argv[1])
data = load_breast_cancer(as_frame=True)
predicted = model.predict(data.data)
print(json.dumps({"ours": [name for name in sys.modules if name.startswith("consilia")],
                  "accuracy": float(((predicted == 1) == (data.target == 0)).mean())}))
"""
BADGE = "document.getElementById('badge').textContent.trim()"
MANY = 50_000


@pytest.fixture(scope="module")
def suspended(cluster: Cluster, release: Release) -> Iterator[Applied]:
    """A federation that waits for Start."""
    assert release
    with cluster.namespace("consortium") as namespace:
        applied = Applied(cluster, namespace, example(rounds=MANY, suspend="true"))
        applied.apply()
        applied.until(lambda status: status.get("phase") == "Idle", "Idle")
        yield applied


def test_a_suspended_federation_is_started_stopped_and_finished_on_the_page(
    suspended: Applied, cluster: Cluster, release: Release
) -> None:
    token = release.secret("consilia-dashboard-login", "token").decode()
    with forwarded(cluster, SYSTEM, "service/consilia-dashboard", 8081) as port, chromium() as page:
        page.open(f"http://localhost:{port}/?token={token}")
        page.open(f"http://localhost:{port}/?federation={suspended.namespace}/{suspended.name}")
        page.until(f"{BADGE} === 'Idle'", within=30)
        page.click("#start")
        page.until("Number(document.getElementById('round').textContent) >= 3", within=60)
        assert suspended.document()["spec"]["suspend"] is False
        page.click("#stop")
        page.click("#stop-dialog button[value=yes]")
        page.until(f"{BADGE} === 'Idle'", within=30)
        assert suspended.document()["spec"]["suspend"] is True
        reached = int(page.text("round"))
        assert reached < MANY
        suspended.edit(rounds=reached + 2, suspend=False)
        page.until(f"{BADGE} === 'Complete'", within=60)
        assert page.complaints() == []


def test_mlflow_shows_the_run_and_its_model_predicts(suspended: Applied, cluster: Cluster) -> None:
    status = suspended.until(lambda status: status.get("model"), "a registered model")
    with forwarded(cluster, SYSTEM, "service/consilia-mlflow", 5000) as port:
        url = f"http://localhost:{port}"
        with urllib.request.urlopen(
            f"{url}/api/2.0/mlflow/runs/get?run_id={status['mlflow']['runId']}", timeout=20
        ) as answer:
            run = json.load(answer)["run"]
        assert run["info"]["status"] == "FINISHED"
        done = subprocess.run(
            [sys.executable, "-c", PREDICT, status["model"]["uri"]],
            env={"MLFLOW_TRACKING_URI": url, "PATH": "/usr/bin:/bin", "HOME": "/tmp"},  # noqa: S108
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["ours"] == []
    assert told["accuracy"] > 0.9
