"""``consilia run``: one Federation, run from its file to its model on this machine."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from consilia.manifest import only_federation
from consilia.plan import COORDINATOR, DASHBOARD, MLFLOW, Plan, plan
from consilia.spec import Cohort, Federation
from consilia_local import environment
from consilia_local.admission import require_admitted, require_consents
from consilia_local.display import Display, Lines, Terminal
from consilia_local.environment import Surroundings
from consilia_local.folder import DEFAULT_PARENT, StateFolder, locked
from consilia_local.held_federation import HeldFederation, hold
from consilia_local.launcher import OpenedNursery
from consilia_local.manifest_file import read_manifest
from consilia_local.ports import WantedPort, choose
from consilia_local.session import Session


@dataclass(frozen=True)
class RunOptions:
    """What the command line asks for. A port of None is any that is free."""

    file: Path
    broker: str = "embedded"
    state: Path | None = None
    dashboard: bool = True
    mlflow: bool = True
    exit: bool = False
    dashboard_port: int = 8081
    mlflow_port: int = 5000
    broker_port: int | None = None
    coordinator_port: int | None = None


@dataclass(frozen=True)
class Prepared:
    """All that was checked before anything starts."""

    federation: Federation
    cohorts: Mapping[str, Cohort]
    plan: Plan
    ports: Mapping[tuple[str, str], int]
    surroundings: Surroundings


def prepare(options: RunOptions, environ: Mapping[str, str]) -> Prepared:
    """Read and check everything; raises a :class:`consilia.errors.Refusal` with its sentence."""
    manifest = read_manifest(options.file)
    federation = only_federation(manifest, str(options.file))
    surroundings = environment.read(environ, federation.spec)
    federation = environment.completed(federation, surroundings)
    cohorts = manifest.cohorts_of(federation)
    require_consents(federation, cohorts, surroundings.cap)
    environment.require_credentials(cohorts.values(), surroundings.credentials)
    planned = plan(
        federation,
        cohorts,
        mlflow=options.mlflow,
        dashboard=options.dashboard,
        defaults=surroundings.defaults,
    )
    return Prepared(federation, cohorts, planned, _ports(planned, options), surroundings)


def run(options: RunOptions, nursery: OpenedNursery, began: float) -> int:
    """Run until the end that ``options`` ask for; the exit code. ``began``: when, by ``time.monotonic``."""
    prepared = prepare(options, os.environ)
    root = options.state or DEFAULT_PARENT / prepared.federation.metadata.name
    with locked(root) as folder:
        return asyncio.run(_run(options, prepared, folder, nursery, began))


async def _run(
    options: RunOptions, prepared: Prepared, folder: StateFolder, nursery: OpenedNursery, began: float
) -> int:
    held = hold(prepared.federation, folder)
    require_admitted(held, prepared.federation, prepared.cohorts, _quorum(held, prepared.surroundings))
    display, stays = _display(options)
    async with AsyncExitStack() as stack:
        session = Session(
            federation=prepared.federation,
            held=held,
            plan=prepared.plan,
            ports=prepared.ports,
            surroundings=prepared.surroundings,
            data=options.file.parent.absolute(),
            broker=options.broker,
            folder=folder,
            display=display,
            began=began,
            stays=stays,
        )
        stack.enter_context(_signals(session))
        await session.open(stack, nursery)
        return await session.wait()


def _quorum(held: HeldFederation, surroundings: Surroundings) -> int:
    default = surroundings.defaults.get("MIN_AGENTS")
    return held.spec.effective_quorum(int(default) if default else None)


def _display(options: RunOptions) -> tuple[Display, bool]:
    """How to show the run, and whether it stays up when it is complete."""
    if sys.stdout.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb":
        return Terminal(Console()), not options.exit
    return Lines(sys.stdout), False


@contextlib.contextmanager
def _signals(session: Session) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, session.interrupt, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _ports(planned: Plan, options: RunOptions) -> dict[tuple[str, str], int]:
    wanted = {
        ("broker", "xmpp"): WantedPort("the broker", "--broker-port", options.broker_port),
        (COORDINATOR, "https"): WantedPort("the coordinator", "--coordinator-port", options.coordinator_port),
        (MLFLOW, "http"): WantedPort("MLflow", "--mlflow-port", options.mlflow_port),
        (DASHBOARD, "http"): WantedPort("the dashboard", "--dashboard-port", options.dashboard_port),
    }
    names = {component.name for component in planned.components}
    asked = {key: want for key, want in wanted.items() if key[0] in names}
    return dict(zip(asked, choose(list(asked.values())), strict=True))
