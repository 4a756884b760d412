"""Edits of a federation at any moment converge: what was wished last is what comes true."""

import json
from collections.abc import Callable

import numpy as np
import pytest
import yaml

from cluster.applied import Applied
from cluster.kit.cluster import Cluster
from cluster.release import Release
from deadline import eventually
from running import computed_parameters, example

pytestmark = pytest.mark.cluster

MANY = 100_000
"""More rounds than a test waits for: it is stopped, or lowered."""
Apply = Callable[..., Applied]


@pytest.fixture
def apply(cluster: Cluster, release: Release, namespace: str) -> Apply:
    """Apply the example with fields of its spec replaced, in a namespace of the test's own."""
    assert release

    def applied(**spec: object) -> Applied:
        made = Applied(cluster, namespace, example(**spec))
        made.apply()
        return made

    return applied


def same(applied: Applied, release: Release, **spec: object) -> bool:
    """Whether its model is that of an undisturbed run."""
    expected = computed_parameters(example(**spec))
    return bool(np.abs(applied.parameters(release) - expected).max() < 1e-9)


def test_rounds_are_raised_in_the_middle(apply: Apply, release: Release) -> None:
    applied = apply(rounds=1000)
    applied.until_round(3)
    applied.edit(rounds=1500)
    assert applied.until(lambda status: status.get("phase") == "Complete" and status["rounds"] == 1500, "1500 rounds")
    assert same(applied, release, rounds=1500)


def test_a_complete_run_goes_on_when_its_rounds_are_raised(apply: Apply, release: Release) -> None:
    applied = apply(rounds=10)
    applied.until_complete()
    applied.edit(rounds=15)
    status = applied.until(lambda status: status["phase"] == "Complete" and status["round"] == 15, "15 rounds")
    assert status["run"] == 1
    assert same(applied, release, rounds=15)


def test_rounds_that_are_lowered_end_the_run_there(apply: Apply) -> None:
    applied = apply(rounds=MANY)
    applied.until_round(3)
    applied.edit(rounds=2)
    status = applied.until(lambda status: status.get("phase") == "Complete", "Complete")
    assert 3 <= status["round"] < MANY


def test_a_suspended_run_stays_where_it_is_and_goes_on_from_there(apply: Apply, release: Release) -> None:
    applied = apply(rounds=2000)
    applied.until_round(3)
    applied.edit(suspend=True)
    reached = applied.until(lambda status: status["phase"] == "Idle", "Idle")["round"]
    assert reached < 2000
    applied.edit(suspend=False)
    applied.until_complete()
    assert same(applied, release, rounds=2000)


def test_a_hospital_that_is_taken_out_goes_and_one_that_is_added_takes_part(apply: Apply, cluster: Cluster) -> None:
    applied = apply(rounds=MANY)
    applied.until_round(3)
    everybody = applied.document()["spec"]["hospitals"]
    pod = (applied.pod("hospital-north"), f"--namespace={applied.namespace}")
    applied.edit(hospitals=[each for each in everybody if each["name"] != "north"])
    cluster.kubectl("wait", "pod", *pod, "--for=delete", "--timeout=60s")
    status = applied.until(lambda status: status.get("hospitalsReady") == "4/4", "4 of 4")
    applied.until_round(status["round"] + 3)
    applied.edit(hospitals=everybody)
    status = applied.until(lambda status: status.get("hospitalsReady") == "5/5", "5 of 5")
    applied.until_round(status["round"] + 3)
    applied.edit(suspend=True)


def test_a_new_run_starts_from_a_fresh_model(apply: Apply, release: Release) -> None:
    applied = apply(rounds=10)
    applied.until_complete()
    first = applied.until(lambda status: status.get("model"), "a model")["model"]
    applied.edit(run=2)
    applied.until(lambda status: status["run"] == 2 and status["phase"] == "Complete", "run 2 complete")
    assert same(applied, release, rounds=10)
    second = applied.until(lambda status: status.get("model", first) != first, "another model")["model"]
    assert second["version"] != first["version"]


def test_a_lower_run_is_ignored_and_said(apply: Apply) -> None:
    applied = apply(rounds=10, run=3)
    status = applied.until_complete()
    assert status["run"] == 3
    applied.edit(run=2)
    ignored = eventually(lambda: [e for e in applied.events() if e[0] == "Warning" and "run 2" in e[2]], 30, pause=0.5)
    assert len(ignored) == 1
    assert applied.status()["run"] == 3


def test_the_same_file_applied_again_undoes_nothing_of_a_start(apply: Apply) -> None:
    applied = apply(rounds=10)
    applied.until_complete()
    # What the dashboard's Start on a complete federation sends.
    applied.edit(run=2, suspend=False)
    applied.until(lambda status: status["run"] == 2 and status["phase"] == "Complete", "run 2 complete")
    assert "unchanged" in applied.apply()
    assert applied.document()["spec"]["run"] == 2
    assert applied.status()["run"] == 2


def test_a_wrong_image_is_told_and_the_right_one_converges(apply: Apply, images: dict[str, str]) -> None:
    absent = images["coordinator"] + "-absent"
    applied = apply(rounds=10, coordinator=f"{{image: {absent}}}")

    def told() -> list[tuple[str, str, str]]:
        return [e for e in applied.events() if e[0] == "Warning" and absent in e[2]]

    eventually(told, 30, lambda: json.dumps(applied.status()), pause=0.5)
    assert absent in applied.condition("Ready")["message"]
    applied.edit(coordinator={"image": images["coordinator"]})
    applied.until_complete()


def test_resources_that_are_edited_reach_the_pod_and_lose_nothing(
    apply: Apply, cluster: Cluster, release: Release
) -> None:
    applied = apply(rounds=1500)
    applied.until_round(3)
    applied.edit(coordinator={"resources": {"limits": {"memory": "900Mi"}}})

    def limits() -> list[str]:
        pods = cluster.get("pods", f"--namespace={applied.namespace}")["items"]
        mine = [pod["spec"]["containers"][0] for pod in pods if pod["metadata"]["name"] == applied.pod("coordinator")]
        return [container["resources"]["limits"]["memory"] for container in mine]

    eventually(lambda: limits() == ["900Mi"], 60, pause=0.5)
    applied.until_complete()
    assert same(applied, release, rounds=1500)


def test_a_cohort_edited_in_the_middle_is_taken_up(apply: Apply, cluster: Cluster) -> None:
    applied = apply(rounds=MANY)
    applied.until_round(3)
    (cohort,) = [
        d for d in yaml.safe_load_all(applied.text) if d["kind"] == "Cohort" and d["spec"]["hospital"] == "north"
    ]
    cohort["spec"]["holdout"]["fraction"] = 0.3
    cluster.apply(cohort, namespace=applied.namespace)
    name = applied.pod("hospital-north")

    def configuration() -> str:
        found = cluster.get("configmap", name.removesuffix("-0"), f"--namespace={applied.namespace}")
        return str(found["data"])

    eventually(lambda: "0.3" in configuration(), 30, pause=0.5)
    reached = applied.until(lambda status: status.get("hospitalsReady") == "5/5", "5 of 5")["round"]
    applied.until_round(reached + 3)
    applied.edit(suspend=True)
