"""What a container's end tells: out of memory, an exit code, its last word. Pure.

Of what a process said only the message that it left for this purpose is quoted, never its log: a traceback may hold a
patient's value.
"""

from datetime import datetime, timedelta

from consilia_operator.naming import HOSPITAL_LABEL, Manifest
from consilia_operator.problems import Problem, made, plain, time_of, where
from consilia_operator.reasons import Reason

STEADY = timedelta(seconds=60)
"""A container that ended and has run this long since is well again."""
REPEATED = 2
"""Restarts from which a container ends again and again."""


def ended_badly(pod: Manifest, container: Manifest, now: datetime | None, *, ready: bool) -> Problem | None:
    """One that ended and is not back, or is back and not yet known to be well. ``ready``: whether its pod is."""
    state = container.get("state") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
    if not ended or ended.get("exitCode") == 0:
        return None
    if "terminated" not in state and _well(pod, state.get("running") or {}, now, ready):
        return None
    at = time_of(ended["finishedAt"]) if ended.get("finishedAt") else None
    if (container.get("restartCount") or 0) >= REPEATED:
        return keeps_ending(pod, container, ended, at)
    message = f"{where(pod)} restarted ({_cause(pod, container, ended)})"
    return made(pod, Reason.POD_RESTARTED, message, at)


def _well(pod: Manifest, running: Manifest, now: datetime | None, ready: bool) -> bool:
    """Whether a component that runs again works again: of a hospital only its coordinator can tell."""
    if HOSPITAL_LABEL in (pod["metadata"].get("labels") or {}):
        return False
    started = running.get("startedAt")
    return ready and (now is None or started is None or now - time_of(started) >= STEADY)


def keeps_ending(pod: Manifest, container: Manifest, ended: Manifest, at: datetime | None = None) -> Problem:
    """One that ends again and again; ``ended`` is how it did last, {} where nobody knows."""
    said = f"{where(pod)} ends again and again"
    if not ended:
        return made(pod, Reason.CRASHING, f"{said}: {_log(pod)}", at)
    cause = _cause(pod, container, ended)
    if ended.get("reason") == "OOMKilled":
        return made(pod, Reason.OUT_OF_MEMORY, f"{said}: {cause}", at)
    return made(pod, Reason.CRASHING, f"{said}: {cause}: {_log(pod)}", at)


def _cause(pod: Manifest, container: Manifest, ended: Manifest) -> str:
    if ended.get("reason") == "OOMKilled":
        limit = _memory_limit(pod, container.get("name"))
        return f"OOMKilled at its memory limit{f' of {limit}' if limit else ''}: raise the limit"
    lines = (ended.get("message") or "").strip().splitlines()
    said = f": {plain(lines[-1])}" if lines else ""
    return f"{ended.get('reason') or 'Error'}, exit code {ended.get('exitCode')}{said}"


def _memory_limit(pod: Manifest, name: str | None) -> str | None:
    containers = (pod.get("spec") or {}).get("containers") or []
    limits = [(each.get("resources") or {}).get("limits") or {} for each in containers if each.get("name") == name]
    return limits[0].get("memory") if limits else None


def _log(pod: Manifest) -> str:
    described = pod["metadata"]
    return f"kubectl -n {described['namespace']} logs {described['name']} --previous says why"
