"""What pods tell: why one does not run and what to do about it, and which one is stuck on an old revision. Pure.

Every message names the object (kind, namespace/name) and the remedy.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from consilia_operator.endings import ended_badly, keeps_ending
from consilia_operator.naming import COMPONENT_LABEL, EXECUTORS, Manifest
from consilia_operator.problems import Problem, made, named, plain, time_of, where
from consilia_operator.reasons import Reason

REVISION_LABEL = "controller-revision-hash"
GRACE = timedelta(seconds=10)
"""How long a pod may look for a node or a volume before that is a problem: claims are bound, old pods end meanwhile."""

HICCUPS = 2
"""Attempts to mount a volume that may fail for reasons that are over by themselves."""

_NO_CLAIM = re.compile(r'persistentvolumeclaim "([^"]+)" not found')
_NO_OBJECT = re.compile(r'\b(secret|configmap) "([^"]+)" not found', re.IGNORECASE)
_NO_KEY = re.compile(r"couldn't find key (\S+) in (Secret|ConfigMap) (\S+)")
_NO_SECRET_KEY = re.compile(r"references non-existent (secret|config) key: (\S+)")
_INSUFFICIENT = re.compile(r"Insufficient ([\w./-]*\w)")
_KINDS = {"secret": ("Secret", Reason.SECRET_MISSING), "configmap": ("ConfigMap", Reason.CONFIG_MAP_MISSING)}
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_REFUSED = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")


def pod_problems(
    pods: Sequence[Manifest],
    events: Iterable[Manifest] = (),
    sets: Iterable[Manifest] = (),
    now: datetime | None = None,
    claims: Iterable[Manifest] = (),
) -> list[Problem]:
    """What keeps each pod, and each StatefulSet of ``sets`` without its pod, from running: one problem a component.

    ``events``: core/v1 Events of pods and StatefulSets, of which only those of these very objects count. ``claims``:
    the PersistentVolumeClaims that are known. Before :data:`GRACE` is over at ``now`` a pod may still look for its node
    and its volumes; without ``now`` it may not.
    """
    seen = _Seen(list(events), list(claims), now)
    found = [_told(pod, seen) for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    there = {(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in pods}
    found += [_refusal(each, seen.events) for each in sets if _pod_of(each) not in there]
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


@dataclass(frozen=True)
class _Seen:
    """What is known beside the pods."""

    events: list[Manifest]
    claims: list[Manifest]
    now: datetime | None


def _told(pod: Manifest, seen: _Seen) -> Problem | None:
    """An executor is one of several, and Spark makes another in place of one that ended: nothing stops without it."""
    if (pod["metadata"].get("labels") or {}).get(COMPONENT_LABEL) != EXECUTORS:
        return _problem(pod, seen)
    if (pod.get("status") or {}).get("phase") != "Pending":
        return None
    found = _problem(pod, seen)
    return None if found is None else replace(found, reason=Reason.EXECUTOR_MISSING.value)


def _problem(pod: Manifest, seen: _Seen) -> Problem | None:
    scheduled = _condition(pod, "PodScheduled")
    if scheduled is not None and scheduled["status"] == "False":
        looking = _within_grace(scheduled.get("lastTransitionTime"), seen.now)
        return None if looking else _unscheduled(pod, scheduled, seen.claims)
    for container in (pod.get("status") or {}).get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting")
        found = (
            ended_badly(pod, container, seen.now, ready=is_ready(pod))
            if waiting is None
            else _waiting(pod, container, waiting)
        )
        if found is not None:
            return found
    return None if is_ready(pod) else _unmounted(pod, seen.events)


def _within_grace(since: str | None, now: datetime | None) -> bool:
    return since is not None and now is not None and now - time_of(since) < GRACE


# No node.


def _unscheduled(pod: Manifest, scheduled: Manifest, known: list[Manifest]) -> Problem:
    said = plain(scheduled.get("message") or scheduled.get("reason") or "the scheduler gives no reason")
    missing = _NO_CLAIM.search(said)
    if missing:
        claim = named(pod, "PersistentVolumeClaim", missing[1])
        message = f"{where(pod)} needs {claim}, which does not exist: create it, or correct the name that was given"
        return made(pod, Reason.CLAIM_MISSING, message)
    if "unbound immediate PersistentVolumeClaims" in said:
        claims = " and ".join(_pending_claims(pod, known)) or "its PersistentVolumeClaim"
        message = (
            f"{where(pod)} waits for storage, as {claims} gets none: create that StorageClass, name one that can "
            "provide it, or see what kubectl describe says of the claim"
        )
        return made(pod, Reason.CLAIM_PENDING, message)
    return made(pod, Reason.UNSCHEDULABLE, f"{where(pod)} cannot be scheduled: {said}: {_room(said)}")


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


def _pending_claims(pod: Manifest, known: list[Manifest]) -> list[str]:
    """Its claims that get no volume; all of them where nothing is known of any."""
    volumes = (pod.get("spec") or {}).get("volumes") or []
    names = [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume]
    namespace = pod["metadata"]["namespace"]
    pending = [
        claim
        for claim in known
        if claim["metadata"]["namespace"] == namespace
        and claim["metadata"]["name"] in names
        and (claim.get("status") or {}).get("phase") == "Pending"
    ]
    if not pending:
        return [named(pod, "PersistentVolumeClaim", name) for name in names]
    return [f"{named(pod, 'PersistentVolumeClaim', claim['metadata']['name'])}{_class(claim)}" for claim in pending]


def _class(claim: Manifest) -> str:
    name = (claim.get("spec") or {}).get("storageClassName")
    return f" (StorageClass {name})" if name else " (the cluster's default StorageClass)"


# A container that waits.


def _waiting(pod: Manifest, container: Manifest, waiting: Manifest) -> Problem | None:
    reason, said = waiting.get("reason") or "", plain(waiting.get("message") or "")
    if reason in _IMAGE:
        return made(pod, Reason.IMAGE_UNAVAILABLE, _image(pod, container, reason, said))
    if reason in _REFUSED:
        return _absent(pod, said) or made(
            pod,
            Reason.CONTAINER_REFUSED,
            f"{where(pod)} cannot start its container ({reason}): {said or 'no reason is given'}: mend what is named",
        )
    if reason == "CrashLoopBackOff":
        ended = (container.get("lastState") or {}).get("terminated") or {}
        return keeps_ending(pod, container, ended)
    return None


def _image(pod: Manifest, container: Manifest, reason: str, said: str) -> str:
    image = container.get("image") or "?"
    if reason == "InvalidImageName":
        return f'{where(pod)}: "{image}" is not the name of an image: correct it'
    if reason == "ErrImageNeverPull":
        return f'{where(pod)}: image "{image}" is not on the node and may not be pulled: load it, or correct its name'
    # The node says ErrImagePull and ImagePullBackOff in turn: one sentence for both, or it would change all the time.
    why = said if reason == "ErrImagePull" else said.partition("ErrImagePull: ")[2]
    because = f" ({why})" if why else ""
    return (
        f'{where(pod)}: image "{image}" cannot be pulled{because}: correct its name, or see that the node can '
        "reach its registry and may read it"
    )


def _absent(pod: Manifest, said: str) -> Problem | None:
    """A Secret, a ConfigMap or a key of one that the node looked for in vain."""
    missing = _NO_OBJECT.search(said)
    if missing:
        kind, reason = _KINDS[missing[1].lower()]
        message = f"{where(pod)} needs {named(pod, kind, missing[2])}, which does not exist: create it"
        return made(pod, reason, f"{message}, or correct the name that was given")
    key = _NO_KEY.search(said)
    if key:
        kind, reason = _KINDS[key[2].lower()]
        return made(pod, reason, f'{where(pod)} needs the key "{key[1]}" of {kind} {key[3]}: add it')
    return None


# What only Events tell.


def _about(manifest: Manifest, events: list[Manifest], reason: str) -> list[Manifest]:
    """The Events of this very object: a pod that was made again has its predecessor's name."""
    uid = manifest["metadata"].get("uid")
    return [e for e in events if e.get("reason") == reason and (e.get("involvedObject") or {}).get("uid") == uid]


