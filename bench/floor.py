"""The floor under a round: what broker, TLS and disk cost by themselves, with nothing of this project's protocol.

An asker writes and syncs one line, then sends five messages of the size of our orders through a real Prosody; five
processes each answer with the size of our updates; when the last answer is in, the round is
over. Plain slixmpp clients, on the same event loop and over the same verified TLS as the product's.
"""

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop
from slixmpp import ClientXMPP

from bench.broker import DOMAIN, prosody

ASKER = "asker"
ORDER_BYTES = 700
UPDATE_BYTES = 880
WARM_UP = 20
DEADLINE = 60.0  # seconds for the log-ins, and for one round


@dataclass(frozen=True)
class Account:
    """How one process of the floor logs in, and the file that it appends to."""

    name: str
    port: int
    password_file: str
    authority_file: str
    disk: str


class Client(ClientXMPP):  # type: ignore[misc]  # slixmpp is untyped
    """A plain client: `connected` is set once it is logged in, over TLS that it verified."""

    def __init__(self, account: Account) -> None:
        """Prepare; `enter` logs in."""
        super().__init__(f"{account.name}@{DOMAIN}", Path(account.password_file).read_text())
        self._port = account.port
        self.ca_certs = Path(account.authority_file)
        self.logged_in = asyncio.Event()
        self._disk = os.open(account.disk, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.add_event_handler("session_start", self._on_session)

    async def enter(self) -> None:
        """Return when logged in."""
        self.connect("127.0.0.1", self._port)
        await asyncio.wait_for(self.logged_in.wait(), DEADLINE)

    def append(self, text: str) -> None:
        """Write a line and return when it is on the disk."""
        os.write(self._disk, text.encode() + b"\n")
        os.fdatasync(self._disk)  # as the product's journal does

    def _on_session(self, _event: object) -> None:
        self.send_presence()
        self.logged_in.set()


async def ask(account: Account, echoes: list[str], rounds: int) -> list[float]:
    """Return the seconds of each round, the warm-up left out; the echoes may log in before or after."""
    client = Client(account)
    answers: asyncio.Queue[str] = asyncio.Queue()
    client.add_event_handler("message", lambda message: answers.put_nowait(message["from"].user))
    await client.enter()

    async def all_answered() -> None:
        waiting = set(echoes)
        while waiting:
            waiting.remove(await answers.get())

    await asyncio.wait_for(all_answered(), DEADLINE)  # each says once that it is there
    order = "o" * ORDER_BYTES
    seconds = []
    for _ in range(WARM_UP + rounds):
        began = time.perf_counter()
        client.append(order)
        for echo in echoes:
            client.send_message(f"{echo}@{DOMAIN}", order, mtype="chat")
        await asyncio.wait_for(all_answered(), DEADLINE)
        seconds.append(time.perf_counter() - began)
    await client.disconnect()
    return seconds[WARM_UP:]


def measure(scratch: Path, hospitals: int, rounds: int) -> list[float]:
    """Return the seconds of each of `rounds` rounds with this many echoing processes; `scratch` is a new folder."""
    names = [f"echo-{number}" for number in range(hospitals)]
    with prosody(scratch, [ASKER, *names]) as broker:

        def account(name: str) -> Account:
            return Account(
                name,
                broker.port,
                str(broker.passwords[name]),
                str(broker.authority_file),
                str(scratch / f"{name}.disk"),
            )

        command = [sys.executable, "-m", "bench.floor_echo"]
        echoes = [subprocess.Popen([*command, *map(str, asdict(account(name)).values())]) for name in names]
        try:
            seconds: list[float] = uvloop.run(ask(account(ASKER), names, rounds))
            return seconds
        finally:
            for echo in echoes:
                echo.terminate()
            for echo in echoes:
                echo.wait()
