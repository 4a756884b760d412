"""What pods tell: why one does not run, and which one is stuck on an old revision. Pure."""

from consilia_operator.naming import COMPONENT_LABEL, HOSPITAL_LABEL, Manifest

REVISION_LABEL = "controller-revision-hash"
WAITING = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CrashLoopBackOff")


def pod_problems(pods: list[Manifest]) -> dict[str, str]:
    """A sentence for every component whose pod cannot run, by hospital, or by component for the others."""
    problems = {}
    for pod in pods:
        labels = pod["metadata"].get("labels", {})
        reason = _problem(pod)
        if reason is not None:
            problems[labels.get(HOSPITAL_LABEL) or labels.get(COMPONENT_LABEL, "?")] = reason
    return problems


def stuck_pods(pods: list[Manifest], sets: list[Manifest]) -> list[tuple[str, str]]:
    """Pods that never became ready on an old revision: a StatefulSet waits for them for ever (kubernetes #67250)."""
    updated = {
        (s["metadata"]["namespace"], s["metadata"]["name"]): (s.get("status") or {}).get("updateRevision") for s in sets
    }
    stuck = []
    for pod in pods:
        described = pod["metadata"]
        wanted = updated.get((described["namespace"], described["name"].rpartition("-")[0]))
        current = described.get("labels", {}).get(REVISION_LABEL)
        if wanted and current and wanted != current and not _ready(pod) and not described.get("deletionTimestamp"):
            stuck.append((described["namespace"], described["name"]))
    return stuck


def settled(pods: list[Manifest]) -> bool:
    """Whether every pod is ready: nothing to look after."""
    return all(_ready(pod) for pod in pods)


def _ready(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _problem(pod: Manifest) -> str | None:
    name = pod["metadata"]["name"]
    status = pod.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"pod {name} cannot be scheduled: {condition.get('message', '')}"
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in WAITING:
            return f"pod {name}: {waiting['reason']}: {waiting.get('message') or container['image']}{_last(container)}"
    return None


def _last(container: Manifest) -> str:
    ended = (container.get("lastState") or {}).get("terminated") or {}
    return f" (it ended with {ended.get('reason')}, exit code {ended.get('exitCode')})" if ended else ""
