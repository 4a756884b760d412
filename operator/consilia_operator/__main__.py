"""The operator's process: ``python -m consilia_operator``. kopf watches; everything else is ours."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import kopf

from consilia.errors import ConsiliaError, Refusal, Unavailable
from consilia_operator.cluster import Cluster, KubernetesCluster
from consilia_operator.lease import DURATION_SECONDS, RENEW_SECONDS, Lease
from consilia_operator.naming import FEDERATION_LABEL, FIELD_MANAGER
from consilia_operator.operation import Operation
from consilia_operator.reconcile import Key, Reconciler
from consilia_operator.settings import Settings
from consilia_operator.signing import signing_key

logger = logging.getLogger(__name__)

RESYNC_SECONDS = 600.0


Watch = Callable[[kopf.OperatorRegistry, int], Awaitable[None]]


async def watch_until_stopped(registry: kopf.OperatorRegistry, port: int) -> None:
    """Let kopf watch the whole cluster until SIGTERM; it answers /healthz on ``port``."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.finalizer = "consilia.health/unused"
    await kopf.operator(
        registry=registry,
        settings=settings,
        standalone=True,
        clusterwide=True,
        liveness_endpoint=f"http://0.0.0.0:{port}/healthz",
    )


class Operator:
    """All federations of a cluster."""

    def __init__(self, cluster: Cluster, settings: Settings, watch: Watch | None = None) -> None:
        self._cluster = cluster
        self._watch_until_stopped = watch or watch_until_stopped
        self._lease = Lease(cluster, settings, _now)
        self._reconciler = Reconciler(cluster, settings, signing_key(cluster, settings), _now)
        self._turn = asyncio.Lock()
        self._operations: dict[Key, Operation] = {}
        self._generations: dict[Key, tuple[str | None, int | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, port: int) -> None:
        """Wait for the Lease, then watch and act until cancelled or the Lease is lost."""
        while not await asyncio.to_thread(self._lease.acquire):  # noqa: ASYNC110 - the Lease is on a server
            await asyncio.sleep(RENEW_SECONDS)
        logger.info("holding the Lease")
        registry = kopf.OperatorRegistry()
        self._watch(registry)
        try:
            async with asyncio.TaskGroup() as group:
                others = [group.create_task(self._keep_the_lease()), group.create_task(self._resync())]
                # kopf takes SIGTERM while it runs: its end is the end of all, or the Lease would be kept for nothing.
                await self._watch_until_stopped(registry, port)
                for task in others:
                    task.cancel()
        finally:
            await asyncio.to_thread(self._lease.release)

    def _watch(self, registry: kopf.OperatorRegistry) -> None:
        async def on_federation(*, type: str, namespace: str | None, name: str, meta: kopf.Meta, **_: Any) -> None:  # noqa: A002
            key, generation = (namespace or "", name), meta.get("generation")
            # A status that we wrote comes back as an event: only another wish, or the end, is news.
            if type == "DELETED" or self._generations.get(key) != (meta.get("uid"), generation):
                self._generations[key] = (meta.get("uid"), generation)
                self._wake(key)

        async def on_cohort(**_: Any) -> None:
            for operation in self._operations.values():
                operation.wake()

        async def on_pod(*, labels: Mapping[str, str], **_: Any) -> None:
            for key, operation in self._operations.items():
                if key[1] == labels.get(FEDERATION_LABEL):
                    operation.wake()

        # A registry of one's own comes without a way to log in.
        kopf.on.login(registry=registry)(kopf.login_via_client)
        ours = {"app.kubernetes.io/managed-by": FIELD_MANAGER}
        kopf.on.event("consilia.health", "v1alpha1", "federations", registry=registry)(on_federation)
        kopf.on.event("consilia.health", "v1alpha1", "cohorts", registry=registry)(on_cohort)
        kopf.on.event("", "v1", "pods", labels=ours, registry=registry)(on_pod)

    def _wake(self, key: Key) -> None:
        operation = self._operations.get(key)
        if operation is None:
            operation = Operation(key, self._cluster, self._reconciler, self._turn, _now, self._forget)
            self._operations[key] = operation
            task = asyncio.create_task(operation.run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        operation.wake()

    def _forget(self, key: Key) -> None:
        self._operations.pop(key, None)
        self._generations.pop(key, None)

    async def _keep_the_lease(self) -> None:
        loop = asyncio.get_running_loop()
        held_until = loop.time() + DURATION_SECONDS
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                if not await asyncio.to_thread(self._lease.acquire):
                    raise Refusal("another operator holds the Lease: this one ends")
                held_until = loop.time() + DURATION_SECONDS
            except Unavailable as error:
                logger.warning("the Lease was not renewed: %s", error)
            if loop.time() > held_until:
                raise Unavailable("the Lease could not be renewed in time: another operator may act")

    async def _resync(self) -> None:
        """Now and then everything is applied anew, and what nobody owns any more is swept."""
        while True:
            await asyncio.to_thread(self._reconciler.sweep)
            await asyncio.sleep(RESYNC_SECONDS)
            self._reconciler.forget()
            for operation in self._operations.values():
                operation.wake()


def _now() -> datetime:
    return datetime.now(UTC)


def main() -> int:
    """Run until SIGTERM; 2 for a wrong setting, 1 where the Kubernetes API or the Lease cannot be had."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    try:
        settings = Settings.of(os.environ)
        asyncio.run(_run(settings))
    except ConsiliaError as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, Refusal) else 1
    return 0


async def _run(settings: Settings) -> None:
    operator = Operator(await asyncio.to_thread(KubernetesCluster), settings)
    running = asyncio.ensure_future(operator.run(settings.port))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        return
    except BaseExceptionGroup as group:
        raise _first(group) from group


def _first(group: BaseException) -> Any:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


if __name__ == "__main__":
    sys.exit(main())
