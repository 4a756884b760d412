"""The coordinator's HTTP API: what it did, what it is to do, and the vectors that are too large for the broker.

Handlers are thin: who calls, what for, and then the conductor or a pure function. Errors are JSON with one sentence.
"""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from aiohttp import web
from pydantic import Field, ValidationError

from consilia.errors import InvalidManifest, Refusal, Unavailable
from consilia.features import FeatureMap
from consilia.journal import Tracked
from consilia.manifest import explain
from consilia.protocol import BYTES_A_VALUE, Account, PrivacyTerms, to_bytes
from consilia.spec import Document, FederationSpec
from consilia.status import LedgerWitness
from consilia.tokens import Claims, InvalidToken
from consilia_coordinator.access import Access
from consilia_coordinator.answers import LONG_POLL_SECONDS, Answer, ModelAnswer, RoundsAnswer, RunAnswer, StatusAnswer
from consilia_coordinator.clock import Clock, iso
from consilia_coordinator.conductor import Conductor
from consilia_coordinator.event_stream import stream
from consilia_coordinator.exposition import exposition
from consilia_coordinator.identity import Identity
from consilia_coordinator.learning import Learning
from consilia_coordinator.status_view import round_records
from consilia_coordinator.tracking_report import TrackingReport

LARGEST_BODY = 2 * 1024 * 1024
MOST_DIGITS = 18
MOST_WITNESSES = 500
SUBJECT = web.RequestKey("subject", str)
"""Who the request's token says is calling."""
READERS = ("viewer", "operator", "tracking")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RunRequest(Document):
    """Body of ``PUT /v1/run``. ``witnesses``: what its sender has last seen of hospitals' ledgers."""

    run: int = Field(ge=1, le=1_000_000)
    spec: FederationSpec
    witnesses: dict[Account, LedgerWitness] = Field(default_factory=dict, max_length=MOST_WITNESSES)


