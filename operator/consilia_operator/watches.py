"""What kopf watches for us, in a thread and an event loop of its own. It only tells: it writes nothing.

kopf ends everything that it finds in its loop when it ends, and a watch that it cannot go on with ends it; so it has a
loop to itself, and is started again. Watches are narrowed by the server to the operator's own objects.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import kopf

from consilia.backoff import delays
from consilia_operator.counts import Counts
from consilia_operator.naming import FIELD_MANAGER, Manifest

logger = logging.getLogger(__name__)

WATCHED: dict[str, tuple[str, str, str]] = {
    "Federation": ("consilia.health", "v1alpha1", "federations"),
    "Cohort": ("consilia.health", "v1alpha1", "cohorts"),
    "Pod": ("", "v1", "pods"),
    "StatefulSet": ("apps", "v1", "statefulsets"),
    "Service": ("", "v1", "services"),
    "ConfigMap": ("", "v1", "configmaps"),
    "ServiceAccount": ("", "v1", "serviceaccounts"),
    "RoleBinding": ("rbac.authorization.k8s.io", "v1", "rolebindings"),
    "Secret": ("", "v1", "secrets"),
    "PersistentVolumeClaim": ("", "v1", "persistentvolumeclaims"),
    "NetworkPolicy": ("networking.k8s.io", "v1", "networkpolicies"),
    "PodDisruptionBudget": ("policy", "v1", "poddisruptionbudgets"),
}
"""Group, version and plural by kind."""
OF_PEOPLE = ("Federation", "Cohort")
"""The kinds of which all objects are watched, and not only those that we made."""
OURS: Mapping[str, str] = {"app.kubernetes.io/managed-by": FIELD_MANAGER}
CLAIMS: Mapping[str, str] = {"app.kubernetes.io/name": "consilia"}
"""The cohorts' ledgers are among them, which nobody manages once they are made."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
INACTIVE_SECONDS = 150.0
"""A server sends a bookmark about each minute, give or take a quarter: two that are missing, and the watch is dead.
kopf's own 70 s open idle watches anew all the time."""


def labels_of(kind: str) -> Mapping[str, str] | None:
    """The labels by which the objects of a kind that concern us are told apart by the server."""
    if kind in OF_PEOPLE:
        return None
    return CLAIMS if kind == "PersistentVolumeClaim" else OURS


Seen = Callable[[bool, Manifest], None]
"""Told in the caller's event loop: whether an object is gone, and the object."""


class Watches:
    """Everything that is watched, until cancelled."""

    def __init__(self, seen: Seen, again: Callable[[], None], counts: Counts) -> None:
        """``again`` is called when the watches had ended and start anew: what happened meanwhile was not told."""
        self._seen = seen
        self._again = again
        self._counts = counts
        self._thread = ThreadPoolExecutor(1, "watches")

    async def run(self) -> None:
        """Watch until cancelled; what ends before is started again, later each time."""
        loop, pauses = asyncio.get_running_loop(), delays(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            stop = threading.Event()
            watching = loop.run_in_executor(self._thread, _watch, self._registry(loop), stop)
            try:
                await asyncio.shield(watching)
                logger.error("the watches ended; they are started again")
            except asyncio.CancelledError:
                stop.set()
                await asyncio.wait([watching])
                raise
            except Exception:  # kopf's own errors are no tree: whatever it is, the watches start again
                logger.exception("the watches ended; they are started again")
            self._counts.add("faults")
            await asyncio.sleep(next(pauses))
            self._again()

    def _registry(self, loop: asyncio.AbstractEventLoop) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        # A registry of one's own comes without a way to log in.
        kopf.on.login(registry=registry)(kopf.login_via_client)
        for kind, (group, version, plural) in WATCHED.items():
            described = {"kind": kind, "apiVersion": f"{group}/{version}" if group else version}
            kopf.on.event(group, version, plural, registry=registry)(self._handler(loop, described))
        return registry

    def _handler(self, loop: asyncio.AbstractEventLoop, described: Manifest) -> Callable[..., Any]:
        async def on_event(*, event: kopf.RawEvent, **_: Any) -> None:
            gone, manifest = event["type"] == "DELETED", {**event["object"], **described}
            loop.call_soon_threadsafe(self._seen, gone, manifest)

        return on_event


def _watch(registry: kopf.OperatorRegistry, stop: threading.Event) -> None:
    # It says that it takes no signals in a thread, which is what we want.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    asyncio.run(
        kopf.operator(registry=registry, settings=_settings(), standalone=True, clusterwide=True, stop_flag=stop)
    )


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.finalizer = "consilia.health/unused"
    # The definitions are there before we are started, and namespaces are all the same to us.
    settings.scanning.disabled = True
    settings.watching.inactivity_timeout = INACTIVE_SECONDS
    settings.watching.connect_timeout = 10.0
    for kind, resource in WATCHED.items():
        labels = labels_of(kind)
        if labels is not None:
            settings.watching.label_selectors[resource] = ",".join(f"{name}={value}" for name, value in labels.items())
    return settings
