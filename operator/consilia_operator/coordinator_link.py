"""The operator's line to one coordinator: the desired run out, its stream of status and events in."""

import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import aiohttp

from consilia import tokens
from consilia.errors import Refusal, Unavailable
from consilia.server_sent import MAX_LINE, SILENCE_SECONDS, Message, Reader
from consilia.spec import FederationSpec
from consilia.status import LedgerWitness

TOKEN_LIFE = timedelta(minutes=5)


class CoordinatorLink:
    """The coordinator of the ``federation`` of this UID, by URL, trusted by the federation's authority alone."""

    def __init__(
        self, url: str, authority: bytes, private_key: bytes, now: Callable[[], datetime], *, federation: str
    ) -> None:
        self._url = url
        self._tls = ssl.create_default_context(cadata=authority.decode())
        self._private_key = private_key
        self._now = now
        self._federation = federation

    async def desire(self, run: int, spec: FederationSpec, witnesses: Mapping[str, LedgerWitness]) -> None:
        """Say what is wished, and what was last seen of hospitals' ledgers.

        Raises :class:`Unavailable`, or :class:`Refusal` with the coordinator's sentence.
        """
        wish: dict[str, Any] = {"run": run, "spec": spec.to_json()}
        if witnesses:
            # A run keeps its coordinator's image through an upgrade, and one from before knows no such field.
            wish["witnesses"] = {hospital: witness.to_json() for hospital, witness in witnesses.items()}
        body = json.dumps(wish)
        try:
            async with (
                self._session(total=20) as session,
                session.put(f"{self._url}/v1/run", data=body, headers=self._headers()) as answer,
            ):
                status, said = answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"the coordinator does not answer ({type(error).__name__})") from error
        if status >= HTTPStatus.BAD_REQUEST:
            kind = Refusal if status < HTTPStatus.INTERNAL_SERVER_ERROR else Unavailable
            raise kind(f"the coordinator refuses: {json.loads(said).get('message', said)}")

    async def events(self, after: int) -> AsyncIterator[Message]:
        """What happens from ``after`` on, until the connection ends. Raises :class:`Unavailable`."""
        try:
            async with (
                self._session(total=None) as session,
                session.get(f"{self._url}/v1/events?after={after}", headers=self._headers()) as answer,
            ):
                answer.raise_for_status()
                reader = Reader()
                async for line in answer.content:
                    message = reader.take(line)
                    if message is not None:
                        yield message
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(f"the coordinator does not answer ({type(error).__name__})") from error

    def _session(self, total: float | None) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=total, sock_connect=5, sock_read=SILENCE_SECONDS)
        connector = aiohttp.TCPConnector(ssl=self._tls)
        return aiohttp.ClientSession(timeout=timeout, connector=connector, read_bufsize=MAX_LINE)

    def _headers(self) -> dict[str, str]:
        token = tokens.sign(
            self._private_key, "operator", "consilia-operator", self._now(), TOKEN_LIFE, federation=self._federation
        )
        return {"Authorization": f"Bearer {token}"}
