"""A federation of two hospitals with three recorded rounds, a coordinator that serves it, and an MLflow in memory."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

import deadline
from consilia.features import FeatureMap
from consilia.pki import make_authority
from consilia.protocol import PrivacyTerms
from consilia.spec import FederationSpec
from consilia.status import FeatureStatistics, FederationStatus, HospitalMetrics, Metrics, RegisteredModel, RoundRecord
from consilia.tokens import generate_keypair, sign, verify
from consilia_coordinator.answers import ModelAnswer, RoundsAnswer, RunAnswer, StatusAnswer
from consilia_coordinator.tracking.entries import Batch, Entry
from consilia_coordinator.tracking.outcome import Outcome
from consilia_coordinator.tracking.parameters import SETTLED
from consilia_coordinator.tracking.source import NotThere
from consilia_coordinator.tracking.tracker import FinalModel, MlflowUnavailable, OpenRun, RunKey
from consilia_coordinator.tracking_report import TrackingReport

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PARAMETERS = np.array([2.0, -1.0, 0.25])


def make_spec(rounds: int = 3, epsilon: float = 0) -> FederationSpec:
    bounds = {"min": 0, "max": 10}
    return FederationSpec.model_validate(
        {
            "rounds": rounds,
            "features": {
                "label": "malignant",
                "nominalRows": 400,
                "codebook": [{"name": "mean radius", **bounds}, {"name": "mean texture", **bounds, "scale": "sqrt"}],
            },
            "privacy": {"epsilon": epsilon},
            "hospitals": [{"name": name, "cohort": {"name": f"{name}-2024"}} for name in ("north", "south")],
        }
    )


def make_record(number: int, *, scored: bool = True, hospitals: tuple[str, ...] = ("north", "south")) -> RoundRecord:
    """Round ``number``: every value tells its round and its hospital. Unscored, hospitals' scores are not in yet."""
    scores = {
        name: HospitalMetrics(rows=100, accuracy=0.5 + number / 100 + place / 1000, loss=1 / number + place)
        for place, name in enumerate(hospitals)
    }
    return RoundRecord(
        run=1,
        round=number,
        at=(START + timedelta(seconds=number)).isoformat(),
        seconds=0.02,
        participants=list(hospitals),
        metrics=Metrics(accuracy=0.9 + number / 100, loss=1 / number, precision=0.8, recall=0.7, auc=0.95),
        hospitals=scores if scored else {name: HospitalMetrics(rows=100) for name in hospitals},
    )


@dataclass
class FakeFederation:
    """What a coordinator knows of its runs; a :class:`Source` that answers from memory."""

    runs: dict[int, RunAnswer] = field(default_factory=dict)
    records: dict[int, list[RoundRecord]] = field(default_factory=dict)
    models: dict[int, FinalModel] = field(default_factory=dict)
    now: FederationStatus = field(default_factory=FederationStatus)
    sequence: int = 0
    reports: list[TrackingReport] = field(default_factory=list)
    failure: Exception | None = None
    asked: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, run: int = 1, rounds: int = 3, epsilon: float = 0) -> None:
        spec = make_spec(rounds, epsilon)
        self.runs[run] = RunAnswer(
            run=run,
            uid="uid-1",
            spec=spec,
            privacy=PrivacyTerms.of(spec, "uid-1", "consortium/breast-cancer", run),
            quorum=2,
            started_at=START.isoformat(),
        )
        self.records[run] = []
        self.tell(phase="Training", run=run, round=0, rounds=rounds)

    def commit(self, *numbers: int, run: int = 1) -> None:
        """Commit rounds; the scores of the round before each of them are in."""
        for number in numbers:
            earlier = [make_record(record.round) for record in self.records[run]]
            self.records[run] = [*earlier, make_record(number, scored=False)]
            self.tell(round=number)

    def complete(self, run: int = 1) -> None:
        self.records[run] = [make_record(record.round) for record in self.records[run]]
        self.runs[run] = self.runs[run].model_copy(update={"completed_at": (START + timedelta(minutes=1)).isoformat()})
        bounds = FeatureMap.from_codebook(self.runs[run].spec.features)
        self.models[run] = FinalModel(
            len(self.records[run]), PARAMETERS, bounds, "malignant", self.runs[run].spec.privacy.label
        )
        self.tell(phase="Complete")

    def tell(self, **changes: Any) -> None:
        self.now = self.now.model_copy(update=changes)
        self.sequence += 1
        self.changed.set()

    async def status(self, after: int | None) -> StatusAnswer:
        self._answer()
        while after is not None and self.sequence <= after:
            self.changed.clear()
            await self.changed.wait()
            self._answer()
        return StatusAnswer(sequence=self.sequence, status=self.now)

    async def run(self, run: int) -> RunAnswer:
        self._answer()
        if run not in self.runs:
            raise NotThere("the coordinator has nothing at /v1/run")
        return self.runs[run]

    async def rounds(self, run: int, after: int) -> list[RoundRecord]:
        self._answer()
        return [record for record in self.records[run] if record.round > after]

    async def final_model(self, run: int) -> FinalModel | None:
        self._answer()
        return self.models.get(run)

    async def report(self, report: TrackingReport) -> None:
        self._answer()
        self.reports.append(report)
        self.tell()

    def _answer(self) -> None:
        self.asked += 1
        if self.failure is not None:
            raise self.failure


