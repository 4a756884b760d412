"""``python -m consilia_dashboard``: the dashboard under gunicorn, until SIGTERM or SIGINT."""

import signal
import socket
import sys
import threading
from types import FrameType
from typing import Any

from consilia.errors import InvalidSetting
from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from consilia_dashboard.app import create_app
from consilia_dashboard.live import MAX_VIEWERS, Live
from consilia_dashboard.settings import Settings, read_settings

# A live page holds a thread; the rest serve requests.
THREADS = MAX_VIEWERS + 16
GRACE_SECONDS = 1


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
            "graceful_timeout": GRACE_SECONDS,
            "loglevel": "warning",
            "proc_name": "consilia-dashboard",
            "control_socket_disable": True,
            "post_worker_init": _end_streams_on_exit,
        }
        for name, value in wanted.items():
            if name in self.cfg.settings:  # older gunicorns have no control socket to switch off
                self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(self._settings)


def _end_streams_on_exit(worker: Any) -> None:
    """End the live streams when the worker is told to: it waits for its requests, and they never end by themselves."""
    live: Live = worker.wsgi.extensions["live"]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        ordinary = signal.getsignal(number)

        def end(received: int, frame: FrameType | None, ordinary: Any = ordinary) -> None:
            # In a thread: a signal's handler must not wait for a lock that the interrupted code may hold.
            threading.Thread(target=live.close, daemon=True).start()
            ordinary(received, frame)

        signal.signal(number, end)


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
        settings = read_settings()
        require_free_port(settings.host, settings.port)
    except InvalidSetting as error:
        sys.stderr.write(f"{error}\n")
        return 2
    Server(settings).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
