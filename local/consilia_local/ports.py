"""Ports on loopback: free ones for what only processes talk to, and a sentence where a wanted one is taken."""

import errno
import random
import socket
from contextlib import suppress
from dataclasses import dataclass

from consilia.errors import InvalidSetting, Unavailable

LOOPBACK = "127.0.0.1"
ANY = range(20_000, 30_000)
"""Below those that Linux gives to whoever connects or asks for any (from 32768 on), and those of Kubernetes' nodes:
what is free here is given to nobody else, by chance, before its process has bound it."""
TRIES = 100


class CannotListen(Unavailable):
    """Nobody can listen there now. ``why`` ends a sentence that begins with the port."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        self.is_taken = error.errno == errno.EADDRINUSE
        self.why = "is taken" if self.is_taken else f"cannot be used ({error.strerror})"
        remedy = "stop what listens there" if self.is_taken else "choose another"
        super().__init__(f"port {port} of {host} {self.why}; {remedy}")


@dataclass(frozen=True)
class WantedPort:
    """A port as the command line asks for it; ``None`` takes any that is free. ``flag`` changes it."""

    what: str
    flag: str
    number: int | None


def claim(host: str, port: int) -> socket.socket:
    """Bind ``port`` of the address ``host`` without listening, so that nobody is kept waiting on it; 0 is any.

    Raises :class:`CannotListen` with a sentence.
    """
    is_ipv6 = ":" in host
    listener = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET)
    try:
        # As servers do: a port whose last connections are still closing is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_ipv6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CannotListen(host, port, error) from error
    return listener


def choose(wanted: list[WantedPort]) -> list[int]:
    """A free port for each of ``wanted``, all different.

    Raises :class:`InvalidSetting` naming the first that is taken, or wanted twice. A port that is free here can be
    taken before its process binds it; that process then fails with its own sentence.
    """
    held: list[socket.socket] = []
    try:
        numbers = []
        for want in sorted(wanted, key=lambda want: want.number is None):
            held.append(_claimed(want))
            held[-1].listen(1)  # or the same port could be claimed twice
            numbers.append((want, held[-1].getsockname()[1]))
    finally:
        for listener in held:
            listener.close()
    return [next(number for want, number in numbers if want is asked) for asked in wanted]


def _claimed(want: WantedPort) -> socket.socket:
    if want.number is None:
        return _any()
    try:
        return claim(LOOPBACK, want.number)
    except CannotListen as problem:
        remedy = f"{'stop what uses it, or ' if problem.is_taken else ''}choose another with {want.flag}"
        raise InvalidSetting(f"port {want.number} for {want.what} {problem.why}: {remedy}") from problem


def _any() -> socket.socket:
    for number in random.sample(ANY, TRIES):
        with suppress(CannotListen):
            return claim(LOOPBACK, number)
    return claim(LOOPBACK, 0)
