"""Spark on a cluster: executors that are pods, beside a Spark that needs none, and the model is the one without Spark.

Hospital lakeside has an executor, riverside's Spark computes within its own pod, the other three have scikit-learn.
lakeside and hillview read their rows, which are those of the example, as CSV from a claim.
"""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import yaml

from cluster.applied import Applied, Status
from cluster.kit.cluster import Cluster
from cluster.release import Release
from consilia.spec import Cohort, Federation
from consilia_agents.sources.builtin import BuiltinSource
from deadline import eventually
from running import computed_parameters, example

pytestmark = pytest.mark.cluster

TOO_LARGE, SMALL = "900Gi", "512Mi"
CLAIM = "exports"
EXECUTORS = "--selector=app.kubernetes.io/component=executors"
TRAINING_SECONDS = 240

Documents = list[dict[str, Any]]


def documents() -> Documents:
    """The example, smaller: as many passes as show that all is well."""
    text = example(rounds=2).replace("localEpochs: 20", "localEpochs: 3")
    return list(yaml.safe_load_all(text))


def cohort_of(made: Documents, hospital: str) -> dict[str, Any]:
    """The Cohort of a hospital."""
    return next(each for each in made if each["kind"] == "Cohort" and each["spec"]["hospital"] == hospital)


def table(made: Documents, hospital: str) -> str:
    """A hospital's rows as CSV."""
    cohort = Cohort.model_validate(cohort_of(made, hospital))
    federation = Federation.model_validate(made[0])
    assert cohort.spec.source.builtin is not None
    features = federation.spec.features
    extract = BuiltinSource.named(hospital, cohort.spec.source.builtin).extract(features)
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(["patient_id", *extract.features, features.label])
    for patient, values, label in zip(extract.ids, extract.x, extract.y, strict=True):
        writer.writerow([patient, *map(repr, map(float, values)), repr(float(label))])
    return written.getvalue()


def with_spark() -> Documents:
    """The same federation, whose lakeside asks at first for an executor that no node has room for."""
    made = documents()
    # The first round waits so long for lakeside, whose Spark waits for its executor.
    made[0]["spec"] |= {"quorum": 4, "roundTimeout": "45s"}
    for hospital in ("hillview", "lakeside"):
        cohort_of(made, hospital)["spec"]["source"] = {"csv": {"path": f"{hospital}.csv", "claim": CLAIM}}
    spark = {"executors": 1, "executorMemory": TOO_LARGE, "driverMemory": SMALL}
    cohort_of(made, "lakeside")["spec"] |= {"engine": "spark", "spark": spark}
    cohort_of(made, "riverside")["spec"] |= {"engine": "spark", "spark": {"driverMemory": SMALL}}
    for cohort in made[1:]:
        # Whatever else is on the cluster, one node of two processors has room for all.
        cohort["spec"]["agent"] = {"resources": {"requests": {"cpu": "10m"}}}
    return made


def exported(cluster: Cluster, namespace: str, image: str) -> None:
    """Fill the claim, as a hospital's own export does."""
    made = documents()
    rows = {f"{hospital}.csv": table(made, hospital) for hospital in ("hillview", "lakeside")}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}}
    restricted = {"runAsNonRoot": True, "runAsUser": 10001, "fsGroup": 10001}
    container = {
        "name": "export",
        "image": image,
        "command": ["sh", "-c", "cp /rows/*.csv /exports/"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "rows", "mountPath": "/rows"}, {"name": "exports", "mountPath": "/exports"}],
    }
    cluster.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rows"}, "data": rows},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM}, "spec": claim},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "export"},
            "spec": {
                "restartPolicy": "Never",
                "securityContext": restricted | {"seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [container],
                "volumes": [
                    {"name": "rows", "configMap": {"name": "rows"}},
                    {"name": "exports", "persistentVolumeClaim": {"claimName": CLAIM}},
                ],
            },
        },
        namespace=namespace,
    )
    done = "--for=jsonpath={.status.phase}=Succeeded"
    cluster.kubectl("wait", "pod/export", f"--namespace={namespace}", done, "--timeout=60s")


@pytest.fixture(scope="module")
def applied(cluster: Cluster, release: Release, images: dict[str, str]) -> Iterator[Applied]:
    """The federation with Spark."""
    assert release
    with cluster.namespace("spark") as namespace:
        exported(cluster, namespace, images["agent"])
        found = Applied(cluster, namespace, yaml.safe_dump_all(with_spark()))
        found.apply()
        yield found


def hospital(status: Status, name: str) -> dict[str, Any]:
    """What a status says of a hospital."""
    return next((each for each in status.get("hospitals", []) if each["name"] == name), {})


