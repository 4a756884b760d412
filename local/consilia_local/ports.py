"""Ports on loopback: free ones for what only processes talk to, and a sentence where a wanted one is taken."""

import errno
import socket
from dataclasses import dataclass

from consilia.errors import InvalidSetting

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class WantedPort:
    """A port as the command line asks for it; ``None`` takes any that is free. ``flag`` changes it."""

    what: str
    flag: str
    number: int | None


def choose(wanted: list[WantedPort]) -> list[int]:
    """A free port for each of ``wanted``, all different.

    Raises :class:`InvalidSetting` naming the first that is taken, or wanted twice. A port that is free here can be
    taken before its process binds it; that process then fails with its own sentence.
    """
    held: list[socket.socket] = []
    try:
        numbers = []
        for want in sorted(wanted, key=lambda want: want.number is None):
            held.append(_bound(want))
            numbers.append((want, held[-1].getsockname()[1]))
    finally:
        for listener in held:
            listener.close()
    return [next(number for want, number in numbers if want is asked) for asked in wanted]


def _bound(want: WantedPort) -> socket.socket:
    listener = socket.socket()
    # As servers do: a port whose last connections are still closing is free.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, want.number or 0))
        listener.listen(1)
    except OSError as error:
        listener.close()
        port = f"port {want.number} for {want.what}"
        if error.errno == errno.EADDRINUSE:
            raise InvalidSetting(f"{port} is taken: stop what uses it, or choose another with {want.flag}") from error
        raise InvalidSetting(f"{port} cannot be used ({error.strerror}): choose another with {want.flag}") from error
    return listener
