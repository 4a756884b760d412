"""One federation's coordinator, put together: journal, rounds, bus and API on one event loop."""

import asyncio
import logging
import os

from aiohttp import web

from consilia.errors import Unavailable
from consilia_bus.bus import Bus
from consilia_coordinator.access import Access
from consilia_coordinator.blobs import BlobStore
from consilia_coordinator.clock import Clock
from consilia_coordinator.conductor import Conductor
from consilia_coordinator.hospitals import Hospitals
from consilia_coordinator.http_api import HttpApi
from consilia_coordinator.identity import Identity
from consilia_coordinator.journal_file import JournalFile
from consilia_coordinator.learning import Learning
from consilia_coordinator.objectives import ObjectiveOf, objectives_of
from consilia_coordinator.settings import Settings

logger = logging.getLogger(__name__)

READ_BUFFER = 1 << 20
SHUTDOWN_SECONDS = 1.0


class Service:
    """The coordinator's parts. ``objective_of`` says what a run of a spec optimises; by default, what it asks for."""

    def __init__(
        self,
        settings: Settings,
        bus: Bus,
        clock: Clock,
        objective_of: ObjectiveOf | None = None,
    ) -> None:
        self._settings = settings
        self._bus = bus
        self.journal = JournalFile(settings.state / "journal")
        identity = Identity(settings.federation, settings.federation_uid)
        blobs = BlobStore(settings.state / "blobs")
        learning = Learning(blobs, self.journal.history, objective_of or objectives_of(identity))
        access = Access.of(settings.token_key(), settings.federation_uid)
        self.conductor = Conductor(self.journal, learning, clock, settings.min_agents)
        self.hospitals = Hospitals(
            self.conductor,
            learning,
            bus,
            clock,
            settings.federation_uid,
            lambda hospital: access.ticket(hospital, clock.now()),
        )
        self._api = HttpApi(self.conductor, learning, access, clock, identity)

    async def run(self) -> None:
        """Serve until cancelled."""
        self.conductor.resume()
        runner = web.AppRunner(
            self._api.application(),
            access_log=None,
            read_bufsize=READ_BUFFER,
            shutdown_timeout=SHUTDOWN_SECONDS,
            handler_cancellation=True,
        )
        await runner.setup()
        try:
            await self._listen(runner)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._bus.run(self.hospitals))
                group.create_task(self.hospitals.watch())
                group.create_task(self.conductor.until_broken())
        finally:
            await runner.cleanup()
            self.journal.close()

    async def leave(self) -> None:
        """Nothing to say: hospitals keep their answers, and the journal has all that was announced."""

    async def _listen(self, runner: web.AppRunner) -> None:
        settings = self._settings
        context = settings.tls_context()
        site = web.TCPSite(runner, settings.http_host, settings.http_port, ssl_context=context)
        try:
            await site.start()
        except OSError as error:
            # asyncio wraps the system's words in its own; a name that does not resolve has a negative number.
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
            raise Unavailable(
                f"the coordinator cannot listen on {settings.http_host} port {settings.http_port}: {reason}; "
                "choose another CONSILIA_HTTP_HOST or CONSILIA_HTTP_PORT"
            ) from error
        logger.info("listening on https://%s:%d", settings.http_host, settings.http_port)
