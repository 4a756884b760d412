"""A hospital in a private run, on a network in memory, whose coordinator is the test."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from builders import AT, cohort, federation_spec
from consilia.dataset import Table
from consilia.experiment import Features
from consilia.features import FeatureMap
from consilia.privacy.entries import AnyEntry, Released, decode
from consilia.privacy.keystream import Keystream, WordSource
from consilia.protocol import (
    AnyMessage,
    Decline,
    Join,
    Order,
    PrivacyTerms,
    RunSettings,
    Task,
    Update,
    VectorRef,
    Welcome,
    encode,
    pack,
    unpack,
)
from consilia.protocol import decode as read_message
from consilia.spec import Cohort, CohortSpec, FederationSpec
from consilia.status import LedgerWitness
from consilia_agents.blob_client import BlobClient
from consilia_agents.custodian import Custodian
from consilia_agents.disk import Disk
from consilia_agents.engine import CohortEngine, Engine
from consilia_agents.hospital import JOIN_SECONDS, Hospital
from consilia_agents.in_memory import InMemory
from consilia_agents.outbox import Outbox
from consilia_agents.sources.extract import DataSource, Extract, Progress, untold
from consilia_bus.fake import Envelope, FakeNetwork
from deadline import until
from disks import WatchedDisk

UID, NAME = "uid-1", "default/breast-cancer"
DIGEST = "ab" * 32
COLUMNS = ("a", "b")
ROUNDS = 3
HEARTBEAT_SECONDS = 600.0
EXCEEDED, BUSY, DAMAGED = "BudgetExceeded", "CohortBusy", "LedgerDamaged"
"""Problems as a refusal names them in one word."""
CALLS = 5 + 3 + 3 * (3 + 3)
"""Calls of the disk in the scenario: the ledger begun, a run opened, and three answers with their entries."""


def private_spec(**changes: Any) -> FederationSpec:
    features = {
        "label": "sick",
        "nominalRows": 100,
        "codebook": [{"name": name, "min": 0, "max": 10} for name in COLUMNS],
    }
    return federation_spec(**({"privacy": {"epsilon": 1.0}, "features": features, "rounds": ROUNDS} | changes))


def private_settings(run: int = 1, uid: str = UID, **changes: Any) -> RunSettings:
    spec = private_spec(**changes)
    return RunSettings(
        features=spec.features,
        model=spec.model,
        algorithm=spec.algorithm,
        feature_map=FeatureMap.from_codebook(spec.features),
        privacy=PrivacyTerms.of(spec, uid, NAME, run),
    )


def private_cohort(metrics: str = "noised", **spec: Any) -> Cohort:
    whole = {"budget": {"epsilon": 4.0}, "allowNonPrivate": False, "holdout": {"fraction": 0.3, "metrics": metrics}}
    return cohort(**(whole | spec))


SETTINGS = private_settings()
COHORT = private_cohort()
ZERO = np.zeros(len(COLUMNS) + 1)


def order(task: Task, number: int = 0, settings: RunSettings = SETTINGS, **fields: Any) -> Order:
    terms = settings.privacy
    whole: dict[str, Any] = {
        "federation": terms.uid if terms else UID,
        "run": terms.run if terms else 1,
        "round": number,
        "attempt": 1,
        "task": task,
        "settings": settings.digest,
        "participants": DIGEST,
        "private": terms is not None,
        "parameters": None if task in ("centre", "moments") else pack(ZERO + number / 10),
    }
    return Order(**(whole | fields))


def whole_run(settings: RunSettings = SETTINGS) -> list[Order]:
    train = [order("train", number, settings) for number in range(1, ROUNDS + 1)]
    return [order("centre", 0, settings), *train, order("evaluate", ROUNDS, settings)]


TABLE_COLUMNS = (*COLUMNS, "sick")


class TableSource:
    """Rows that a test made."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def columns(self) -> tuple[str, ...]:
        return TABLE_COLUMNS

    def extract(self, features: Features, progress: Progress = untold) -> Extract:
        rows = self._table.project(features.names, features.label, "hospital north")
        return Extract(rows.ids, tuple(features.names), features.label, rows.x, rows.y, DIGEST)

    def stamp(self) -> str | None:
        return None


def table(rows: int = 30, *more: tuple[float, float, float]) -> Table:
    """``rows`` patients, and ``more``, who come last."""
    draw = np.random.Generator(np.random.PCG64(1))
    values = np.column_stack([draw.uniform(0, 10, (rows, 2)), draw.integers(0, 2, rows)])
    values = np.vstack([values, np.array(more, dtype=np.float64).reshape(-1, 3)])
    return Table(tuple(f"patient/{number}" for number in range(len(values))), TABLE_COLUMNS, values)


def seeded() -> Callable[[], WordSource]:
    """Words that are the same in every run of a test."""
    numbers = count()
    return lambda: Keystream(next(numbers).to_bytes(32, "big"))


def engine_of(rows: Table, of: Cohort = COHORT, words: Callable[[], WordSource] = Keystream.fresh) -> CohortEngine:
    def source_of(_: CohortSpec) -> DataSource:
        return TableSource(rows)

    return CohortEngine(of, InMemory(of, words=words, source=source_of))


