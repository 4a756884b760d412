"""What pods tell: why one does not run and what to do about it, and which one is stuck on an old revision. Pure.

Every message names the object (kind, namespace/name) and the remedy. Of what a process itself said only the message
that it left for this purpose is quoted, never its log: a traceback may hold a patient's value.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from consilia_operator.naming import HOSPITAL_LABEL, Manifest, component_of
from consilia_operator.reasons import Reason

REVISION_LABEL = "controller-revision-hash"
GRACE = timedelta(seconds=10)
"""How long a pod may look for a node or a volume before that is a problem: claims are bound, old pods end meanwhile."""
STEADY = timedelta(seconds=60)
"""A container that ended and has run this long since is well again."""
REPEATED = 2
"""Restarts from which a container ends again and again."""

_NO_CLAIM = re.compile(r'persistentvolumeclaim "([^"]+)" not found')
_NO_OBJECT = re.compile(r'\b(secret|configmap) "([^"]+)" not found', re.IGNORECASE)
_NO_KEY = re.compile(r"couldn't find key (\S+) in (Secret|ConfigMap) (\S+)")
_NO_SECRET_KEY = re.compile(r"references non-existent (secret|config) key: (\S+)")
_INSUFFICIENT = re.compile(r"Insufficient ([\w./-]*\w)")
_KINDS = {"secret": ("Secret", Reason.SECRET_MISSING), "configmap": ("ConfigMap", Reason.CONFIG_MAP_MISSING)}
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_REFUSED = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")


@dataclass(frozen=True)
class Problem:
    """Why a component does not work. ``at``: when its container ended, where it runs again since."""

    component: str
    hospital: str | None
    reason: str
    message: str
    at: datetime | None = None

    @property
    def sentence(self) -> str:
        """Whom it is about, what is wrong, and what to do."""
        return f"{self.hospital or self.component}: {self.message}"


def pod_problems(
    pods: Sequence[Manifest],
    events: Iterable[Manifest] = (),
    sets: Iterable[Manifest] = (),
    now: datetime | None = None,
) -> list[Problem]:
    """What keeps each pod, and each StatefulSet of ``sets`` without its pod, from running: one problem a component.

    ``events``: core/v1 Events of pods and StatefulSets, of which only those of these very objects count. Before
    :data:`GRACE` is over at ``now`` a pod may still look for its node and its volumes; without ``now`` it may not.
    """
    told = list(events)
    found = [_problem(pod, told, now) for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    there = {(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in pods}
    found += [_refusal(each, told) for each in sets if _pod_of(each) not in there]
    return sorted((problem for problem in found if problem is not None), key=lambda problem: problem.component)


def stuck_pods(pods: list[Manifest], sets: list[Manifest]) -> list[tuple[str, str]]:
    """Pods that never became ready on an old revision: a StatefulSet waits for them for ever (kubernetes #67250)."""
    updated = {_pod_of(each): (each.get("status") or {}).get("updateRevision") for each in sets}
    stuck = []
    for pod in pods:
        described = pod["metadata"]
        wanted = updated.get((described["namespace"], described["name"]))
        current = described.get("labels", {}).get(REVISION_LABEL)
        if wanted and current and wanted != current and not is_ready(pod) and not described.get("deletionTimestamp"):
            stuck.append((described["namespace"], described["name"]))
    return stuck


def is_ready(pod: Manifest) -> bool:
    """Whether the pod has the condition Ready."""
    ready = _condition(pod, "Ready")
    return ready is not None and ready["status"] == "True"


def settled(pods: Iterable[Manifest]) -> bool:
    """Whether every pod is ready: nothing to look after."""
    return all(is_ready(pod) for pod in pods)


def _pod_of(stateful_set: Manifest) -> tuple[str, str]:
    """Namespace and name of the one pod of a StatefulSet."""
    return stateful_set["metadata"]["namespace"], f"{stateful_set['metadata']['name']}-0"


def _condition(pod: Manifest, kind: str) -> Manifest | None:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == kind), None)


def _made(about: Manifest, reason: Reason, message: str, at: datetime | None = None) -> Problem:
    labels = about["metadata"].get("labels") or {}
    return Problem(component_of(labels) or "?", labels.get(HOSPITAL_LABEL), reason.value, message, at)


def _problem(pod: Manifest, events: list[Manifest], now: datetime | None) -> Problem | None:
    scheduled = _condition(pod, "PodScheduled")
    if scheduled is not None and scheduled["status"] == "False":
        return None if _within_grace(scheduled.get("lastTransitionTime"), now) else _unscheduled(pod, scheduled)
    for container in (pod.get("status") or {}).get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting")
        found = _ended(pod, container, now) if waiting is None else _waiting(pod, container, waiting)
        if found is not None:
            return found
    return None if is_ready(pod) else _unmounted(pod, events)