@dataclass
class FakeRun:
    parameters: dict[str, str]
    tags: dict[str, str] = field(default_factory=dict)
    outcome: Outcome = "RUNNING"
    ended_at: str | None = None
    batches: list[Batch] = field(default_factory=list)
    described: list[Sequence[FeatureStatistics]] = field(default_factory=list)

    @property
    def entries(self) -> list[Entry]:
        return [entry for batch in self.batches for entry in batch.entries]


@dataclass
class FakeTracker:
    """MLflow in memory; ``down`` makes every call fail, ``calls`` counts them."""

    runs: dict[RunKey, FakeRun] = field(default_factory=dict)
    versions: list[tuple[str, int]] = field(default_factory=list)
    privacies: list[str] = field(default_factory=list)
    down: str = ""
    calls: int = 0

    def open(self, key: RunKey, parameters: dict[str, str], started_at: str | None) -> OpenRun:
        self._answer()
        run = self.runs.setdefault(key, FakeRun({}))
        run.parameters = {**parameters, **run.parameters}
        return OpenRun(f"id-{key.run}", f"http://mlflow/{key.run}", run.outcome, int(run.tags.get(SETTLED, "0")))

    def log(self, run_id: str, batch: Batch) -> None:
        self._answer()
        self._run(run_id).batches.append(batch)
        self._run(run_id).tags[SETTLED] = str(batch.settled)

    def tag(self, run_id: str, tags: dict[str, str]) -> None:
        self._answer()
        self._run(run_id).tags.update(tags)

    def register(self, key: RunKey, run_id: str, name: str, model: FinalModel) -> RegisteredModel:
        self._answer()
        if (run_id, model.round) not in self.versions:
            self.versions.append((run_id, model.round))
            self.privacies.append(model.privacy)
        version = str(self.versions.index((run_id, model.round)) + 1)
        return RegisteredModel(name=name, version=version, uri=f"models:/{name}/{version}")

    def describe(self, run_id: str, statistics: Sequence[FeatureStatistics], at: str | None) -> None:
        self._answer()
        assert at is not None
        self._run(run_id).described.append(statistics)

    def conclude(self, run_id: str, outcome: Outcome, at: str | None) -> None:
        self._answer()
        run = self._run(run_id)
        run.outcome, run.ended_at = outcome, at

    def of(self, run: int) -> FakeRun:
        return self._run(f"id-{run}")

    def _run(self, run_id: str) -> FakeRun:
        return next(run for key, run in self.runs.items() if f"id-{key.run}" == run_id)

    def _answer(self) -> None:
        self.calls += 1
        if self.down:
            raise MlflowUnavailable(self.down)


