"""What a hospital with Spark is given: rights only where it has executors, and memory for Java beside its own."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from consilia.plan import Component
from consilia.pod import quantity
from consilia.tokens import generate_keypair
from consilia_operator.naming import Manifest, component_of
from consilia_operator.pods import pod_problems
from consilia_operator.resources.everything import everything
from consilia_operator.resources.network import services
from consilia_operator.resources.secrets import SigningKey
from consilia_operator.resources.site import Site
from consilia_operator.resources.spark import ROLE, driver_rights, spark_files
from consilia_operator.resources.workloads import stateful_set
from consilia_operator.standing import KEPT
from pod_manifests import unscheduled
from sites import IMAGES, site

EXECUTORS = {"engine": "spark", "spark": {"executors": 2, "executorMemory": "2Gi", "driverMemory": "1.5Gi"}}
RIGHTS = {"ServiceAccount", "RoleBinding"}
ALONE = {"engine": "spark", "spark": {"executors": 0}}


def made(spec: dict[str, Any], **more: Any) -> tuple[Site, Component]:
    """A site whose hospital north has this cohort, and that hospital's component."""
    found = site(specs={"north": spec}, namespaces={"north": "clinic"}, **more)
    return found, found.plan.component("hospital-north")


def pod_of(spec: dict[str, Any], **more: Any) -> Manifest:
    """The specification of the hospital's pod."""
    found = stateful_set(*made(spec, **more), "revision")
    assert found is not None
    specification: Manifest = found["spec"]["template"]["spec"]
    return specification


def conf(spec: dict[str, Any], **more: Any) -> dict[str, str]:
    """Spark's settings, as the hospital's process reads them."""
    lines = spark_files(*made(spec, **more))["spark.conf"].splitlines()
    return dict(line.split(" ", 1) for line in lines)


def test_a_hospital_with_executors_has_an_account_of_its_own_and_one_role_in_its_namespace() -> None:
    account, binding = driver_rights(*made(EXECUTORS))
    name = account["metadata"]["name"]
    assert (account["kind"], account["metadata"]["namespace"]) == ("ServiceAccount", "clinic")
    assert (binding["kind"], binding["metadata"]["namespace"]) == ("RoleBinding", "clinic")
    assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ROLE}
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": name, "namespace": "clinic"}]
    assert {each["kind"] for each in account["metadata"]["ownerReferences"]} == {"Cohort"}
    found = pod_of(EXECUTORS)
    assert (found["serviceAccountName"], found["automountServiceAccountToken"]) == (name, True)


