"""A dashboard as a process of its own, before a fake upstream."""

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from upstream import Upstream, write_settings

from deadline import eventually
from ports import free_port

LOGIN_TOKEN = "a-login-token-of-some-length"
EVENTS = "/federations/default/breast-cancer/events"


@dataclass(frozen=True)
class Served:
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def entrance(self) -> str:
        return f"{self.url}/?token={LOGIN_TOKEN}"

    def get(self, path: str, timeout: float = 10, **headers: str) -> http.client.HTTPResponse:
        """A request on a connection of its own, which ends with the response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        connection.request("GET", path, headers={"Connection": "close", **headers})
        return connection.getresponse()

    def log_in(self) -> str:
        """The Cookie header of somebody who followed the link."""
        with self.get(f"/?token={LOGIN_TOKEN}") as answer:
            return str(answer.headers["Set-Cookie"]).split(";")[0]


@contextmanager
def served(upstream: Upstream, folder: Path) -> Iterator[Served]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "consilia_dashboard"],
        env={**os.environ, **write_settings(upstream, folder, port, LOGIN_TOKEN)},
    )
    dashboard = Served(port, process)
    try:
        eventually(lambda: answers(dashboard), within=30)
        yield dashboard
    finally:
        process.terminate()
        try:
            process.wait(15)
        finally:
            process.kill()


def answers(dashboard: Served) -> bool:
    assert dashboard.process.poll() is None, "the dashboard ended"
    try:
        with dashboard.get("/healthz") as answer:
            return answer.status == 200
    except OSError:
        return False
