"""A coordinator's HTTP API over real HTTPS in this process; answers of hospitals are handed to its conductor."""

import io
import json
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from aiohttp import web
from aiohttp.test_utils import TestServer

from builders import StoppedClock, federation_spec
from consilia.aggregation import FedAvg
from consilia.aggregation import Update as Part
from consilia.pki import make_authority
from consilia.protocol import RunSettings, Task, Update, pack
from consilia.spec import FederationSpec
from consilia.status import Metrics
from consilia.tokens import generate_keypair, sign
from consilia.vectors import FloatArray
from consilia_coordinator.access import Access
from consilia_coordinator.blobs import BlobStore
from consilia_coordinator.conductor import Conductor
from consilia_coordinator.http_api import HttpApi
from consilia_coordinator.identity import Identity
from consilia_coordinator.journal_file import JournalFile
from consilia_coordinator.learning import Learning
from consilia_coordinator.objective import Progress
from consilia_coordinator.objectives import ObjectiveOf, objectives_of
from consilia_coordinator.settings import Settings

PRIVATE, PUBLIC = generate_keypair()
UID = "uid-1"
IDENTITY = Identity("consortium/breast-cancer", UID)
OBJECTIVE_OF = objectives_of(IDENTITY)
DIGEST = "0" * 64


@dataclass
class LongObjective:
    """Vectors of ``size`` values, averaged; nothing is scored. ``fresh``: the fresh model, by default zeros."""

    size: int = 4096
    fresh: FloatArray | None = None

    def length(self, task: Task) -> int:
        return {"train": self.size, "moments": 0, "evaluate": 0}[task]

    def examine(self, task: Task, rows: int, vector: FloatArray) -> None:
        pass

    def initial(self) -> FloatArray:
        return np.zeros(self.size) if self.fresh is None else self.fresh

    def settings(self, opened: FloatArray | None) -> RunSettings:
        spec = federation_spec()
        return RunSettings(features=spec.features, model=spec.model, algorithm=spec.algorithm)

    def combine(self, task: Task, updates: Iterable[Part], progress: Progress) -> FloatArray:
        return FedAvg().reduce(updates, self.size)

    def released(self, progress: Progress) -> FloatArray | None:
        return None

    def score(self, released: FloatArray, opened: FloatArray | None) -> Metrics | None:
        return None


class Coordinator:
    """The parts of a coordinator, but for its bus: what hospitals say is told by the test."""

    def __init__(self, folder: Path, objective_of: ObjectiveOf = OBJECTIVE_OF) -> None:
        self.clock = StoppedClock()
        self.journal = JournalFile(folder / "journal")
        self.blobs = BlobStore(folder / "blobs")
        self.learning = Learning(self.blobs, self.journal.history, objective_of)
        self.access = Access.of(PUBLIC, UID)
        self.conductor = Conductor(self.journal, self.learning, self.clock)

    def token(self, role: str, minutes: float = 5, federation: str = UID) -> str:
        """A token that the operator signed."""
        return sign(PRIVATE, role, "ada", self.clock.now(), timedelta(minutes=minutes), federation=federation)

    def ticket(self, hospital: str = "north") -> str:
        """A ticket for blobs."""
        return self.access.ticket(hospital, self.clock.now())

    def start(self, run: int = 1, spec: FederationSpec | None = None) -> None:
        """Ask for a run, and let all its hospitals join."""
        self.conductor.desire(run, spec or federation_spec())
        assert self.conductor.spec is not None
        for name in self.conductor.spec.hospital_names:
            self.conductor.roster.join(name, f"{name}@localhost/1", "i", "sklearn")
            self.conductor.join(name)

    def answer(self, hospital: str, value: float = 1.0, loss: float | None = None) -> None:
        """Give ``hospital``'s answer to the exchange in flight: a vector of this value."""
        exchange = self.conductor.run.exchange
        assert exchange is not None
        length = self.learning.length(exchange.task)
        values = np.full(length, value)
        vector = None if not length else pack(values) if length <= 2048 else self.blobs.put(values)
        metrics = None if loss is None else Metrics(loss=loss)
        self.conductor.receive(hospital, exchange, Update(order=DIGEST, rows=10, vector=vector, metrics=metrics))

    def commit_round(self, value: float = 1.0, loss: float = 0.5) -> None:
        """Let all hospitals answer the exchange in flight."""
        self.clock.pass_time(0.25)
        exchange = self.conductor.run.exchange
        assert exchange is not None
        for hospital in sorted(exchange.participants):
            self.answer(hospital, value, loss)


