"""A federation in one process, over a network in memory: everything but the broker is real."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

from consilia.manifest import parse
from consilia.spec import Cohort, FederationSpec
from consilia.status import FederationStatus
from consilia_agents.blob_client import BlobClient
from consilia_agents.custodian import Custodian
from consilia_agents.engine import CohortEngine, Engine
from consilia_agents.hospital import Hospital
from consilia_agents.looks import Looks
from consilia_agents.outbox import Outbox
from consilia_bus.fake import FakeBus, FakeNetwork
from consilia_coordinator.blobs import BlobStore
from consilia_coordinator.clock import SystemClock
from consilia_coordinator.conductor import Conductor
from consilia_coordinator.hospitals import Hospitals
from consilia_coordinator.identity import Identity
from consilia_coordinator.journal_file import JournalFile
from consilia_coordinator.learning import Learning
from consilia_coordinator.objectives import objectives_of

EXAMPLE = Path(__file__).parents[1] / "examples" / "breast-cancer-non-private.yaml"
MANIFEST = parse(EXAMPLE.read_text(), EXAMPLE.name)
FEDERATION = MANIFEST.federations[0]
COHORTS = MANIFEST.cohorts_of(FEDERATION)
IDENTITY = Identity("default/breast-cancer", "uid")
LIMIT_SECONDS = 20
HEARTBEAT_SECONDS = 0.05
SILENCE_SECONDS = 0.4


class World:
    """A federation whose processes can be killed and started one by one; ``cohorts`` are its hospitals'."""

    def __init__(self, folder: Path, cohorts: Mapping[str, Cohort] = COHORTS) -> None:
        self.folder = folder
        self.cohorts = cohorts
        self.network = FakeNetwork()
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.journal: JournalFile | None = None
        self.conductor: Conductor

    def start_coordinator(self) -> None:
        self.journal = JournalFile(self.folder / "journal")
        learning = Learning(BlobStore(self.folder / "blobs"), self.journal.history, objectives_of(IDENTITY))
        clock = SystemClock()
        self.conductor = Conductor(self.journal, learning, clock)
        bus = self.network.bus("coordinator")
        hospitals = Hospitals(
            self.conductor,
            learning,
            bus,
            clock,
            IDENTITY.uid,
            lambda name: f"ticket of {name}",
            HEARTBEAT_SECONDS,
            SILENCE_SECONDS,
        )
        self.conductor.resume()
        self.tasks["coordinator"] = asyncio.ensure_future(self._run(bus, hospitals))

    @staticmethod
    async def _run(bus: FakeBus, hospitals: Hospitals) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(bus.run(hospitals))
            group.create_task(hospitals.watch())

    def start_hospital(self, name: str, engine: Engine | None = None, looks: Looks | None = None) -> None:
        folder = self.folder / name
        hospital = Hospital(
            self.network.bus(name),
            "coordinator@localhost",
            engine or CohortEngine(self.cohorts[name]),
            Outbox(folder / "answers"),
            BlobClient("https://localhost:1", ssl.create_default_context(), folder / "blobs"),
            Custodian(self.cohorts[name], folder / "ledger"),
            join_seconds=HEARTBEAT_SECONDS,
            recheck_seconds=HEARTBEAT_SECONDS,
            looks=looks,
        )
        self.tasks[name] = asyncio.ensure_future(hospital.run())

    def start_hospitals(self, order: list[str] | None = None) -> None:
        for name in order or sorted(self.cohorts):
            self.start_hospital(name)

    async def kill(self, name: str) -> None:
        """Gone without a word, as by SIGKILL; only what was written to the kernel is left."""
        task = self.tasks.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if name == "coordinator" and self.journal is not None:
            self.journal._due = []
            self.journal.close()

    async def until(self, wanted: Callable[[FederationStatus], bool]) -> FederationStatus:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not wanted(self.conductor.status()):
                await self.conductor.changes.after(self.conductor.changes.version, 1.0)
        return self.conductor.status()

    async def complete(self) -> FederationStatus:
        return await self.until(lambda status: status.phase == "Complete")

    @property
    def events(self) -> list[str]:
        assert self.journal is not None
        return [
            f"{item.reason}: {item.message}" for _, item in self.journal.history.feed if not isinstance(item, tuple)
        ]

    @property
    def model(self) -> str:
        """The final model's digest."""
        assert self.journal is not None
        current = self.journal.history.current
        assert current is not None
        assert current.released is not None
        return current.released.sha256

    async def close(self) -> None:
        for name in list(self.tasks):
            await self.kill(name)


def spec(**changes: object) -> FederationSpec:
    return FEDERATION.spec.model_copy(update=changes)
