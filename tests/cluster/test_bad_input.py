"""What only the cluster can tell is told within half a minute, by hospital, object and remedy; nobody else waits."""

import json
from collections.abc import Callable

import pytest
import yaml

from cluster.applied import Applied
from cluster.kit.cluster import Cluster
from cluster.release import SYSTEM, Release
from deadline import eventually
from running import example

pytestmark = pytest.mark.cluster

TOLD_WITHIN = 30
Documents = list[dict[str, object]]


def unschedulable(documents: Documents) -> None:
    """North's agent asks for more than any node has."""
    _cohort(documents, "north")["agent"] = {
        "resources": {"requests": {"memory": "9000Gi"}, "limits": {"memory": "9000Gi"}}
    }


def absent_image(documents: Documents) -> None:
    """North's agent is of an image that nobody has."""
    _cohort(documents, "north")["agent"] = {"image": "localhost/consilia-agent:absent"}


def foreign_image(documents: Documents) -> None:
    """North's agent is of an image that the installation does not allow."""
    _cohort(documents, "north")["agent"] = {"image": "elsewhere.example/agent:1"}


def absent_class(documents: Documents) -> None:
    """North's volume is of a class that there is not."""
    _cohort(documents, "north")["agent"] = {"storage": {"size": "1Gi", "className": "absent"}}


def absent_cohort(documents: Documents) -> None:
    """North has no cohort."""
    documents[:] = [d for d in documents if d["metadata"]["name"] != "north-2024"]  # type: ignore[index]


def _cohort(documents: Documents, hospital: str) -> dict[str, object]:
    found: dict[str, object] = next(
        d["spec"]
        for d in documents
        if d["kind"] == "Cohort" and d["spec"]["hospital"] == hospital  # type: ignore[index]
    )  # type: ignore[assignment]
    return found


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        pytest.param(unschedulable, ("north", "cannot be scheduled", "memory"), id="a pod that fits no node"),
        pytest.param(absent_image, ("north", "localhost/consilia-agent:absent"), id="an image that is nowhere"),
        pytest.param(foreign_image, ("north", "elsewhere.example/agent:1"), id="an image that is not allowed"),
        pytest.param(absent_class, ("north", "breast-cancer-hospital-north-outbox"), id="a claim that nobody binds"),
        pytest.param(absent_cohort, ("north-2024", "does not exist"), id="a cohort that is missing"),
    ],
)
def test_it_is_told_as_a_condition_and_an_event(
    cluster: Cluster, release: Release, namespace: str, spoil: Callable[[Documents], None], named: tuple[str, ...]
) -> None:
    assert release
    documents: Documents = list(yaml.safe_load_all(example()))
    spoil(documents)
    applied = Applied(cluster, namespace, yaml.safe_dump_all(documents))
    applied.apply()

    def says(sentence: str) -> bool:
        return all(part in sentence for part in named)

    def told() -> bool:
        conditions = applied.status().get("conditions", [])
        said = any(c["status"] == "False" and says(c["message"]) for c in conditions)
        return said and any(kind == "Warning" and says(message) for kind, _, message in applied.events())

    eventually(told, TOLD_WITHIN, lambda: f"{json.dumps(applied.status(), indent=1)}\n{applied.events()}", pause=0.5)
    reasons = [event for event in applied.events() if event[0] == "Warning" and says(event[2])]
    assert len(reasons) == 1, reasons


def test_a_secret_that_is_taken_away_is_told_or_mended_and_the_run_completes(
    cluster: Cluster, release: Release, namespace: str
) -> None:
    assert release
    applied = Applied(cluster, namespace, example(rounds=100_000))
    applied.apply()
    applied.until_round(3)
    cluster.kubectl("delete", "secret", f"{applied.name}-account-north", f"--namespace={namespace}")
    applied.kill("hospital-north")
    status = applied.until(lambda status: status.get("hospitalsReady") == "5/5", "5 of 5", 120)
    applied.until_round(status["round"] + 3)
    applied.edit(suspend=True)


def test_the_operator_outlives_it_all(cluster: Cluster, release: Release) -> None:
    pod = cluster.get("pod", release.pod("operator"), f"--namespace={SYSTEM}")
    assert [c["restartCount"] for c in pod["status"]["containerStatuses"]] == [0]
