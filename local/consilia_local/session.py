"""One run of the command: the processes, the Federation they work on, and what people see, from start to end."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from consilia.plan import BROKER, COORDINATOR, DASHBOARD, MLFLOW, Plan
from consilia.spec import Federation
from consilia.status import Endpoints
from consilia_local.broker import write_broker_folder
from consilia_local.control import Control
from consilia_local.coordinator_client import CoordinatorClient, RunRefused
from consilia_local.credentials import Credentials, make_credentials, renew_tracking_token, write_secrets
from consilia_local.display import Display
from consilia_local.environment import Surroundings
from consilia_local.folder import StateFolder, write_private
from consilia_local.held_federation import HeldFederation
from consilia_local.launcher import Launcher, OpenedNursery
from consilia_local.object_api import object_api
from consilia_local.operation import Operation, Record
from consilia_local.ports import LOOPBACK
from consilia_local.render import Site, config_files, render
from consilia_local.supervisor import Happening, Supervisor
from consilia_local.wording import Links, done_line, headline, link_line, model_line, staying_line, took

DRAW_SECONDS = 0.1  # between two pictures
REGISTRATION_SECONDS = 60.0  # how long a complete run waits for its model in MLflow
BLOCKED_SECONDS = 10.0  # after which a run that cannot go on by itself ends, where nobody watches
RENEWAL_SECONDS = 1800.0
ESSENTIAL = (BROKER, COORDINATOR)


@dataclass
class Session:
    """See the module.

    ``data``: the manifest's folder. ``stays``: it goes on after the run is complete, until a signal. ``began``: seconds
    of the monotonic clock.
    """

    federation: Federation
    held: HeldFederation
    plan: Plan
    ports: Mapping[tuple[str, str], int]
    surroundings: Surroundings
    data: Path
    broker: str
    folder: StateFolder
    display: Display
    began: float
    stays: bool
    _ended: asyncio.Future[int] = field(init=False)
    _supervisor: Supervisor | None = field(init=False, default=None)
    _first_run: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._ended = asyncio.get_running_loop().create_future()

    async def open(self, stack: AsyncExitStack, nursery: OpenedNursery) -> None:
        """Start everything; ``stack`` ends it, in the opposite order."""
        launcher = Launcher(nursery, self._fresh_log("nursery"))
        stack.push_async_callback(launcher.close)
        self._first_run = self.held.desired_run
        credentials = self._credentials()
        site = await self._site(stack, credentials)
        self._supervisor = Supervisor(launcher, self._process_happened)
        stack.push_async_callback(self._supervisor.stop)
        self._write_files(site, credentials)
        self._supervisor.keep(render(self.plan, site))
        stack.callback(self.display.close)
        self.display.open(headline(self.federation, self.held.spec), link_line(self._links(site, credentials)))
        stack.callback(self.held.persist)
        await self._begin(stack, site, credentials)

    async def wait(self) -> int:
        """The exit code, once the end has come."""
        return await self._ended

    def interrupt(self, number: signal.Signals) -> None:
        """A signal: the first stops everything in order, the second kills."""
        if self._ended.done() and self._supervisor is not None:
            self._supervisor.kill()
        self._end(0 if self.held.is_complete else 128 + number)

    def _end(self, code: int) -> None:
        if not self._ended.done():
            self._ended.set_result(code)

    def _credentials(self) -> Credentials:
        login = self.folder.secret("login-token", "token")
        token = login.read_text() if login.exists() else None
        credentials, files = make_credentials(
            self.federation, self.held.uid, self.plan, self.surroundings.domain, datetime.now(UTC), token
        )
        write_secrets(self.folder, files)
        return credentials

    async def _site(self, stack: AsyncExitStack, credentials: Credentials) -> Site:
        runner = web.AppRunner(
            object_api(self.held, credentials.api_token),
            access_log=None,
            shutdown_timeout=1.0,
            handler_cancellation=True,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        listener = web.TCPSite(runner, LOOPBACK, 0)
        await listener.start()
        url = f"http://{LOOPBACK}:{runner.addresses[0][1]}"
        control = Control(url, credentials.api_token, self.held.namespace, self.held.name, os.getpid())
        control.write(self.folder.control)
        stack.callback(self.folder.control.unlink, missing_ok=True)
        return Site(
            folder=self.folder,
            uid=self.held.uid,
            ports=self.ports,
            domain=self.surroundings.domain,
            api_url=url,
            environment=self.surroundings.rest,
            broker=self.broker,
            cohorts={
                hospital.name: self.federation.cohort_key(hospital) for hospital in self.federation.spec.hospitals
            },
            data=self.data,
            credentials=(self.surroundings.credentials or self.data).absolute(),
        )

    def _write_files(self, site: Site, credentials: Credentials) -> None:
        write_broker_folder(
            self.folder.volume(BROKER, "broker"),
            self.surroundings.domain,
            self.ports[BROKER, "xmpp"],
            credentials.accounts,
            credentials.broker_certificate,
        )
        for path, text in config_files(self.plan, site).items():
            write_private(Path(path), text.encode())
        for component in self.plan.components:
            self._fresh_log(component.name)

    def _fresh_log(self, name: str) -> Path:
        log = self.folder.log(name)
        log.unlink(missing_ok=True)
        return log

    def _links(self, site: Site, credentials: Credentials) -> Links:
        return Links(
            broker=self.broker,
            dashboard=f"{site.url(DASHBOARD, 'http', 'http')}/?token={credentials.login_token}"
            if (DASHBOARD, "http") in self.ports
            else None,
            mlflow=self._mlflow_url(site),
        )

    def _mlflow_url(self, site: Site) -> str | None:
        return site.url(MLFLOW, "http", "http") if (MLFLOW, "http") in self.ports else None

    async def _begin(self, stack: AsyncExitStack, site: Site, credentials: Credentials) -> None:
        coordinator = site.url(COORDINATOR, "https", "https")
        self.held.endpoints = Endpoints(coordinator=coordinator, mlflow=self._mlflow_url(site))
        client = CoordinatorClient(
            coordinator, credentials.ca_pem, lambda: credentials.token("operator", datetime.now(UTC))
        )
        stack.push_async_callback(client.close)
        operation = Operation(self.held, client, self._hear, self._refused, datetime.now(UTC))
        for work in (operation.run(), self._draw(), self._watch(), self._renew(credentials)):
            task = asyncio.create_task(work)
            task.add_done_callback(self._task_ended)
            stack.push_async_callback(_cancel, task)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        """A loop of ours never ends by itself: if one failed, so does the command, with that error."""
        if not task.cancelled() and (error := task.exception()) is not None and not self._ended.done():
            self._ended.set_exception(error)

    async def _draw(self) -> None:
        drawn = 0
        while True:
            async with self.held.changed:
                await self.held.changed.wait_for(lambda: self.held.version != drawn)  # noqa: B023 - awaited here
            drawn = self.held.version
            self.display.show(self.held.shown)
            # Not waiting for anything: a picture more often than this is not seen.
            await asyncio.sleep(DRAW_SECONDS)

    async def _watch(self) -> None:
        """From one complete run to the next."""
        while True:
            await self._until_over()
            run = self.held.status.run
            if not self.held.is_complete:
                self._end(1)
                return
            self.display.finish(self.held.status)
            self.display.say(done_line(self.held.status, self._seconds()))
            await self._tell_model()
            if not self.stays:
                self._end(0)
                return
            self.display.say(staying_line([name for name in (DASHBOARD, MLFLOW) if (name, "http") in self.ports]))
            await self._until(lambda: self.held.status.run > run or not self.held.is_complete)  # noqa: B023 - awaited here

    async def _until_over(self) -> None:
        """Until the run is complete or, where nobody watches, until it cannot go on by itself."""
        while not self.held.is_complete:
            await self._until(lambda: self.held.is_complete or self._is_stuck())
            if self._is_stuck():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BLOCKED_SECONDS):
                        await self._until(lambda: not self._is_stuck())
                if self._is_stuck():
                    self.display.say("The run cannot go on by itself: it ends here; the same command resumes it.")
                    return

    def _is_stuck(self) -> bool:
        """Whether only somebody's help can make the run go on, and nobody is there to give it."""
        return not self.stays and self.held.status.phase == "Blocked"

    async def _tell_model(self) -> None:
        if (MLFLOW, "http") not in self.ports:
            return
        try:
            async with asyncio.timeout(REGISTRATION_SECONDS):
                await self._until(lambda: self._is_recorded() or not self.held.is_complete)
        except TimeoutError:
            self.display.say(
                f"The result is not in MLflow after {REGISTRATION_SECONDS:.0f} s: see {self.folder.log('tracking')}"
            )
        if self.held.status.model is not None:
            self.display.say(model_line(self.held.status.model))

    def _is_recorded(self) -> bool:
        """Whether the complete run's result is in MLflow: its model, or its statistics."""
        status = self.held.status
        if status.task == "Statistics":
            return status.mlflow is not None and (status.mlflow.settled or 0) >= status.round
        return status.model is not None

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with self.held.changed:
            await self.held.changed.wait_for(holds)

    def _seconds(self) -> float | None:
        """How long the run took: the first one from the start of the command."""
        if self.held.status.run == self._first_run:
            return time.monotonic() - self.began
        return took(self.held.status)

    async def _renew(self, credentials: Credentials) -> None:
        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            renew_tracking_token(self.folder, credentials, datetime.now(UTC))

    def _hear(self, record: Record) -> None:
        self.display.hear(record, self.held.spec.target)

    def _refused(self, sentence: str) -> None:
        """The coordinator will not run what is asked: the end where it is what the file asks for."""
        if self.held.status.run < self.held.desired_run == self._first_run:
            if not self._ended.done():
                self._ended.set_exception(RunRefused(sentence))
        else:
            self.display.say(f"The coordinator refused the run: {sentence}")

    def _process_happened(self, happening: Happening) -> None:
        self.display.warn(happening)
        if happening.is_loop and not self.stays and self._cannot_do_without(happening.process):
            self._end(1)

    def _cannot_do_without(self, process: str) -> bool:
        kind = self.plan.component(process).kind
        waiting = self.held.status.phase in ("Pending", "Registration", "Blocked")
        return kind in ESSENTIAL or (kind == "hospital" and waiting)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task
