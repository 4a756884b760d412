"""``python -m consilia_dashboard``: the dashboard under gunicorn, until SIGTERM or SIGINT."""

import os
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from consilia.errors import InvalidSetting
from consilia_dashboard.app import create_app
from consilia_dashboard.live import MAX_VIEWERS, Live
from consilia_dashboard.settings import Settings

# A live page holds a thread; the rest serve requests.
THREADS = MAX_VIEWERS + 16
# A request in flight takes milliseconds; what else holds a connection is a browser that keeps it for later, and
# gunicorn would wait two seconds for each of those.
GRACE_SECONDS = 1
KILL_SECONDS = 10


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with one worker of many threads: the live feeds are shared by all pages, in one process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        wanted: dict[str, Any] = {
            "bind": f"{host}:{self._settings.port}",
            "worker_class": "gthread",
            "workers": 1,
            "threads": THREADS,
            "graceful_timeout": KILL_SECONDS,
            "loglevel": "warning",
            "proc_name": "consilia-dashboard",
            "control_socket_disable": True,
            "post_worker_init": _end_soon,
            "worker_exit": _leave,
        }
        for name, value in wanted.items():
            if name in self.cfg.settings:  # older gunicorns have no control socket to switch off
                self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(self._settings)


def _end_soon(worker: Any) -> None:
    """When the worker is told to end: end the live streams, which never end by themselves, and set a deadline."""
    live: Live = worker.wsgi.extensions["live"]

    def end() -> None:
        deadline = threading.Timer(GRACE_SECONDS, os._exit, (0,))
        deadline.daemon = True
        deadline.start()
        live.close()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        ordinary = signal.getsignal(number)

        def handle(received: int, frame: FrameType | None, ordinary: Any = ordinary) -> None:
            # In a thread: a signal's handler must not wait for a lock that the interrupted code may hold.
            threading.Thread(target=end, daemon=True).start()
            ordinary(received, frame)

        signal.signal(number, handle)


def _leave(_server: Any, worker: Any) -> None:
    """Leave without waiting for threads whose browser opened a connection and never asked anything."""
    if worker.pid == os.getpid():  # gunicorn's parent calls this too
        os._exit(0)


def require_free_port(host: str, port: int) -> None:
    """Say which port is taken, at once; gunicorn would try for five seconds and then show a trace."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InvalidSetting(
                f"the dashboard cannot listen on {host} port {port}: {error.strerror}; "
                "free it, or set CONSILIA_HTTP_HOST and CONSILIA_HTTP_PORT"
            ) from error


def main() -> int:
    """Run the dashboard; 2 when a setting is wrong."""
    try:
        settings = Settings.of(os.environ)
        require_free_port(settings.host, settings.port)
    except InvalidSetting as error:
        sys.stderr.write(f"{error}\n")
        return 2
    Server(settings).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
