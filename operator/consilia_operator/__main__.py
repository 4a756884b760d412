"""The operator's process: ``python -m consilia_operator``."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

from consilia.backoff import delays
from consilia.errors import ConsiliaError, Refusal, Unavailable
from consilia_operator.cluster import Cluster, KubernetesCluster
from consilia_operator.counts import Counts
from consilia_operator.exposition import exposition
from consilia_operator.fence import Fence
from consilia_operator.guarded import GuardedCluster
from consilia_operator.health import Health
from consilia_operator.http_server import serving
from consilia_operator.lease import FENCE_SECONDS, RENEW_SECONDS, Lease
from consilia_operator.persistence import persist
from consilia_operator.reconcile import Reconciler
from consilia_operator.runtime import Runtime
from consilia_operator.settings import Settings
from consilia_operator.signing import signing_key
from consilia_operator.watches import Seen, Watches

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Watching = Callable[[Seen, Callable[[], None], Counts], Any]
"""Makes what watches: an object with a coroutine ``run``."""


class Operator:
    """The process: serves its probes, waits for the Lease, and acts while it holds it."""

    def __init__(self, cluster: Cluster, settings: Settings, watching: Watching = Watches) -> None:
        self._settings = settings
        self._watching = watching
        self._counts = Counts()
        self._fence = Fence(time.monotonic, FENCE_SECONDS)
        self._cluster = GuardedCluster(cluster, self._fence, self._counts)
        # Not fenced: it is what opens the fence. In a thread of its own: nothing that hangs keeps it from renewing.
        self._lease = Lease(cluster, settings, self._fence, _now)
        self._lease_thread = ThreadPoolExecutor(1, "lease")
        self._health = Health(time.monotonic())
        self._runtime: Runtime | None = None

    async def run(self, port: int) -> None:
        """Until cancelled, or until another operator holds the Lease (:class:`Refusal`)."""
        async with serving(port, self._health, time.monotonic, self._metrics):
            while not await self._try(self._lease.acquire):  # noqa: ASYNC110 - the Lease is on a server
                await asyncio.sleep(RENEW_SECONDS)
            logger.info("holding the Lease")
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._keep_the_lease())
                    group.create_task(self._act())
            finally:
                self._health.ready = False
                await self._in_lease_thread(self._lease.release)

    async def _keep_the_lease(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            if await self._try(self._lease.renew) is False:
                raise Refusal("another operator holds the Lease: this one ends")

    async def _try(self, attempt: Callable[[], bool]) -> bool | None:
        """What an attempt at the Lease gives; None while the API does not answer: the fence shuts by itself."""
        try:
            return await self._in_lease_thread(attempt)
        except Unavailable as error:
            logger.warning("the Lease was not had: %s", error)
            return None
        finally:
            self._health.beat = time.monotonic()

    async def _in_lease_thread(self, attempt: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._lease_thread, attempt)

    async def _act(self) -> None:
        runtime = await self._begin()
        self._runtime, self._health.turns, self._health.ready = runtime, runtime.turns, True
        watches = self._watching(runtime.seen, runtime.resync, self._counts)
        async with asyncio.TaskGroup() as group:
            group.create_task(runtime.run())
            group.create_task(persist("the watches", watches.run, self._counts))

    async def _begin(self) -> Runtime:
        """The runtime, once the signing key and everything that is there was read."""
        pauses = delays(1.0, 30.0)
        while True:
            try:
                key = await asyncio.to_thread(signing_key, self._cluster, self._settings)
                reconciler = Reconciler(self._cluster, self._settings, key, _now)
                runtime = Runtime(self._cluster, reconciler, self._counts, _now)
                await runtime.read_all()
            except ConsiliaError as error:
                logger.warning("the cluster could not be read: %s", error)
            else:
                return runtime
            await asyncio.sleep(next(pauses))

    def _metrics(self) -> str:
        runtime = self._runtime
        phases, turns = (runtime.phases, runtime.turns) if runtime is not None else ([], None)
        return exposition(self._counts, phases, turns, self._fence.open)


def _now() -> datetime:
    return datetime.now(UTC)


def main() -> int:
    """Run until SIGTERM; 2 for a wrong setting or a lost Lease, 1 where the Kubernetes API cannot be had."""
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