def _unmounted(pod: Manifest, events: list[Manifest]) -> Problem | None:
    failed = _about(pod, events, "FailedMount")
    for event in reversed(failed):
        said = plain(event.get("message") or "")
        found = _absent(pod, said)
        if found is not None:
            return found
        key = _NO_SECRET_KEY.search(said)
        if key:
            kind, reason = _KINDS["secret" if key[1] == "secret" else "configmap"]
            return made(pod, reason, f'{where(pod)} needs the key "{key[2]}" of a {kind} that it mounts: add it')
    repeated = [event for event in failed if (event.get("count") or 1) > HICCUPS]
    if repeated:
        said = plain(repeated[-1].get("message") or "")
        return made(pod, Reason.MOUNT_FAILED, f"{where(pod)} cannot mount a volume: {said}: mend what is named")
    return None


def _refusal(stateful_set: Manifest, events: list[Manifest]) -> Problem | None:
    """A StatefulSet whose pod the API server does not let in."""
    failed = _about(stateful_set, events, "FailedCreate")
    if not failed:
        return None
    said = plain(failed[-1].get("message") or "no reason is given").partition("failed error: ")
    why = said[2] or said[0]
    namespace = stateful_set["metadata"]["namespace"]
    message = f"{where(stateful_set)} may not make its pod: {why}: {_permission(why, namespace)}"
    return made(stateful_set, Reason.POD_REFUSED, message)


def _permission(why: str, namespace: str) -> str:
    if "exceeded quota" in why or "failed quota" in why:
        return f"raise the ResourceQuota of namespace {namespace}, or lower what the pod requests"
    if "PodSecurity" in why:
        return f"let the pod security level of namespace {namespace} allow it"
    return "mend what the API server names"
