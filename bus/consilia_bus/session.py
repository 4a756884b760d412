"""One connection of one account: a SPADE agent from login to loss. `SpadeBus` makes the next one.

SPADE's defaults are replaced where they are unsafe or costly: certificates are verified against our own
authority, nobody is registered, no trace of messages is kept or logged, and the broker is always in the
path (SPADE would hand a message to an agent of the same process without it).
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream.xmlstream import NotConnectedError

from consilia.errors import InvalidSetting, Unavailable
from consilia_bus.settings import BusSettings
from consilia_bus.spade_parts import Agent, Container, CyclicBehaviour, Message, TraceStore
from consilia_bus.stanza import PRESENCE

FAREWELL_SECONDS = 1.0
# slixmpp tries each of its handlers on each stanza: half the cost of receiving. After login these have no use.
NO_LONGER_NEEDED = (
    "Stream Features",
    "STARTTLS Proceed",
    "SASL Success",
    "SASL Failure",
    "SASL Challenge",
    "Presence",
    "Roster Update",
    "Disco Info",
    "Disco Items",
    "Data Form",
    "HTTP Upload Request",
)


class LoginRefused(InvalidSetting):
    """The broker answers, and refuses this account's password."""


class Inbox(CyclicBehaviour):  # type: ignore[misc]  # SPADE is not typed
    """Waits for the next message and delivers it."""

    def __init__(self, deliver: Callable[[str, str], None]) -> None:
        super().__init__()
        self._deliver = deliver

    async def run(self) -> None:
        """Deliver one message; SPADE calls this again and again."""
        message = await self.queue.get()
        self._deliver(str(message.sender), message.body)


