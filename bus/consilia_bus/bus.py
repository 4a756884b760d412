"""The seam between a process and the broker: what coordinator and hospitals use, and what tests fake.

A bus delivers at most once: what is sent while the broker or the receiver is away is lost without an
error, so the protocol above it repeats what matters. Callbacks are plain functions, called on the event
loop in the order of arrival; they must not block.
"""

from typing import Protocol


class Listener(Protocol):
    """What a process wants to be told by its bus."""

    def on_message(self, sender: str, body: str) -> None:
        """A message came in.

        Parameters
        ----------
        sender
            Full JID as the broker vouches for it, e.g. ``north@localhost/5c0e``: account, domain, connection.
        body
            The text as it was sent.
        """

    def on_connected(self) -> None:
        """This process is logged in: messages pass from now on."""

    def on_disconnected(self, reason: str) -> None:
        """The broker cannot be reached; `reason` is a sentence. Also called when a first attempt fails."""


class Bus(Protocol):
    """One account at the broker."""

    @property
    def address(self) -> str:
        """Bare JID of this account: ``account@domain``."""

    @property
    def connected(self) -> bool:
        """Whether messages pass now."""

    async def run(self, listener: Listener) -> None:
        """Stay connected and deliver to `listener` until cancelled.

        Raises
        ------
        consilia.errors.Unavailable
            Where the bus is told not to retry what retrying will not mend, e.g. a wrong password.
        """

    async def send(self, to: str, body: str) -> None:
        """Send `body` to a bare JID (whatever connection that account has now) or to a full one.

        While disconnected this drops the message: `Listener.on_disconnected` has said so.
        """
