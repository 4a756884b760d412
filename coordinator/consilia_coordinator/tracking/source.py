"""The coordinator's HTTPS API, as tracking reads it."""

import base64
import json
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import aiohttp
import numpy as np
from pydantic import ValidationError

from consilia.errors import Unavailable
from consilia.model import family_for
from consilia.status import RoundRecord
from consilia_coordinator.answers import (
    LONG_POLL_SECONDS,
    Answer,
    ModelAnswer,
    RoundsAnswer,
    RunAnswer,
    StatusAnswer,
)
from consilia_coordinator.tracking.tracker import FinalModel
from consilia_coordinator.tracking_report import TrackingReport

TIMEOUT = aiohttp.ClientTimeout(total=LONG_POLL_SECONDS + 10, sock_connect=5)


class CoordinatorUnavailable(Unavailable):
    """The coordinator does not answer, or not as its API says."""


class NotThere(CoordinatorUnavailable):
    """The coordinator answers, and has no such run or model."""


AnswerT = TypeVar("AnswerT", bound=Answer)


class Source(Protocol):
    """What tracking asks of the coordinator; every call may raise :class:`CoordinatorUnavailable`."""

    async def status(self, after: int | None) -> StatusAnswer:
        """The status; with ``after``, once the sequence is another (or the poll is over, whatever it is)."""

    async def run(self, run: int) -> RunAnswer:
        """What was asked of a run."""

    async def rounds(self, run: int, after: int) -> list[RoundRecord]:
        """The records of a run's rounds above ``after`` (0: all)."""

    async def final_model(self, run: int) -> FinalModel | None:
        """The final model of a run, or None while it has none."""

    async def report(self, report: TrackingReport) -> None:
        """Tell what MLflow has, for the status and the dashboard."""


class CoordinatorSource:
    """A :class:`Source` over HTTPS: verifies the coordinator by the federation's own authority."""

    def __init__(self, url: str, authority: Path, token: Path) -> None:
        self._url = url
        self._authority = authority
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def status(self, after: int | None) -> StatusAnswer:
        """See :meth:`Source.status`."""
        parameters = {} if after is None else {"after": str(after)}
        return await self._get(StatusAnswer, "/v1/status", parameters)

    async def run(self, run: int) -> RunAnswer:
        """See :meth:`Source.run`."""
        return await self._get(RunAnswer, "/v1/run", {"run": str(run)})

    async def rounds(self, run: int, after: int) -> list[RoundRecord]:
        """See :meth:`Source.rounds`."""
        parameters = {"run": str(run), "after": str(after)}
        return (await self._get(RoundsAnswer, "/v1/rounds", parameters)).rounds

    async def final_model(self, run: int) -> FinalModel | None:
        """See :meth:`Source.final_model`."""
        try:
            answer = await self._get(ModelAnswer, "/v1/model", {"run": str(run)})
        except NotThere:
            return None
        if not answer.final:
            return None
        parameters = np.frombuffer(base64.b64decode(answer.parameters), dtype="<f8").astype(np.float64)
        family = family_for(answer.model, answer.outcome)
        return FinalModel(answer.round, parameters, answer.map, answer.label, answer.privacy, family)

    async def report(self, report: TrackingReport) -> None:
        """See :meth:`Source.report`."""
        await self._request("PUT", "/v1/tracking", json=report.to_json())

    async def _get(self, kind: type[AnswerT], path: str, parameters: dict[str, str]) -> AnswerT:
        body = await self._request("GET", path, params=parameters)
        try:
            return kind.model_validate_json(body)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise CoordinatorUnavailable(
                f"the coordinator answers GET {path} with what this version cannot read ({where}: {first['msg']})"
            ) from error

    async def _request(self, method: str, path: str, **options: Any) -> bytes:
        """The body that answers; raises :class:`CoordinatorUnavailable` for everything else."""
        try:
            headers = {"Authorization": f"Bearer {self._token.read_text().strip()}"}
            async with self._open().request(method, f"{self._url}{path}", headers=headers, **options) as response:
                body = await response.read()
                if response.status == HTTPStatus.NOT_FOUND:
                    raise NotThere(f"the coordinator has nothing at {path}")
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise CoordinatorUnavailable(
                        f"the coordinator answers {method} {path} with {response.status} ({_sentence(body)})"
                    )
                return body
        except (aiohttp.ClientError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise CoordinatorUnavailable(f"the coordinator at {self._url} does not answer ({reason})") from error

    def _open(self) -> aiohttp.ClientSession:
        # Opened at first use, and so again after the authority's file appeared late.
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(self._authority)))
            self._session = aiohttp.ClientSession(connector=connector, timeout=TIMEOUT)
        return self._session


def _sentence(body: bytes) -> str:
    """What the coordinator says is wrong; its errors are ``{"message": sentence}``."""
    try:
        return str(json.loads(body)["message"])[:300]
    except (ValueError, LookupError, TypeError):
        return "no reason given"