class HttpApi:
    """The routes of one federation's coordinator."""

    def __init__(
        self,
        conductor: Conductor,
        learning: Learning,
        access: Access,
        clock: Clock,
        identity: Identity,
        long_poll_seconds: float = LONG_POLL_SECONDS,
    ) -> None:
        self._conductor = conductor
        self._learning = learning
        self._access = access
        self._clock = clock
        self._identity = identity
        self._long_poll_seconds = long_poll_seconds

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(middlewares=[one_sentence_errors], client_max_size=LARGEST_BODY)
        blob = "/v1/blobs/{sha256}"
        app.add_routes(
            [
                web.get("/healthz", self.healthz),
                web.get("/readyz", self.readyz),
                web.get("/metrics", self.metrics),
                web.get("/v1/status", self.only(READERS, self.status)),
                web.get("/v1/rounds", self.only(READERS, self.rounds)),
                web.get("/v1/events", self.only(READERS, self.events)),
                web.get("/v1/model", self.only(READERS, self.model)),
                web.get("/v1/run", self.only(READERS, self.get_run)),
                web.put("/v1/run", self.only(("operator",), self.put_run)),
                web.put("/v1/tracking", self.only(("tracking",), self.put_tracking)),
                web.get(blob, self.only(("hospital",), self.get_blob), allow_head=False),
                web.head(blob, self.only(("hospital",), self.head_blob)),
                web.put(blob, self.only(("hospital",), self.put_blob)),
            ]
        )
        return app

    def only(self, roles: tuple[str, ...], handler: Handler) -> Handler:
        """``handler`` for those who prove one of ``roles``."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            claims = self._claims(request)
            if claims.role not in roles:
                raise web.HTTPForbidden(text=f"role {claims.role} may not do this: it takes {' or '.join(roles)}")
            request[SUBJECT] = claims.subject
            return await handler(request)

        return guarded

    async def healthz(self, _request: web.Request) -> web.Response:
        """The event loop turns."""
        return web.json_response({"ok": True})

    async def readyz(self, _request: web.Request) -> web.Response:
        """The broker answers."""
        problem = self._conductor.broker_problem
        return web.json_response({"ok": problem is None, "message": problem}, status=200 if problem is None else 503)

    async def metrics(self, _request: web.Request) -> web.Response:
        """Prometheus' text format."""
        text = exposition(self._identity.federation, self._conductor.status())
        return web.Response(text=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def status(self, request: web.Request) -> web.Response:
        """The status; with ``after`` equal to its sequence, once it has changed or the poll's time is over."""
        after = _whole(request, "after")
        if after is not None:
            await self._conductor.changes.after(after, self._long_poll_seconds)
        return _answer(StatusAnswer(sequence=self._conductor.changes.version, status=self._conductor.status()))

    async def rounds(self, request: web.Request) -> web.Response:
        """The committed rounds of a run."""
        history = self._conductor.history
        run = _whole(request, "run")
        records = round_records(history, run, _whole(request, "after") or 0)
        current = history.current
        number = run if run is not None else (current.number if current else 0)
        return _answer(RoundsAnswer(run=number, rounds=records))

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: what happened since ``after`` (or ``Last-Event-ID``), then what happens."""
        last = request.headers.get("Last-Event-ID", "")
        after = int(last) if _is_whole(last) else (_whole(request, "after") or 0)
        return await stream(request, self._conductor, after)

    async def model(self, request: web.Request) -> web.Response:
        """The newest global model of a run, with all that is needed to apply it."""
        history = self._conductor.history
        number = _whole(request, "run")
        run = history.current if number is None else history.runs.get(number)
        if run is None or run.released is None:
            raise web.HTTPNotFound(text="no round of this run is committed yet")
        features = run.first.features
        return _answer(
            ModelAnswer(
                run=run.number,
                round=run.committed,
                final=run.completed_at is not None,
                parameters=base64.b64encode(to_bytes(self._learning.vector(run.released))).decode(),
                names=features.names,
                label=features.label,
                model=run.first.model,
                outcome=features.outcome,
                privacy=run.first.privacy.label,
                map=FeatureMap.of(features, self._learning.vector(run.opened) if run.opened else None),
            )
        )

    async def get_run(self, request: web.Request) -> web.Response:
        """What was asked of a run (default: the current one)."""
        history = self._conductor.history
        number = _whole(request, "run")
        run = history.current if number is None else history.runs.get(number)
        if run is None:
            raise web.HTTPNotFound(text="no such run is known here")
        return _answer(
            RunAnswer(
                run=run.number,
                first=min(history.runs),
                uid=self._identity.uid,
                spec=run.spec,
                privacy=PrivacyTerms.of(run.first, self._identity.uid, self._identity.federation, run.number),
                quorum=self._conductor.quorum_of(run.spec),
                statistics=run.statistics,
                started_at=run.started_at,
                completed_at=run.completed_at,
            )
        )

    async def put_run(self, request: web.Request) -> web.Response:
        """The desired run. Idempotent."""
        body = _validated(RunRequest, await request.read())
        self._conductor.desire(body.run, body.spec, body.witnesses)
        return _json({"sequence": self._conductor.changes.version})

    async def put_tracking(self, request: web.Request) -> web.Response:
        """What MLflow knows."""
        body = _validated(TrackingReport, await request.read())
        self._conductor.track(Tracked(at=iso(self._clock.now()), **body.model_dump()))
        return _json({"sequence": self._conductor.changes.version})

    async def get_blob(self, request: web.Request) -> web.StreamResponse:
        """The global parameters; with ``Range``, a part of them. No hospital reads what another one sent."""
        sha256 = request.match_info["sha256"]
        if not self._learning.is_global(sha256) or not self._learning.blobs.has(sha256):
            raise web.HTTPNotFound(text=f"blob {sha256[:12]}… is not the current global model")
        return web.FileResponse(self._learning.blobs.path(sha256), chunk_size=1 << 20)

    async def head_blob(self, request: web.Request) -> web.Response:
        """200 where the blob is whole; else 404, with ``Upload-Offset``: where to go on."""
        sha256 = request.match_info["sha256"]
        whole = self._learning.blobs.has(sha256)
        offset = 0 if whole else self._learning.blobs.received(sha256)
        return web.Response(status=200 if whole else 404, headers={"Upload-Offset": str(offset)})

    async def put_blob(self, request: web.Request) -> web.Response:
        """Bytes of a blob from ``Upload-Offset`` (default 0) on; 201 when it is whole."""
        sha256 = request.match_info["sha256"]
        if self._learning.blobs.has(sha256):
            return web.Response(status=200)
        self._learning.spool(request[SUBJECT], sha256)
        offset = _number("Upload-Offset", request.headers.get("Upload-Offset", "0"))
        pieces: AsyncIterator[bytes] = request.content.iter_any()
        whole = await self._learning.blobs.receive(sha256, offset, pieces, self._learning.longest * BYTES_A_VALUE)
        if not whole:
            raise web.HTTPUnprocessableEntity(text=f"blob {sha256[:12]}… is not whole, or has another digest")
        return web.Response(status=201)

    def _claims(self, request: web.Request) -> Claims:
        try:
            return self._access.claims(request.headers.get("Authorization"), self._clock.now())
        except InvalidToken as error:
            raise web.HTTPUnauthorized(text=str(error)) from error


@web.middleware
async def one_sentence_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error as ``{"message": sentence}``."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < web.HTTPBadRequest.status_code:
            raise
        if error is request.match_info.http_exception:
            message = f"{request.method} {request.path[:100]} is no call of this API"
            return web.json_response({"message": message}, status=error.status)
        return web.json_response({"message": error.text or error.reason}, status=error.status)
    except Refusal as error:
        return web.json_response({"message": str(error)}, status=web.HTTPUnprocessableEntity.status_code)
    except Unavailable as error:
        return web.json_response({"message": str(error)}, status=web.HTTPServiceUnavailable.status_code)


D = TypeVar("D", bound=Document)


def _validated(model: type[D], body: bytes) -> D:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise InvalidManifest(explain(error)) from error


def _whole(request: web.Request, name: str) -> int | None:
    value = request.query.get(name)
    return None if value is None else _number(name, value)


def _number(name: str, value: str) -> int:
    if not _is_whole(value):
        raise web.HTTPBadRequest(text=f'{name} is "{value[:40]}"; it must be a whole number')
    return int(value)


def _is_whole(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS


def _answer(answer: Answer) -> web.Response:
    return _json(answer.to_json())


def _json(data: object) -> web.Response:
    return web.Response(text=json.dumps(data, separators=(",", ":")), content_type="application/json")
