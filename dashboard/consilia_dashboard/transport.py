"""One HTTP exchange with an upstream, over TLS where its address says so, and streams that another thread may end.

Refuses to follow redirects: a bearer token must not travel to an address that nobody configured.
"""

import contextlib
import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from consilia.errors import Unavailable

CONNECT_SECONDS = 5.0


def connect(
    url: str, context: ssl.SSLContext | None = None, timeout: float = CONNECT_SECONDS
) -> http.client.HTTPConnection:
    """An unopened connection to the host of ``url``; ``timeout`` (seconds) bounds each wait on its socket.

    ``context`` is what an https server has to prove; without one, what the system trusts.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
    if parts.scheme == "http" and parts.hostname:
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    raise Unavailable(f'address "{url}" is neither http nor https')


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Trust in the authority of ``ca_file``, or in the system's."""
    return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
) -> http.client.HTTPResponse:
    """Send one request and return its response, body unread; raise :class:`Unavailable` when nothing answers."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, body=body, headers=dict(headers))
        return connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"{parts.netloc} does not answer: {error or type(error).__name__}") from error


class Lines:
    """The lines of an answer that goes on: opened by a GET, ended by either side, from any thread."""

    def __init__(self, connection: http.client.HTTPConnection, url: str, headers: Mapping[str, str]) -> None:
        try:
            self._link = _dial(connection)
            self.response = exchange(connection, "GET", url, headers)
        except Unavailable:
            connection.close()
            raise

    def read(self, longest: int, silence: float) -> Iterator[bytes]:
        """Lines of at most ``longest`` bytes, until the stream ends.

        Raises :class:`Unavailable` when it breaks, or says nothing for ``silence`` seconds.
        """
        self._link.settimeout(silence)
        try:
            while line := self.response.readline(longest):
                yield line
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unavailable(f"its stream broke off: {error or type(error).__name__}") from error
        finally:
            self.response.close()
            self._link.close()

    def close(self) -> None:
        """End :meth:`read` at once."""
        # Not a close: that would leave the reading thread on a dead descriptor. A shutdown wakes it.
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)


def _dial(connection: http.client.HTTPConnection) -> socket.socket:
    """Connect, and keep the socket: ``http.client`` lets go of it once a response has no known length."""
    try:
        connection.connect()
    except OSError as error:
        raise Unavailable(f"{connection.host}:{connection.port} does not answer: {error}") from error
    link: socket.socket = connection.sock
    return link