@dataclass(frozen=True)
class Served:
    """A :class:`FakeFederation` behind HTTPS, and what a client needs to reach it."""

    url: str
    authority: Path
    token: Path
    federation: FakeFederation


async def _serve(federation: FakeFederation, folder: Path, runners: list[web.AppRunner]) -> Served:
    authority = make_authority("consortium/breast-cancer", datetime.now(UTC), days=1)
    certificate = authority.issue(["localhost"], datetime.now(UTC))
    private, public = generate_keypair()
    token = sign(private, "tracking", "tracking", datetime.now(UTC), timedelta(hours=1), federation="uid-1")
    files = {"ca.crt": authority.cert_pem, "tls.crt": certificate.cert_pem, "tls.key": certificate.key_pem}
    for name, content in {**files, "token": token.encode()}.items():
        (folder / name).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    runner = web.AppRunner(_application(federation, public), access_log=None, shutdown_timeout=0.1)
    runners.append(runner)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    return Served(f"https://localhost:{port}", folder / "ca.crt", folder / "token", federation)


def _application(federation: FakeFederation, public: bytes) -> web.Application:
    routes = web.RouteTableDef()

    @web.middleware
    async def authorised(request: web.Request, handler: Callable[..., Any]) -> web.StreamResponse:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if verify(bearer, public, datetime.now(UTC), federation="uid-1").role != "tracking":
            raise web.HTTPForbidden
        try:
            return await handler(request)
        except NotThere as error:
            raise web.HTTPNotFound from error

    def number(request: web.Request, name: str, default: int) -> int:
        return int(request.query.get(name, default))

    @routes.get("/v1/status")
    async def status(request: web.Request) -> web.Response:
        after = int(request.query["after"]) if "after" in request.query else None
        try:
            async with asyncio.timeout(25):
                answer = await federation.status(after)
        except TimeoutError:
            answer = await federation.status(None)
        return web.json_response(answer.to_json())

    @routes.get("/v1/run")
    async def run(request: web.Request) -> web.Response:
        answer = await federation.run(number(request, "run", federation.now.run))
        return web.json_response(answer.to_json())

    @routes.get("/v1/rounds")
    async def rounds(request: web.Request) -> web.Response:
        of = number(request, "run", federation.now.run)
        records = await federation.rounds(of, number(request, "after", 0))
        return web.json_response(RoundsAnswer(run=of, rounds=records).to_json())

    @routes.get("/v1/model")
    async def model(request: web.Request) -> web.Response:
        of = number(request, "run", federation.now.run)
        final = await federation.final_model(of)
        if final is None:
            raise web.HTTPNotFound
        answer = ModelAnswer(
            run=of,
            round=final.round,
            final=True,
            parameters=base64.b64encode(final.parameters.astype("<f8").tobytes()).decode(),
            names=list(final.map.names),
            label=final.label,
            privacy=final.privacy,
            map=final.map,
        )
        return web.json_response(answer.to_json())

    @routes.put("/v1/tracking")
    async def tracking(request: web.Request) -> web.Response:
        await federation.report(TrackingReport.model_validate(await request.json()))
        return web.Response(status=204)

    application = web.Application(middlewares=[authorised])
    application.add_routes(routes)
    return application


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Callable[[FakeFederation], Any]]:
    """Serve a federation until the test ends."""
    runners: list[web.AppRunner] = []

    async def start(federation: FakeFederation) -> Served:
        return await _serve(federation, tmp_path, runners)

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def federation() -> FakeFederation:
    return FakeFederation()


@pytest.fixture
def tracker() -> FakeTracker:
    return FakeTracker()


@pytest.fixture
def record() -> Callable[..., RoundRecord]:
    return make_record


@pytest.fixture
def spec() -> Callable[..., FederationSpec]:
    return make_spec


@pytest.fixture
def until() -> Callable[..., Any]:
    """Wait until a condition holds, with a deadline; the fakes are plain data, and work in threads."""
    return partial(deadline.until, pause=0.005)
