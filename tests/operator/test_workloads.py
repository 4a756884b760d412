"""How a component's pod is made: as its owner says, else as the component needs."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from consilia_operator.naming import Manifest
from consilia_operator.resources.storage import claim_name
from consilia_operator.resources.workloads import stateful_set
from sites import site


def pod_of(name: str = "hospital-north", agent: dict[str, Any] | None = None, **more: Any) -> Manifest:
    """The pod's specification of one component."""
    made = site(agents={"north": agent or {}}, **more)
    found = stateful_set(made, made.plan.component(name), "revision")
    assert found is not None
    pod: Manifest = found["spec"]["template"]["spec"]
    return pod


def resources_of(agent: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    (container,) = pod_of(agent={"resources": agent})["containers"]
    return container["resources"]["requests"], container["resources"]["limits"]


@pytest.mark.parametrize(
    ("wished", "requests", "limits"),
    [
        pytest.param({}, {"cpu": "100m", "memory": "256Mi"}, {"memory": "1Gi"}, id="nothing"),
        pytest.param(
            {"requests": {"cpu": "2"}, "limits": {"memory": "4Gi"}},
            {"cpu": "2", "memory": "256Mi"},
            {"memory": "4Gi"},
            id="each amount by itself",
        ),
        pytest.param(
            {"requests": {"memory": "2Gi"}},
            {"cpu": "100m", "memory": "2Gi"},
            {"memory": "2Gi"},
            id="a request above the component's own limit raises it",
        ),
        pytest.param(
            {"limits": {"memory": "128Mi", "cpu": "50m"}},
            {"cpu": "50m", "memory": "128Mi"},
            {"memory": "128Mi", "cpu": "50m"},
            id="a limit below the component's own request lowers it",
        ),
        pytest.param(
            {"requests": {"memory": "512Mi"}, "limits": {"memory": "512Mi"}},
            {"cpu": "100m", "memory": "512Mi"},
            {"memory": "512Mi"},
            id="both alike",
        ),
    ],
)
def test_what_is_wished_goes_before_the_components_own(
    wished: dict[str, Any], requests: dict[str, str], limits: dict[str, str]
) -> None:
    assert resources_of(wished) == (requests, limits)


@pytest.mark.parametrize("component", ["broker", "coordinator", "tracking"])
def test_a_federations_owner_decides_of_the_other_pods(component: str) -> None:
    wish = {"resources": {"limits": {"memory": "3Gi"}}, "nodeSelector": {"example.com/pool": "ml"}}
    pod = pod_of(component, spec={component: wish})
    assert pod["containers"][0]["resources"]["limits"]["memory"] == "3Gi"
    assert pod["nodeSelector"] == {"example.com/pool": "ml"}
    others = {"broker", "coordinator", "tracking", "hospital-north"} - {component}
    assert all(pod_of(other, spec={component: wish}) == pod_of(other) for other in others)


def test_a_federations_owner_decides_nothing_of_a_hospitals_pod() -> None:
    wish = {"resources": {"limits": {"memory": "9Gi"}}, "nodeSelector": {"theirs": "yes"}}
    spec = dict.fromkeys(("broker", "coordinator", "tracking"), wish)
    assert pod_of(spec=spec) == pod_of()


def test_where_a_pod_may_run_is_said_in_kubernetes_own_words() -> None:
    taints = [
        {"key": "dedicated", "operator": "Equal", "value": "hospital", "effect": "NoSchedule"},
        {"operator": "Exists"},
    ]
    pod = pod_of(agent={"nodeSelector": {"disk": "ssd"}, "tolerations": taints})
    assert pod["nodeSelector"] == {"disk": "ssd"}
    assert pod["tolerations"] == taints


def test_where_nothing_is_said_the_scheduler_decides() -> None:
    assert not {"nodeSelector", "tolerations"} & set(pod_of())


def test_a_ledger_is_where_its_volume_is_mounted_and_its_agent_may_write() -> None:
    pod = pod_of()
    (container,) = pod["containers"]
    (folder,) = [each["value"] for each in container["env"] if each["name"] == "CONSILIA_LEDGER"]
    (mount,) = [each for each in container["volumeMounts"] if each["mountPath"] == folder]
    (volume,) = [each for each in pod["volumes"] if each["name"] == mount["name"]]
    assert volume["persistentVolumeClaim"] == {"claimName": "north-2024-ledger"}
    assert not mount.get("readOnly")
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]


def test_a_hospitals_pod_mounts_its_outbox_and_its_cohorts_ledger() -> None:
    claimed = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in pod_of()["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claimed == {"outbox": "breast-cancer-hospital-north-outbox", "ledger": "north-2024-ledger"}
    mounts = {mount["name"]: mount["mountPath"] for mount in pod_of()["containers"][0]["volumeMounts"]}
    assert mounts["ledger"] == "/var/lib/consilia/ledger"
    made = site()
    assert claim_name(made, made.plan.component("hospital-north"), "ledger") == claimed["ledger"]


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        pytest.param(None, "http://consilia-mlflow.consilia-system.svc:5000", id="the installation's"),
        pytest.param("https://mlflow.example/team", "https://mlflow.example/team", id="the federation's own"),
    ],
)
def test_runs_are_recorded_where_the_federation_says_else_where_the_installation_does(
    uri: str | None, expected: str
) -> None:
    (container,) = pod_of("tracking", spec={"tracking": {"mlflowUri": uri} if uri else {}})["containers"]
    assert {"name": "MLFLOW_TRACKING_URI", "value": expected} in container["env"]


@pytest.mark.parametrize("component", site().components, ids=lambda component: component.name)
def test_every_pod_meets_the_restricted_standard_and_holds_no_token(component: Any) -> None:
    wish = {"resources": {"requests": {"cpu": "1"}}}
    pod = pod_of(component.name, wish, spec=dict.fromkeys(("broker", "coordinator", "tracking"), wish))
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert container["resources"]["limits"]["memory"]


def test_a_hospital_is_alive_while_its_pulse_is_young(tmp_path: Path) -> None:
    (container,) = pod_of()["containers"]
    (named,) = [each["value"] for each in container["env"] if each["name"] == "CONSILIA_PULSE_FILE"]
    pulse = tmp_path / "pulse"
    command = [part.replace(named, str(pulse)) for part in container["livenessProbe"]["exec"]["command"]]
    command[0] = sys.executable

    def alive() -> bool:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    assert not alive()
    pulse.touch()
    assert alive()
    os.utime(pulse, (0, 0))
    assert not alive()


@pytest.mark.parametrize("component", ["broker", "coordinator", "hospital-north"])
def test_what_rounds_need_is_looked_after(component: str) -> None:
    (container,) = pod_of(component)["containers"]
    assert container["livenessProbe"]["periodSeconds"] * container["livenessProbe"].get("failureThreshold", 3) <= 90
