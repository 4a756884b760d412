"""Ports of loopback: which are free, and when somebody listens."""

import socket
import time
from contextlib import ExitStack, suppress


def free_ports(count: int) -> list[int]:
    """Return this many different ports of loopback that nobody listens on now."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


def await_port(port: int, deadline: float) -> None:
    """Return when a connection to this port of loopback is accepted; TimeoutError after `deadline` seconds."""
    limit = time.monotonic() + deadline
    while time.monotonic() < limit:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)  # a port has no event for "now listening"
    raise TimeoutError(f"nothing listens on port {port} after {deadline:.0f} s")