class Coordinator:
    """The coordinator's account: what it was told, and what it tells."""

    def __init__(self, network: FakeNetwork) -> None:
        self.bus = network.bus("coordinator")
        self.heard: list[AnyMessage] = []

    def on_message(self, _sender: str, body: str) -> None:
        self.heard.append(read_message(body))

    def on_connected(self) -> None:
        """The test knows."""

    def on_disconnected(self, reason: str) -> None:
        """The test knows."""

    def answers(self) -> list[Update | Decline]:
        return [message for message in self.heard if isinstance(message, Update | Decline)]

    async def tell(self, message: AnyMessage) -> None:
        await self.bus.send("north@localhost", encode(message))

    async def welcome(
        self,
        settings: RunSettings = SETTINGS,
        witness: LedgerWitness | None = None,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        await self.tell(
            Welcome(
                federation=UID,
                instance="c",
                heartbeat_seconds=heartbeat_seconds,
                settings=settings,
                witness=witness,
            )
        )

    async def ask(self, asked: Order) -> Update | Decline:
        before = len(self.answers())

        def answer() -> Update | Decline | None:
            return next((each for each in self.answers()[before:] if each.order == asked.key), None)

        await self.tell(asked)
        found: Update | Decline = await until(answer)
        return found

    async def update(self, asked: Order) -> Update:
        answer = await self.ask(asked)
        assert isinstance(answer, Update), answer
        return answer

    async def refusal(self, asked: Order, problem: str | None = None) -> str:
        """The reason, which comes with this problem in one word."""
        answer = await self.ask(asked)
        assert isinstance(answer, Decline), answer
        assert answer.problem == problem
        return answer.reason


@asynccontextmanager
async def playing(
    folder: Path,
    engine: Engine | None = None,
    disk: Disk | None = None,
    of: Cohort = COHORT,
    cap: float = 0.0,
    on_sent: Callable[[Envelope], None] = lambda _: None,
    recheck_seconds: float = 600.0,
    blobs: BlobClient | None = None,
    join_seconds: float = JOIN_SECONDS,
) -> AsyncIterator[Coordinator]:
    """A hospital that was started on ``folder``, until it is gone as by SIGKILL. ``on_sent``: before any message leaves
    it."""

    def lose(envelope: Envelope) -> bool:
        if envelope.sender.startswith("north@"):
            on_sent(envelope)
        return False

    network = FakeNetwork(lose=lose)
    coordinator = Coordinator(network)
    hospital = Hospital(
        network.bus("north"),
        "coordinator@localhost",
        engine or engine_of(table(), of),
        Outbox(folder / "answers", disk),
        blobs or BlobClient("https://localhost:1", ssl.create_default_context(), folder / "blobs"),
        Custodian(of, folder / "ledger", cap, disk, lambda: AT, lambda: DIGEST),
        join_seconds=join_seconds,
        recheck_seconds=recheck_seconds,
    )
    tasks = [asyncio.ensure_future(coordinator.bus.run(coordinator)), asyncio.ensure_future(hospital.run())]
    try:
        await until(lambda: bool(coordinator.heard))
        yield coordinator
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def entries(folder: Path) -> list[AnyEntry]:
    """What the ledger says on the disk."""
    path = folder / "ledger" / "ledger.jsonl"
    return decode(path.read_bytes(), "ledger") if path.exists() else []


def releases(folder: Path) -> list[Released]:
    return [entry for entry in entries(folder) if isinstance(entry, Released)]


def witness_of(update: Update) -> LedgerWitness:
    assert update.ledger is not None
    return LedgerWitness(sequence=update.ledger.sequence, head=update.ledger.head)


def vector_of(update: Update) -> VectorRef:
    assert update.vector is not None
    return update.vector


def sent_update(envelope: Envelope) -> Update | None:
    message = read_message(envelope.body)
    return message if isinstance(message, Update) and message.vector is not None else None


class Guard:
    """Looks at every message that leaves: a vector must be in the ledger, whose last line was synced."""

    def __init__(self, folder: Path, disk: WatchedDisk | None = None) -> None:
        self._folder = folder
        self._disk = disk
        self.vectors: list[str] = []

    def __call__(self, envelope: Envelope) -> None:
        update = sent_update(envelope)
        if update is None:
            return
        sha256 = vector_of(update).sha256
        unpack(vector_of(update))
        entry = next((entry for entry in releases(self._folder) if entry.message == sha256), None)
        assert entry is not None, "a vector left that nobody counts"
        assert entry.order == update.order
        if self._disk is not None:
            kept = [f"{update.order}.json.part", "ledger.jsonl"]
            calls = [(name, call) for call, name in self._disk.calls if name in kept]
            assert calls[-1] == ("ledger.jsonl", "sync"), "a vector left before its entry was on the disk"
            assert kept[0] in [name for name, _ in calls], "a vector left before it was in the outbox"
        self.vectors.append(sha256)


def scenario() -> list[Order]:
    return [order("centre"), order("train", 1), order("evaluate", 1)]


async def settled(coordinator: Coordinator) -> None:
    """Welcomed, and past the second Join: from here on the order of messages is the test's."""
    await coordinator.welcome()
    await until(lambda: any(isinstance(each, Join) and each.ledger is not None for each in coordinator.heard))
