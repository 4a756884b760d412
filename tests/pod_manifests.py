"""Pods as an API server shows them, in every trouble; the workload and the Events that belong to one."""

from datetime import UTC, datetime
from typing import Any

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NAME = "f-hospital-north-0"
SET = {
    "kind": "StatefulSet",
    "metadata": {
        "namespace": "north",
        "name": "f-hospital-north",
        "uid": "set-1",
        "labels": {"app.kubernetes.io/component": "hospital", "consilia.health/hospital": "north"},
    },
}
READY = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}]


def pod(hospital: str | None = "north", component: str = "hospital", **status: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": component, "controller-revision-hash": "old"}
    name = f"f-{component}-0"
    if hospital is not None:
        labels["consilia.health/hospital"] = hospital
        name = f"f-hospital-{hospital}-0"
    return {
        "kind": "Pod",
        "metadata": {"namespace": "north", "name": name, "uid": "pod-1", "labels": labels},
        "spec": {
            "containers": [
                {"name": "beside", "resources": {"limits": {"memory": "9Gi"}}},
                {"name": component, "resources": {"limits": {"memory": "1Gi"}}},
            ],
            "volumes": [
                {"name": "tmp", "emptyDir": {}},
                {"name": "outbox", "persistentVolumeClaim": {"claimName": "f-hospital-north-outbox"}},
            ],
        },
        "status": status,
    }


def unscheduled(message: str, **more: Any) -> dict[str, Any]:
    return pod(conditions=[{"type": "PodScheduled", "status": "False", "message": message, **more}])


def waiting(reason: str, message: str = "", **container: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return pod(containerStatuses=[{"name": "hospital", "image": "reg/x:1", "state": state, **container}])


def crashing(**ended: Any) -> dict[str, Any]:
    return waiting("CrashLoopBackOff", "back-off 20s", restartCount=4, lastState={"terminated": ended})


def again(
    component: str = "hospital", hospital: str | None = "north", restarts: int = 1, ready: bool = True, **ended: Any
) -> dict[str, Any]:
    """A container that ended and runs again."""
    status = {
        "name": component,
        "image": "reg/x:1",
        "restartCount": restarts,
        "state": {"running": {"startedAt": "2026-11-24T12:00:00Z"}},
        "lastState": {"terminated": {"finishedAt": "2026-11-24T11:59:59Z"} | ended},
    }
    return pod(hospital, component, containerStatuses=[status], conditions=READY if ready else [])


def event(reason: str, message: str, uid: str = "pod-1", count: int = 1) -> dict[str, Any]:
    return {"reason": reason, "message": message, "count": count, "involvedObject": {"uid": uid}}


OOM = {"reason": "OOMKilled", "exitCode": 137}
POD = f"Pod north/{NAME}"
STORAGE = "create that StorageClass, name one that can provide it, or see what kubectl describe says of the claim"
LOG = f"kubectl -n north logs {NAME} --previous says why"