class Session(Agent):  # type: ignore[misc]  # SPADE is not typed
    """One connection. `start` returns when logged in or raises; then `ended` tells why it was lost."""

    def __init__(self, settings: BusSettings, on_message: Callable[[str, str], None]) -> None:
        _adopt_running_loop()
        super().__init__(settings.address + "/consilia", settings.password(), settings.port, verify_security=True)
        self._settings = settings
        self._on_message = on_message
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusal: str | None = None
        loop = asyncio.get_running_loop()
        self._login: asyncio.Future[Exception | None] = loop.create_future()
        self.ended: asyncio.Future[Exception] = loop.create_future()
        self.traces = TraceStore(size=0)
        self.add_behaviour(Inbox(self._deliver))

    def write(self, stanza: str) -> None:
        """Write a stanza to the stream; lost if the connection just went."""
        with suppress(NotConnectedError):
            self.client.send_raw(stanza)

    async def close(self) -> None:
        """Say goodbye to the broker if it listens, and leave no task behind."""
        for behaviour in self.behaviours:
            behaviour.kill()
        client = self.client
        if client is not None:
            client.cancel_connection_attempt()
            if client.is_connected():
                await client.disconnect(wait=FAREWELL_SECONDS)
            if client._run_out_filters is not None:  # noqa: SLF001 - slixmpp ends this task only in __del__
                self._tasks.add(client._run_out_filters)  # noqa: SLF001
        self.container.unregister(str(self.jid))
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What SPADE calls.

    async def _async_connect(self) -> None:
        client = self.client
        client.ssl_context = self._settings.tls_context()
        client["xep_0199"].disable_keepalive()  # it would reconnect behind our back; `_watch` pings
        client.del_event_handler("session_start", client.session_start)  # asks for a roster that nobody has
        for event, handler in (
            ("session_start", self._on_session),
            ("connection_failed", self._on_connection_failed),
            ("ssl_invalid_chain", self._on_invalid_certificate),
            ("failed_all_auth", self._on_refused),
            ("stream_error", self._on_stream_error),
            ("disconnected", self._on_disconnected),
            ("message", self._message_received),
        ):
            client.add_event_handler(event, handler)
        client.connect(host=self._settings.domain, port=self._settings.port)
        try:
            async with asyncio.timeout(self._settings.login_seconds):
                error = await self._login
        except TimeoutError:
            error = self._unavailable(f"did not let us log in within {self._settings.login_seconds:g} s")
        if error is not None:
            raise error
        self.submit(self._watch())

    def submit(self, coro: "Coroutine[Any, Any, None]") -> "asyncio.Task[None]":
        """Run `coro` for as long as this session lasts."""
        task = asyncio.create_task(coro)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def dispatch(self, msg: Message) -> "list[asyncio.Task[None]]":
        """Queue a message for the inbox; SPADE's own makes a task, a trace and two log lines of it."""
        for behaviour in self.behaviours:
            behaviour.queue.put_nowait(msg)
        return []

    # What happens on the stream.

    def _on_session(self, _: object) -> None:
        tls = self.client.transport.get_extra_info("ssl_object")
        if tls is None or not tls.getpeercert() or "mechanisms" not in self.client.features:
            self._end(self._unavailable("let us in without TLS or without a password; it is not ours"))
            self.client.abort()
            return
        for handler in NO_LONGER_NEEDED:
            self.client.remove_handler(handler)
        self.write(PRESENCE)
        if not self._login.done():
            self._login.set_result(None)

    def _on_connection_failed(self, error: object) -> None:
        self.client.cancel_connection_attempt()  # slixmpp would try for ever, more and more slowly
        self._end(self._unavailable(f"does not answer ({_words(error)})"))

    def _on_invalid_certificate(self, error: ssl.SSLError) -> None:
        self._end(self._untrusted(error))
        self.client.abort()

    def _on_refused(self, _: object) -> None:
        self._end(
            LoginRefused(
                f"{self._settings.broker} refuses the password of {self._settings.address}; "
                f"check {self._settings.password_file}"
            )
        )

    def _on_stream_error(self, error: Any) -> None:
        condition = error["condition"]
        if condition == "conflict":
            self._refusal = f"another process has logged in as {self._settings.address}"
        else:
            self._refusal = f"ended the stream ({condition})"

    def _on_disconnected(self, reason: object) -> None:
        if isinstance(reason, ssl.SSLCertVerificationError):  # the loss may be told before the certificate
            self._end(self._untrusted(reason))
            return
        said = self._refusal or ("closed the connection" + (f" ({_words(reason)})" if reason else ""))
        self._end(self._unavailable(said))

    def _deliver(self, sender: str, body: str) -> None:
        try:
            self._on_message(sender, body)
        except Exception as error:  # SPADE would log it and go deaf; `SpadeBus.run` raises it
            self._end(error)

    def _end(self, error: Exception) -> None:
        if not self._login.done():
            self._login.set_result(error)
        elif not self.ended.done():
            self.ended.set_result(error)

    async def _watch(self) -> None:
        pause = self._settings.ping_seconds
        while True:
            await asyncio.sleep(pause)
            try:
                await self.client["xep_0199"].ping(timeout=pause)
            except IqTimeout:
                self._end(self._unavailable(f"has not answered a ping for {pause:g} s"))
                self.client.abort()
                return
            except (IqError, NotConnectedError):
                continue  # an error is an answer; a lost connection is told by its own event

    def _untrusted(self, error: ssl.SSLError) -> Unavailable:
        said = getattr(error, "verify_message", None) or error.reason or str(error)
        return self._unavailable(
            f"shows a certificate that {self._settings.ca_file} does not vouch for ({said}); "
            "is another broker listening there?"
        )

    def _unavailable(self, what: str) -> Unavailable:
        return Unavailable(f"{self._settings.broker} {what}")


def _words(reason: object) -> str:
    """Say why in words that are the same on every event loop."""
    if isinstance(reason, ConnectionRefusedError) or "Errno 111" in str(reason):
        return "connection refused"
    if isinstance(reason, ConnectionResetError):
        return "connection reset"
    return str(reason) or type(reason).__name__


def _adopt_running_loop() -> None:
    """Tie SPADE's container, one for the process, to the loop that runs now.

    It is made on first use and then sets the process's event loop policy, which is not its to set.
    """
    policy = asyncio.get_event_loop_policy()
    container = Container()
    asyncio.set_event_loop_policy(policy)
    container.loop = asyncio.get_running_loop()