@pytest.mark.parametrize("spec", [pytest.param({}, id="scikit-learn"), pytest.param(ALONE, id="Spark in its pod")])
def test_without_executors_nobody_gets_any_right_or_port(spec: dict[str, Any]) -> None:
    found, component = made(spec)
    assert driver_rights(found, component) == []
    assert services(found, component) == []
    specification = pod_of(spec)
    assert specification["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in specification
    assert not {each["kind"] for each in objects(found)} & RIGHTS


@pytest.mark.parametrize("spec", [EXECUTORS, ALONE], ids=["with executors", "alone"])
def test_sparks_rows_are_on_nothing_that_outlives_the_pod(spec: dict[str, Any]) -> None:
    found = pod_of(spec)
    (container,) = found["containers"]
    (folder,) = [each["value"] for each in container["env"] if each["name"] == "CONSILIA_SCRATCH"]
    (mount,) = [each["name"] for each in container["volumeMounts"] if each["mountPath"] == folder]
    (volume,) = [each for each in found["volumes"] if each["name"] == mount]
    assert volume == {"name": mount, "emptyDir": {}}


def test_rights_are_there_before_the_pod_that_uses_them() -> None:
    kinds = [each["kind"] for each in objects(made(EXECUTORS)[0])]
    assert set(kinds) >= RIGHTS
    assert max(map(kinds.index, RIGHTS)) < kinds.index("StatefulSet")


def objects(found: Site) -> list[Manifest]:
    """Every object of a federation."""
    return everything(found, {}, SigningKey(*generate_keypair()), datetime(2026, 11, 24, tzinfo=UTC))


def test_spark_is_told_where_its_parts_are_by_the_names_that_the_cluster_has_for_them() -> None:
    found, component = made(EXECUTORS)
    (service,) = services(found, component)
    workload = stateful_set(found, component, "revision")
    told = conf(EXECUTORS)
    assert workload is not None
    assert told["spark.driver.host"] == f"{service['metadata']['name']}.clinic.svc"
    assert service["spec"]["clusterIP"] == "None"
    assert {p["name"]: str(p["port"]) for p in service["spec"]["ports"]} == {
        "driver": told["spark.driver.port"],
        "blocks": told["spark.blockManager.port"],
    }
    assert told["spark.kubernetes.driver.pod.name"] == f"{workload['metadata']['name']}-0"
    assert told["spark.kubernetes.namespace"] == "clinic"
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    assert told["spark.kubernetes.container.image"] == container["image"] == IMAGES["spark"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    folder, _, name = environment["CONSILIA_SPARK_CONF"].rpartition("/")
    assert name in spark_files(found, component)
    assert told["spark.kubernetes.executor.podTemplateFile"].startswith(f"{folder}/")


@pytest.mark.parametrize(
    ("spark", "expected"),
    [
        pytest.param(
            {"executors": 2, "executorMemory": "2Gi", "executorCores": 3},
            {"spark.executor.instances": "2", "spark.executor.memory": "2048m", "spark.executor.cores": "3"},
            id="so many",
        ),
        pytest.param(
            {"executors": 1, "maxExecutors": 4},
            {
                "spark.executor.instances": "1",
                "spark.dynamicAllocation.enabled": "true",
                "spark.dynamicAllocation.minExecutors": "1",
                "spark.dynamicAllocation.maxExecutors": "4",
            },
            id="as many as the work needs",
        ),
    ],
)
def test_the_cohort_says_how_much_spark_takes(spark: dict[str, Any], expected: dict[str, str]) -> None:
    told = conf({"engine": "spark", "spark": spark})
    assert expected.items() <= told.items()
    assert ("spark.dynamicAllocation.enabled" in told) is ("maxExecutors" in spark)


def test_driver_and_executors_know_one_another_by_a_secret_and_encrypt() -> None:
    told = conf(EXECUTORS)
    assert told["spark.authenticate"] == told["spark.network.crypto.enabled"] == "true"


def test_an_executor_is_as_restricted_as_its_hospital_reads_its_data_and_has_no_token_and_no_secret() -> None:
    agent = {"nodeSelector": {"pool": "records"}, "tolerations": [{"key": "records"}]}
    source = {"parquet": {"path": "rows", "claim": "exports"}, "credentials": "warehouse"}
    found, component = made(EXECUTORS | {"source": source}, agents={"north": agent})
    template = json.loads(spark_files(found, component)["executor.json"])
    hospital, executor = pod_of(EXECUTORS | {"source": source}, agents={"north": agent}), template["spec"]
    for name in ("securityContext", "nodeSelector", "tolerations", "enableServiceLinks"):
        assert executor[name] == hospital[name]
    assert executor["automountServiceAccountToken"] is False
    (container,), (ours,) = executor["containers"], hospital["containers"]
    assert container["securityContext"] == ours["securityContext"]
    mounts = {mount["name"]: mount for mount in ours["volumeMounts"]}
    assert mounts["credentials"]["readOnly"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {"tmp", "data"}
    assert next(m for m in container["volumeMounts"] if m["name"] == "data") == mounts["data"]
    assert [v for v in executor["volumes"] if v["name"] != "tmp"] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "exports", "readOnly": True}}
    ]
    assert component_of(template["metadata"]["labels"]) == "executors-north"


