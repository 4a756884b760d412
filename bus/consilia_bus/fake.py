"""A network of buses in one process, for tests of what stands above the bus: no broker, no time, no chance.

It loses messages exactly where a broker would: when the sender or the receiver is away, or where the
test says so.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from consilia.errors import Unavailable
from consilia_bus.bus import Listener


class Envelope(NamedTuple):
    """One message on the fake network: full JID of the sender, receiver as addressed, text."""

    sender: str
    to: str
    body: str


@dataclass
class FakeNetwork:
    """Connects `FakeBus` objects; messages arrive in the order in which they were sent, one loop turn later."""

    domain: str = "localhost"
    lose: Callable[[Envelope], bool] = lambda _: False
    """Messages for which this is true get lost."""
    sent: list[Envelope] = field(default_factory=list)
    """Every message that reached the network, lost ones included."""
    connections: "dict[str, FakeBus]" = field(default_factory=dict)
    """Who is connected now, by bare JID."""
    _serial: "count[int]" = field(default_factory=count)

    def bus(self, account: str) -> "FakeBus":
        """Make a bus of `account`; it connects when it runs."""
        return FakeBus(self, account)

    def connect(self, bus: "FakeBus") -> None:
        """Bring `bus` back after `disconnect`, with a new resource, as a new connection gets at a broker."""
        bus.full_address = f"{bus.address}/{next(self._serial)}"
        self.connections[bus.address] = bus
        bus.heard().on_connected()

    def disconnect(self, account: str, reason: str = "broker localhost:5222 closed the connection; retrying") -> None:
        """Cut the connection of `account`: it is told, and what is sent to it is lost until `connect`."""
        self.connections.pop(f"{account}@{self.domain}").heard().on_disconnected(reason)

    def carry(self, envelope: Envelope) -> None:
        """Take a message from a connected bus and deliver it in a later turn of the loop."""
        self.sent.append(envelope)
        if not self.lose(envelope):
            asyncio.get_running_loop().call_soon(self._deliver, envelope)

    def _deliver(self, envelope: Envelope) -> None:
        bare, _, resource = envelope.to.partition("/")
        bus = self.connections.get(bare)
        if bus is not None and (not resource or bus.full_address == envelope.to):
            bus.heard().on_message(envelope.sender, envelope.body)


class FakeBus:
    """A `consilia_bus.bus.Bus` of a `FakeNetwork`."""

    def __init__(self, network: FakeNetwork, account: str) -> None:
        self._network = network
        self._listener: Listener | None = None
        self.address = f"{account}@{network.domain}"
        self.full_address = self.address

    @property
    def connected(self) -> bool:
        """Whether messages pass now."""
        return self._network.connections.get(self.address) is self

    def heard(self) -> Listener:
        """Give the listener of a running bus."""
        if self._listener is None:
            raise Unavailable(f"the bus of {self.address} is not running; run it before it is connected")
        return self._listener

    async def run(self, listener: Listener) -> None:
        """Connect at once and stay until cancelled."""
        self._listener = listener
        self._network.connect(self)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            if self.connected:
                del self._network.connections[self.address]

    async def send(self, to: str, body: str) -> None:
        """Send `body`; lost while disconnected."""
        if self.connected:
            self._network.carry(Envelope(self.full_address, to, body))
