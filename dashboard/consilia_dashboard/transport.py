"""One HTTP exchange with an upstream, over TLS where its address says so.

Refuses to follow redirects: a bearer token must not travel to an address that nobody configured.
"""

import http.client
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from consilia.errors import Unavailable

CONNECT_SECONDS = 5.0


def connect(url: str, ca_file: Path | None, timeout: float = CONNECT_SECONDS) -> http.client.HTTPConnection:
    """An unopened connection to the host of ``url``; ``timeout`` (seconds) bounds each wait on its socket."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
    if parts.scheme == "http" and parts.hostname:
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    raise Unavailable(f'address "{url}" is neither http nor https')


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