def settings_in(folder: Path, **more: str) -> Settings:
    """The settings of a coordinator whose state and certificates are in ``folder``."""
    environment = {
        "CONSILIA_FEDERATION": "consortium/breast-cancer",
        "CONSILIA_FEDERATION_UID": UID,
        "CONSILIA_STATE": str(folder),
        "CONSILIA_TLS_CERTIFICATE": str(folder / "server.pem"),
        "CONSILIA_TLS_KEY": str(folder / "server.pem"),
        "CONSILIA_TOKEN_PUBLIC_KEY": str(folder / "public.pem"),
    }
    return Settings.of(environment | more)


@dataclass
class Served:
    """A coordinator that listens, and a session that trusts its authority."""

    coordinator: Coordinator
    url: str
    tls: ssl.SSLContext
    session: aiohttp.ClientSession

    def headers(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.coordinator.token(role)}"}

    @property
    def ticket_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.coordinator.ticket()}"}


@asynccontextmanager
async def serve(
    folder: Path,
    objective_of: ObjectiveOf = OBJECTIVE_OF,
    long_poll_seconds: float = 20.0,
) -> AsyncIterator[Served]:
    """Serve a coordinator on a free port of loopback."""
    coordinator = Coordinator(folder, objective_of)
    api = HttpApi(
        coordinator.conductor,
        coordinator.learning,
        coordinator.access,
        coordinator.clock,
        IDENTITY,
        long_poll_seconds,
    )
    try:
        async with listening(api.application(), folder) as (url, tls), client_session(tls) as session:
            yield Served(coordinator, url, tls, session)
    finally:
        coordinator.journal.close()


def certificate_in(folder: Path) -> ssl.SSLContext:
    """Write a server's certificate for loopback into ``folder``; a context that trusts its authority alone."""
    authority = make_authority("consortium/breast-cancer", datetime.now(UTC), days=1)
    certificate = authority.issue(["localhost", "127.0.0.1"], datetime.now(UTC), days=1)
    (folder / "server.pem").write_bytes(certificate.cert_pem + certificate.key_pem)
    (folder / "public.pem").write_bytes(PUBLIC)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.verify_flags |= ssl.VERIFY_X509_STRICT
    tls.load_verify_locations(cadata=authority.cert_pem.decode())
    return tls


@asynccontextmanager
async def listening(application: web.Application, folder: Path) -> AsyncIterator[tuple[str, ssl.SSLContext]]:
    """Serve any application over HTTPS: its URL, and a context that trusts its authority alone."""
    tls = certificate_in(folder)
    context = settings_in(folder).tls_context()
    server = TestServer(application, scheme="https")
    await server.start_server(ssl=context, shutdown_timeout=0.1)
    try:
        yield f"https://127.0.0.1:{server.port}", tls
    finally:
        await server.close()


@asynccontextmanager
async def client_session(tls: ssl.SSLContext) -> AsyncIterator[aiohttp.ClientSession]:
    """A session that gives up rather than hang."""
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls), timeout=timeout) as session:
        yield session


async def sentence_of(answer: aiohttp.ClientResponse) -> str:
    """The one sentence of an error."""
    body = await answer.json()
    assert list(body) == ["message"]
    assert "\n" not in body["message"]
    assert "Traceback" not in body["message"]
    return str(body["message"])


async def get(served: Served, path: str, role: str = "viewer", **options: Any) -> Any:
    """What it answers, which is 200."""
    async with served.session.get(served.url + path, headers=served.headers(role), **options) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def put(served: Served, path: str, body: object, role: str = "operator") -> tuple[int, Any]:
    """The code and the answer; ``body`` as JSON, unless it is bytes."""
    data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
    async with served.session.put(served.url + path, data=data, headers=served.headers(role)) as answer:
        return answer.status, await answer.json()


def run_body(spec: FederationSpec, run: int = 1, **changes: Any) -> dict[str, Any]:
    """A wish."""
    return {"run": run, "spec": spec.to_json() | changes}
