"""A bus over XMPP by SPADE that comes back by itself when the broker does."""

import asyncio
import logging
from collections.abc import Iterator
from random import Random

from consilia.backoff import delays
from consilia.errors import Unavailable
from consilia_bus.bus import Listener
from consilia_bus.session import LoginRefused, Session
from consilia_bus.settings import BusSettings
from consilia_bus.stanza import message_stanza

FIRST_DELAY = 0.1  # seconds
LONGEST_DELAY = 5.0
STABLE_SECONDS = 5.0
"""A connection that held this long ends a series of failures: the next delay is short again."""


def backoff(random: Random) -> Iterator[float]:
    """Yield delays in seconds: doubling up to five, each cut by a random part of its half.

    Without the randomness all hospitals would come back to a restarted broker in the same instant.
    """
    for delay in delays(FIRST_DELAY, LONGEST_DELAY):
        yield delay * (1 - random.random() / 2)


class SpadeBus:
    """A `consilia_bus.bus.Bus` at a real broker.

    Parameters
    ----------
    settings
        Account and broker.
    retry_refused
        Whether to go on trying after the broker refused the password (a rotated secret arrives late).
        Otherwise `run` raises.
    random
        For the back-off.
    """

    def __init__(self, settings: BusSettings, *, retry_refused: bool = True, random: Random | None = None) -> None:
        # slixmpp logs what it sends and receives, and its errors name no broker: we say what matters.
        logging.getLogger("slixmpp").setLevel(logging.CRITICAL)
        self._settings = settings
        self._retry_refused = retry_refused
        self._random = random or Random()  # noqa: S311 - spreads load, keeps no secret
        self._session: Session | None = None

    @property
    def address(self) -> str:
        """Bare JID of this account."""
        return self._settings.address

    @property
    def connected(self) -> bool:
        """Whether messages pass now."""
        return self._session is not None

    async def run(self, listener: Listener) -> None:
        """Stay connected and deliver to `listener` until cancelled.

        Raises
        ------
        InvalidSetting
            At once, if the password or CA file cannot be used; with ``retry_refused=False`` also if the
            broker refuses the password.
        Exception
            Whatever `listener.on_message` raises.
        """
        self._settings.password()
        self._settings.tls_context()
        clock = asyncio.get_running_loop().time
        pauses, told = backoff(self._random), ""
        while True:
            began = clock()
            reason, connected = await self._hold(listener)
            if connected and clock() - began > STABLE_SECONDS:
                pauses = backoff(self._random)
            if connected or reason != told:  # the same failure again is no news
                listener.on_disconnected(reason)
                told = reason
            await asyncio.sleep(next(pauses))

    async def send(self, to: str, body: str) -> None:
        """Send `body`; dropped while disconnected.

        Raises
        ------
        InvalidMessage
            If `body` has a character that XML cannot carry.
        """
        stanza = message_stanza(to, body)
        if self._session is not None:
            self._session.write(stanza)

    async def _hold(self, listener: Listener) -> tuple[str, bool]:
        """Hold one connection for as long as it lasts; say why it ended and whether it ever stood."""
        session = Session(self._settings, listener.on_message)
        connected = False
        try:
            await session.start(auto_register=False)
            self._session, connected = session, True
            listener.on_connected()
            error = await session.ended
            if not isinstance(error, Unavailable):
                raise error
        except LoginRefused as refusal:
            if not self._retry_refused:
                raise
            return f"{refusal}; retrying", connected
        except Unavailable as loss:
            return f"{loss}; retrying", connected
        else:
            return f"{error}; retrying", connected
        finally:
            self._session = None
            await session.close()
