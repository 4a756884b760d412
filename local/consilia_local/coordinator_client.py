"""The coordinator's HTTP API as this command uses it: the desired run in, what is published out."""

import json
import ssl
from collections.abc import AsyncIterator, Callable

import aiohttp

from consilia.errors import Refusal, Unavailable
from consilia.server_sent import MAX_LINE, SILENCE_SECONDS, Message, Reader
from consilia.spec import FederationSpec

REQUEST = aiohttp.ClientTimeout(total=10, connect=5)
STREAM = aiohttp.ClientTimeout(total=None, connect=5, sock_read=SILENCE_SECONDS)


class RunRefused(Refusal):
    """The coordinator will not run what is asked; retrying does not help."""


class CoordinatorClient:
    """Talks to one coordinator. Every method raises :class:`Unavailable` where it does not answer.

    ``token`` mints a bearer token for each request.
    """

    def __init__(self, url: str, ca_pem: bytes, token: Callable[[], str]) -> None:
        self._session = aiohttp.ClientSession(
            base_url=url,
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=ca_pem.decode())),
        )
        self._token = token

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def put_run(self, run: int, spec: FederationSpec) -> None:
        """Ask for ``run`` with ``spec``; idempotent. Raises :class:`RunRefused` with the coordinator's sentence."""
        body = {"run": run, "spec": spec.to_json()}
        try:
            async with self._session.put("/v1/run", json=body, headers=self._headers(), timeout=REQUEST) as answer:
                if answer.status >= 500 or answer.status in (401, 403):
                    raise Unavailable(f"the coordinator answered {answer.status} to the desired run")
                if answer.status >= 400:
                    raise RunRefused(_sentence(await answer.text()))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"the coordinator does not answer: {error}") from error

    async def events(self, after: str) -> AsyncIterator[Message]:
        """What is published after the sequence ``after``, as it comes.

        Its ``event`` is status, round or event, ``data`` that as JSON, and ``id`` its sequence.
        """
        reader = Reader(after)
        headers = self._headers() | {"Accept": "text/event-stream", "Last-Event-ID": after}
        try:
            async with self._session.get(
                "/v1/events", headers=headers, timeout=STREAM, raise_for_status=True, read_bufsize=MAX_LINE
            ) as answer:
                while line := await answer.content.readline():
                    if (message := reader.take(line)) is not None:
                        yield message
        # aiohttp says of a line beyond any bound that its value is wrong.
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(f"the coordinator's stream ended: {error}") from error

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token()}"}


def _sentence(body: str) -> str:
    """The sentence of an error answer, however it is wrapped."""
    try:
        found = json.loads(body)
    except ValueError:
        return body.strip() or "the coordinator refused the run without a reason"
    if isinstance(found, dict):
        return str(found.get("message") or found.get("error") or body)
    return body
