"""The coordinator's HTTP API as this command uses it: the desired run in, what is published out."""

import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import aiohttp

from consilia.errors import Refusal, Unavailable
from consilia.spec import FederationSpec

# The coordinator pings a stream every 15 s: silence much beyond that is a dead connection.
REQUEST = aiohttp.ClientTimeout(total=10, connect=5)
STREAM = aiohttp.ClientTimeout(total=None, connect=5, sock_read=40)


class RunRefused(Refusal):
    """The coordinator will not run what is asked; retrying does not help."""


@dataclass(frozen=True)
class Published:
    """One thing from the coordinator's stream: ``kind`` is status, round or event; ``data`` its JSON."""

    sequence: str
    kind: str
    data: str


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

    async def events(self, after: str) -> AsyncIterator[Published]:
        """What is published after the sequence ``after``, as it comes (server-sent events)."""
        headers = self._headers() | {"Accept": "text/event-stream", "Last-Event-ID": after}
        try:
            async with self._session.get(
                "/v1/events", headers=headers, timeout=STREAM, raise_for_status=True
            ) as answer:
                async for published in _server_sent(answer.content):
                    yield published
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"the coordinator's stream ended: {error}") from error

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token()}"}


async def _server_sent(lines: aiohttp.StreamReader) -> AsyncIterator[Published]:
    """Server-sent events (WHATWG HTML, 9.2), as far as the coordinator uses them."""
    fields: dict[str, str] = {}
    while raw := await lines.readline():
        line = raw.decode().rstrip("\r\n")
        if not line:
            if "data" in fields:
                yield Published(fields.get("id", ""), fields.get("event", "message"), fields["data"])
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and "data" in fields else value


def _sentence(body: str) -> str:
    """The sentence of an error answer, however it is wrapped."""
    try:
        found = json.loads(body)
    except ValueError:
        return body.strip() or "the coordinator refused the run without a reason"
    if isinstance(found, dict):
        return str(found.get("message") or found.get("error") or body)
    return body