def test_data_and_credentials_are_where_the_process_is_told_and_only_to_read() -> None:
    spec = {"source": {"csv": {"path": "a.csv", "claim": "exports"}, "credentials": "warehouse"}}
    specification = pod_of(spec)
    (container,) = specification["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in specification["volumes"]}
    assert mounts["data"] == {"name": "data", "mountPath": environment["CONSILIA_DATA"], "readOnly": True}
    assert mounts["credentials"]["mountPath"] == environment["CONSILIA_CREDENTIALS"]
    assert volumes["data"]["persistentVolumeClaim"] == {"claimName": "exports", "readOnly": True}
    assert volumes["credentials"]["secret"]["secretName"] == "warehouse"


@pytest.mark.parametrize(
    ("spec", "beside"),
    [
        pytest.param({}, 0, id="scikit-learn"),
        pytest.param(ALONE, 1024 * 1.4, id="a heap of 1Gi"),
        pytest.param({"engine": "spark", "spark": {"driverMemory": "512Mi"}}, 512 + 384, id="the least"),
        pytest.param({"engine": "spark", "spark": {"driverMemory": "8Gi"}}, 8192 * 1.4, id="one of 8Gi"),
    ],
)
def test_a_hospitals_memory_leaves_room_for_java(spec: dict[str, Any], beside: float) -> None:
    (container,) = pod_of(spec)["containers"]
    found = {name: float(quantity(amounts["memory"])) / 2**20 for name, amounts in container["resources"].items()}
    assert found["requests"] - 256 == pytest.approx(beside, abs=1)
    assert found["limits"] - 1024 == pytest.approx(beside, abs=1)


def test_a_cohort_that_takes_to_spark_in_mid_run_takes_its_image_too() -> None:
    agents = {"hospital-north": IMAGES["hospital"], "hospital-south": IMAGES["hospital"].replace(":1.0", ":0.9")}
    found, component = made(ALONE, stamped=agents)
    workload = stateful_set(found, component, "revision")
    assert workload is not None
    assert workload["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGES["spark"]
    kept = stateful_set(found, found.plan.component("hospital-south"), "revision")
    assert kept is not None
    assert kept["spec"]["template"]["spec"]["containers"][0]["image"] == agents["hospital-south"]


def test_an_image_of_the_cohorts_own_is_that_of_its_executors() -> None:
    image = "registry.example:5000/consilia-spark:next"
    assert conf(EXECUTORS, agents={"north": {"image": image}})["spark.kubernetes.container.image"] == image
    found, component = made(EXECUTORS, agents={"north": {"image": "elsewhere/spark:1"}})
    assert spark_files(found, component) == {}, "nothing runs of an image that is not allowed"


def executor(found: Manifest) -> Manifest:
    """The pod as an executor of the same hospital."""
    labels = found["metadata"]["labels"] | {"app.kubernetes.io/component": "executors"}
    described = found["metadata"] | {"name": "spark-1-exec-1", "labels": labels}
    return found | {"metadata": described, "status": {"phase": "Pending"} | found["status"]}


def test_an_executor_that_finds_no_node_is_told_and_hinders_nothing() -> None:
    told = pod_problems([executor(unscheduled("0/1 nodes are available: 1 Insufficient memory."))])
    (problem,) = told
    assert (problem.component, problem.hospital) == ("executors-north", "north")
    assert problem.reason in KEPT
    assert problem.message == (
        "Pod north/spark-1-exec-1 cannot be scheduled: 0/1 nodes are available: 1 Insufficient memory: free memory on "
        "a node, add a node, or lower what it requests"
    )


@pytest.mark.parametrize("phase", ["Running", "Succeeded", "Failed"])
def test_an_executor_that_ran_is_sparks_to_look_after(phase: str) -> None:
    found = executor(unscheduled("0/1 nodes are available"))
    assert pod_problems([found | {"status": found["status"] | {"phase": phase}}]) == []
