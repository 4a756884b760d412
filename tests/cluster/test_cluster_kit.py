"""The cluster that the other tests stand on does what a cluster does, and our images run on it as restricted pods."""

import json
from typing import Any

import pytest

from cluster.kit.cluster import Cluster, KubectlFailed

pytestmark = pytest.mark.cluster

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(image: str, *, command: list[str] | None = None, claim: str | None = None) -> dict[str, Any]:
    """A pod that runs once, as restricted as pods can be, and tells its last words."""
    volume = {"persistentVolumeClaim": {"claimName": claim}} if claim else {"emptyDir": {}}
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": RESTRICTED,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "folder", "mountPath": "/tmp"}],  # noqa: S108  # the pod's own
    }
    if command:
        container["command"] = command
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "once"},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [container],
            "volumes": [{"name": "folder", **volume}],
        },
    }


def outcome(cluster: Cluster, namespace: str, *objects: dict[str, Any]) -> tuple[int, str]:
    """Run a pod to its end: its exit code, and what it wrote."""
    cluster.apply(*objects, namespace=namespace)
    within = f"--namespace={namespace}"
    ended = "--for=jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
    cluster.kubectl("wait", "pod/once", within, ended, "--timeout=60s")
    state = cluster.get("pod/once", within)["status"]["containerStatuses"][0]["state"]["terminated"]
    return state["exitCode"], cluster.kubectl("logs", "once", within)


def test_the_nodes_are_ready_and_of_the_version_that_is_pinned(cluster: Cluster) -> None:
    nodes = cluster.get("nodes")["items"]
    assert nodes
    for node in nodes:
        conditions = {each["type"]: each["status"] for each in node["status"]["conditions"]}
        assert conditions["Ready"] == "True"


def test_a_restricted_pod_finds_services_by_name_and_reaches_them(cluster: Cluster, images: dict[str, str]) -> None:
    program = "import socket; socket.create_connection(('kubernetes.default.svc', 443), 5); print('reached')"
    with cluster.namespace() as namespace:
        code, told = outcome(cluster, namespace, pod(images["coordinator"], command=["python", "-c", program]))
    assert (code, told) == (0, "reached\n")


def test_a_claim_is_bound_and_a_pod_that_is_not_root_writes_to_it(cluster: Cluster, images: dict[str, str]) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "kept"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    program = "import pathlib; print(pathlib.Path('/tmp/word').write_text('kept'))"
    with cluster.namespace() as namespace:
        code, told = outcome(
            cluster, namespace, claim, pod(images["coordinator"], command=["python", "-c", program], claim="kept")
        )
        bound = cluster.get("pvc/kept", f"--namespace={namespace}")["status"]["phase"]
    assert (code, told, bound) == (0, "4\n", "Bound")


def test_a_pod_that_is_root_is_refused_in_a_namespace_for_restricted_ones(
    cluster: Cluster, images: dict[str, str]
) -> None:
    loose = pod(images["coordinator"])
    loose["spec"]["containers"][0]["securityContext"] = {"runAsUser": 0}
    with cluster.namespace() as namespace, pytest.raises(KubectlFailed, match='violates PodSecurity "restricted'):
        cluster.apply(loose, namespace=namespace)


@pytest.mark.parametrize(
    ("component", "command", "code", "says"),
    [
        pytest.param("coordinator", None, 2, "CONSILIA_", id="coordinator"),
        pytest.param("agent", None, 2, "CONSILIA_", id="agent"),
        pytest.param("dashboard", None, 2, "CONSILIA_", id="dashboard"),
        pytest.param("operator", None, 2, "CONSILIA_", id="operator"),
        pytest.param("mlflow", ["python", "-m", "consilia_coordinator.tracking"], 2, "CONSILIA_", id="tracking"),
        pytest.param("mlflow", ["python", "-m", "consilia_local.mlflow_server"], 2, "--folder", id="mlflow"),
        pytest.param("broker", None, 1, "prosody.cfg.lua", id="broker"),
    ],
)
def test_an_image_runs_read_only_and_without_root_and_says_what_setting_it_misses(
    cluster: Cluster, images: dict[str, str], component: str, command: list[str] | None, code: int, says: str
) -> None:
    with cluster.namespace(component) as namespace:
        found, told = outcome(cluster, namespace, pod(images[component], command=command))
    assert found == code, told
    assert says in told
    assert "Traceback" not in told


@pytest.mark.parametrize("component", ["coordinator", "agent", "dashboard", "operator", "mlflow"])
def test_an_image_has_nobody_but_its_user_and_no_pip_in_its_environment(
    cluster: Cluster, images: dict[str, str], component: str
) -> None:
    program = (
        "import importlib.util, json, os, pwd, sys; import consilia.spec as spec; "
        "print(json.dumps([pwd.getpwuid(os.getuid()).pw_name, importlib.util.find_spec('pip') is not None, "
        "os.path.exists(spec.__cached__), os.access(sys.prefix, os.W_OK)]))"
    )
    with cluster.namespace(component) as namespace:
        _, told = outcome(cluster, namespace, pod(images[component], command=["python", "-c", program]))
    assert json.loads(told) == ["consilia", False, True, False]