def _within_grace(since: str | None, now: datetime | None) -> bool:
    return since is not None and now is not None and now - time_of(since) < GRACE


# No node.


def _unscheduled(pod: Manifest, scheduled: Manifest) -> Problem:
    said = _plain(scheduled.get("message") or scheduled.get("reason") or "the scheduler gives no reason")
    missing = _NO_CLAIM.search(said)
    if missing:
        claim = _named(pod, "PersistentVolumeClaim", missing[1])
        message = f"{_where(pod)} needs {claim}, which does not exist: create it, or correct the name that was given"
        return _made(pod, Reason.CLAIM_MISSING, message)
    if "unbound immediate PersistentVolumeClaims" in said:
        claims = " and ".join(_claims(pod)) or "its PersistentVolumeClaim"
        message = (
            f"{_where(pod)} waits for storage, {claims} stays Pending: let a StorageClass provide it (kubectl describe "
            "it says why), or name one that can"
        )
        return _made(pod, Reason.CLAIM_PENDING, message)
    return _made(pod, Reason.UNSCHEDULABLE, f"{_where(pod)} cannot be scheduled: {said}: {_room(said)}")


def _room(said: str) -> str:
    """What to do, from the scheduler's own words."""
    short = " and ".join(sorted(set(_INSUFFICIENT.findall(said))))
    if short:
        return f"free {short} on a node, add a node, or lower what it requests"
    if "taint" in said:
        return "add a node without that taint, or take the taint away"
    if "volume node affinity" in said:
        return "bring the node that holds its volume back"
    return "add a node that fits, or mend what the scheduler names"


def _claims(pod: Manifest) -> list[str]:
    volumes = (pod.get("spec") or {}).get("volumes") or []
    names = [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume]
    return [_named(pod, "PersistentVolumeClaim", name) for name in names]


# A container that waits.


def _waiting(pod: Manifest, container: Manifest, waiting: Manifest) -> Problem | None:
    reason, said = waiting.get("reason") or "", _plain(waiting.get("message") or "")
    if reason in _IMAGE:
        return _made(pod, Reason.IMAGE_UNAVAILABLE, _image(pod, container, reason, said))
    if reason in _REFUSED:
        return _absent(pod, said) or _made(
            pod,
            Reason.CONTAINER_REFUSED,
            f"{_where(pod)} cannot start its container ({reason}): {said or 'no reason is given'}: mend what is named",
        )
    if reason == "CrashLoopBackOff":
        ended = (container.get("lastState") or {}).get("terminated") or {}
        return _made(pod, _crash_reason(ended), _crash(pod, container, ended))
    return None


def _image(pod: Manifest, container: Manifest, reason: str, said: str) -> str:
    image = container.get("image") or "?"
    if reason == "InvalidImageName":
        return f'{_where(pod)}: "{image}" is not the name of an image: correct it'
    if reason == "ErrImageNeverPull":
        return f'{_where(pod)}: image "{image}" is not on the node and may not be pulled: load it, or correct its name'
    # The node says ErrImagePull and ImagePullBackOff in turn: one sentence for both, or it would change all the time.
    why = said if reason == "ErrImagePull" else said.partition("ErrImagePull: ")[2]
    because = f" ({why})" if why else ""
    return (
        f'{_where(pod)}: image "{image}" cannot be pulled{because}: correct its name, or see that the node can '
        "reach its registry and may read it"
    )


def _absent(pod: Manifest, said: str) -> Problem | None:
    """A Secret, a ConfigMap or a key of one that the node looked for in vain."""
    missing = _NO_OBJECT.search(said)
    if missing:
        kind, reason = _KINDS[missing[1].lower()]
        message = f"{_where(pod)} needs {_named(pod, kind, missing[2])}, which does not exist: create it"
        return _made(pod, reason, f"{message}, or correct the name that was given")
    key = _NO_KEY.search(said)
    if key:
        kind, reason = _KINDS[key[2].lower()]
        return _made(pod, reason, f'{_where(pod)} needs the key "{key[1]}" of {kind} {key[3]}: add it')
    return None


# A container that ended.


def _ended(pod: Manifest, container: Manifest, now: datetime | None) -> Problem | None:
    """One that ended and is not back, or is back and not yet known to be well."""
    state = container.get("state") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
    if not ended or ended.get("exitCode") == 0:
        return None
    if "terminated" not in state and _well(pod, state.get("running") or {}, now):
        return None
    at = time_of(ended["finishedAt"]) if ended.get("finishedAt") else None
    if (container.get("restartCount") or 0) >= REPEATED:
        return _made(pod, _crash_reason(ended), _crash(pod, container, ended), at)
    message = f"{_where(pod)} restarted ({_cause(pod, container, ended)})"
    return _made(pod, Reason.POD_RESTARTED, message, at)