def executors(applied: Applied) -> list[dict[str, Any]]:
    """The executors' pods, whatever they do."""
    found: list[dict[str, Any]] = applied.cluster.get("pods", f"--namespace={applied.namespace}", EXECUTORS)["items"]
    return found


def test_an_executor_without_a_node_is_told_and_the_others_go_on(applied: Applied) -> None:
    told = applied.until(lambda s: hospital(s, "lakeside").get("problem") == "ExecutorMissing", "an executor is told")
    assert "cannot be scheduled" in hospital(told, "lakeside")["reason"]
    assert "memory" in hospital(told, "lakeside")["reason"]
    reached = applied.until(lambda s: s.get("round", 0) >= 1, "a round without it", TRAINING_SECONDS)
    assert reached["phase"] in ("Training", "Complete")
    assert hospital(reached, "riverside").get("problem") is None


def test_with_a_smaller_one_the_model_is_the_one_without_spark(applied: Applied, release: Release) -> None:
    applied.until_complete(TRAINING_SECONDS)
    patch = json.dumps({"spec": {"spark": {"executorMemory": SMALL}}})
    here = f"--namespace={applied.namespace}"
    applied.cluster.kubectl("patch", "cohort", "lakeside-2024", here, "--type=merge", "--patch", patch)
    applied.until(
        lambda s: hospital(s, "lakeside").get("problem") is None, "the executor runs, and nothing is told any more"
    )
    applied.edit(run=2, quorum=5)
    assert_same_model(applied, release, 2)


def assert_same_model(applied: Applied, release: Release, run: int) -> None:
    """All five are in this run, and its model is the one without Spark."""
    complete = applied.until(
        lambda s: s.get("run") == run and s["phase"] == "Complete", f"run {run} is complete", TRAINING_SECONDS
    )
    assert complete["hospitalsReady"] == "5/5"
    expected = computed_parameters(yaml.safe_dump_all(documents()))
    assert np.abs(applied.parameters(release) - expected).max() < 1e-9


def test_the_executor_is_a_restricted_pod_of_its_hospitals_without_a_token(applied: Applied) -> None:
    (found,) = executors(applied)
    pod = applied.cluster.get("pod", applied.pod("hospital-lakeside"), f"--namespace={applied.namespace}")
    assert found["status"]["phase"] == "Running"
    assert [owner["uid"] for owner in found["metadata"]["ownerReferences"]] == [pod["metadata"]["uid"]]
    assert found["spec"]["automountServiceAccountToken"] is False
    mounted = [m["mountPath"] for container in found["spec"]["containers"] for m in container["volumeMounts"]]
    assert not [path for path in mounted if "serviceaccount" in path or "secrets" in path]
    assert found["metadata"]["labels"]["consilia.health/hospital"] == "lakeside"


def test_lakeside_alone_may_make_pods_and_nothing_but_pods(applied: Applied) -> None:
    cluster, here = applied.cluster, f"--namespace={applied.namespace}"
    bindings = cluster.get("rolebindings", here)["items"]
    assert [each["roleRef"]["name"] for each in bindings] == ["consilia-spark-driver"]
    account = f"system:serviceaccount:{applied.namespace}:{applied.name}-hospital-lakeside"
    listed = cluster.kubectl("auth", "can-i", "--list", f"--as={account}", here)
    rights = {line.split()[0] for line in listed.splitlines()[1:] if not line.startswith((" ", "["))}
    assert "pods" in rights
    assert not rights & {"secrets", "configmaps", "services", "pods/exec", "pods/log", "statefulsets.apps"}


def test_an_executor_that_dies_is_made_again_and_its_work_with_it(applied: Applied, release: Release) -> None:
    (before,) = executors(applied)
    here = f"--namespace={applied.namespace}"
    applied.cluster.kubectl("delete", "pod", before["metadata"]["name"], here, "--grace-period=0", "--force")
    applied.edit(run=3)
    assert_same_model(applied, release, 3)
    (after,) = executors(applied)
    assert after["metadata"]["uid"] != before["metadata"]["uid"]


def test_with_the_hospital_its_executors_go(applied: Applied) -> None:
    before = {each["metadata"]["uid"] for each in executors(applied)}
    applied.delete()

    def left() -> list[str]:
        return [each["metadata"]["name"] for each in executors(applied)]

    assert before
    eventually(lambda: left() == [], 60, lambda: str(left()), pause=0.5)
    here = f"--namespace={applied.namespace}"
    eventually(
        lambda: (
            applied.cluster.get("rolebindings,serviceaccounts", here, "--selector=app.kubernetes.io/name=consilia")[
                "items"
            ]
            == []
        ),
        60,
        applied.cluster.story,
        pause=0.5,
    )