def _well(pod: Manifest, running: Manifest, now: datetime | None) -> bool:
    """Whether a component that runs again works again: of a hospital only its coordinator can tell."""
    if HOSPITAL_LABEL in (pod["metadata"].get("labels") or {}):
        return False
    started = running.get("startedAt")
    return is_ready(pod) and (now is None or started is None or now - time_of(started) >= STEADY)


def _crash_reason(ended: Manifest) -> Reason:
    return Reason.OUT_OF_MEMORY if ended.get("reason") == "OOMKilled" else Reason.CRASHING


def _crash(pod: Manifest, container: Manifest, ended: Manifest) -> str:
    if not ended:
        return f"{_where(pod)} ends again and again: {_log(pod)}"
    cause = _cause(pod, container, ended)
    remedy = "" if ended.get("reason") == "OOMKilled" else f": {_log(pod)}"
    return f"{_where(pod)} ends again and again: {cause}{remedy}"


def _cause(pod: Manifest, container: Manifest, ended: Manifest) -> str:
    if ended.get("reason") == "OOMKilled":
        limit = _memory_limit(pod, container.get("name"))
        return f"OOMKilled at its memory limit{f' of {limit}' if limit else ''}: raise the limit"
    lines = (ended.get("message") or "").strip().splitlines()
    said = f": {_plain(lines[-1])}" if lines else ""
    return f"{ended.get('reason') or 'Error'}, exit code {ended.get('exitCode')}{said}"


def _memory_limit(pod: Manifest, name: str | None) -> str | None:
    containers = (pod.get("spec") or {}).get("containers") or []
    limits = [(each.get("resources") or {}).get("limits") or {} for each in containers if each.get("name") == name]
    return limits[0].get("memory") if limits else None


def _log(pod: Manifest) -> str:
    described = pod["metadata"]
    return f"kubectl -n {described['namespace']} logs {described['name']} --previous says why"


# What only Events tell.


def _about(manifest: Manifest, events: list[Manifest], reason: str) -> list[Manifest]:
    """The Events of this very object: a pod that was made again has its predecessor's name."""
    uid = manifest["metadata"].get("uid")
    return [e for e in events if e.get("reason") == reason and (e.get("involvedObject") or {}).get("uid") == uid]


def _unmounted(pod: Manifest, events: list[Manifest]) -> Problem | None:
    failed = _about(pod, events, "FailedMount")
    for event in reversed(failed):
        said = _plain(event.get("message") or "")
        found = _absent(pod, said)
        if found is not None:
            return found
        key = _NO_SECRET_KEY.search(said)
        if key:
            kind, reason = _KINDS["secret" if key[1] == "secret" else "configmap"]
            return _made(pod, reason, f'{_where(pod)} needs the key "{key[2]}" of a {kind} that it mounts: add it')
    repeated = [event for event in failed if (event.get("count") or 1) > REPEATED]
    if repeated:
        said = _plain(repeated[-1].get("message") or "")
        return _made(pod, Reason.MOUNT_FAILED, f"{_where(pod)} cannot mount a volume: {said}: mend what is named")
    return None


def _refusal(stateful_set: Manifest, events: list[Manifest]) -> Problem | None:
    """A StatefulSet whose pod the API server does not let in."""
    failed = _about(stateful_set, events, "FailedCreate")
    if not failed:
        return None
    said = _plain(failed[-1].get("message") or "no reason is given").partition("failed error: ")
    why = said[2] or said[0]
    namespace = stateful_set["metadata"]["namespace"]
    message = f"{_where(stateful_set)} may not make its pod: {why}: {_permission(why, namespace)}"
    return _made(stateful_set, Reason.POD_REFUSED, message)


def _permission(why: str, namespace: str) -> str:
    if "exceeded quota" in why or "failed quota" in why:
        return f"raise the ResourceQuota of namespace {namespace}, or lower what the pod requests"
    if "PodSecurity" in why:
        return f"let the pod security level of namespace {namespace} allow it"
    return "mend what the API server names"


# Words.


def _where(manifest: Manifest) -> str:
    return f"{manifest.get('kind') or 'Pod'} {manifest['metadata']['namespace']}/{manifest['metadata']['name']}"


def _named(pod: Manifest, kind: str, name: str) -> str:
    return f"{kind} {pod['metadata']['namespace']}/{name}"


def _plain(text: str) -> str:
    """Somebody else's words as a part of our sentence."""
    return " ".join(text.split()).rstrip(".: ")


def time_of(text: str) -> datetime:
    """A time as Kubernetes and the coordinator write it."""
    return datetime.fromisoformat(text)
