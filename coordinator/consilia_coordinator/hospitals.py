"""What the coordinator says to hospitals and hears from them: the protocol's side of the conductor.

Refuses, each with one sentence to the sender and in the events: strangers, other versions of the protocol, answers
that are not finite or have the wrong length. A refusal never stops the round for the others.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable
from itertools import count

from consilia.errors import InvalidMessage
from consilia.protocol import (
    LONGEST_REASON,
    AnyMessage,
    Decline,
    Heartbeat,
    Join,
    Leave,
    Order,
    Pulse,
    Rejection,
    Update,
    Welcome,
    decode,
    digest_of_names,
    encode,
    fits_inline,
)
from consilia.rounds import Exchange, Names
from consilia_bus.bus import Bus
from consilia_coordinator.clock import Clock
from consilia_coordinator.conductor import Conductor
from consilia_coordinator.learning import Learning
from consilia_coordinator.narration import Telling
from consilia_coordinator.roster import HEARTBEAT_SECONDS, SILENCE_SECONDS, Member

logger = logging.getLogger(__name__)

MOST_STRANGERS = 100
LAST_SEEN_EVERY = 5
"""Heartbeats after which the status is told again for their sake alone."""
LONGEST_NAME = 63
"""Of a stranger's name, what is quoted: an account at a broker may be called a thousand characters."""


class Hospitals:
    """The bus's listener. ``ticket_of`` mints the token with which a hospital may use blobs.

    Hospitals are told to give a sign of life every ``heartbeat_seconds``; after ``silence_seconds`` they are lost.
    """

    def __init__(
        self,
        conductor: Conductor,
        learning: Learning,
        bus: Bus,
        clock: Clock,
        federation: str,
        ticket_of: Callable[[str], str],
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._conductor = conductor
        self._learning = learning
        self._bus = bus
        self._clock = clock
        self._federation = federation
        self._ticket_of = ticket_of
        self._heartbeat_seconds = heartbeat_seconds
        self._silence_seconds = silence_seconds
        self._instance = uuid.uuid4().hex
        self._order: tuple[Exchange, Order] | None = None
        self._strangers: set[str] = set()
        self._sending: set[asyncio.Task[None]] = set()
        self._admitting: set[tuple[str, str]] = set()
        conductor.send_order = self.send_order

    # The bus's side.

    def on_connected(self) -> None:
        """Hospitals may have waited in vain: nobody is silent yet, and what was ordered is ordered again."""
        self._conductor.broker_problem = None
        self._conductor.roster.forgive_silence(self._clock.monotonic())
        exchange = self._conductor.run.exchange
        if exchange is not None:
            self.send_order(exchange, exchange.awaited)
        self._conductor.changes.happened()

    def on_disconnected(self, reason: str) -> None:
        """Cut off: nobody is declared lost meanwhile."""
        if self._conductor.broker_problem is None:
            self._conductor.broker_problem = reason
            self._conductor.tell(Telling("Warning", "BrokerLost", reason))
        self._conductor.broker_problem = reason
        self._conductor.changes.happened()

    def on_message(self, sender: str, body: str) -> None:
        """Anything that anybody sent."""
        name = sender.partition("@")[0]
        spec = self._conductor.spec
        if spec is not None and name not in spec.hospital_names:
            self._refuse_stranger(name, sender)
            return
        try:
            message = decode(body)
            self._hear(name, sender, message)
        except InvalidMessage as error:
            self._reject(name, sender, str(error))

    async def watch(self) -> None:
        """Until cancelled: hospitals that were not heard of for too long are lost, and when they were is told."""
        for beat in count(1):
            before = self._clock.monotonic()
            await asyncio.sleep(self._heartbeat_seconds)
            now = self._clock.monotonic()
            if now - before > 2 * self._heartbeat_seconds:
                # It was this process that stood still: heartbeats wait to be read.
                self._conductor.roster.forgive_silence(now)
            self._lose_the_silent()
            if beat % LAST_SEEN_EVERY == 0:
                self._conductor.changes.happened()

    def _lose_the_silent(self) -> None:
        if self._conductor.broker_problem is not None:
            return
        for name in self._conductor.roster.silent(self._clock.monotonic(), self._silence_seconds):
            self._conductor.lose(name, "no sign of life (process, machine or network down)")

    # Hearing.

    def _hear(self, name: str, sender: str, message: AnyMessage) -> None:
        member = self._conductor.roster.hear(name, self._clock.monotonic(), self._clock.now())
        match message:
            case Join():
                self._welcome(name, sender, message)
            case Heartbeat():
                self._answer_heartbeat(member, sender, message)
            case Update():
                self._take(member, sender, message)
            case Decline():
                self._take_decline(name, message)
            case Leave():
                self._conductor.lose(name, message.reason)
            case _:
                raise InvalidMessage(f'a hospital does not send "{message.type}"')

    def _welcome(self, name: str, sender: str, message: Join) -> None:
        member = self._conductor.roster.member(name)
        returned = member.known and not member.present
        restarted = member.present and member.instance != message.instance
        self._conductor.roster.join(name, sender, message.instance, message.engine, message.ledger)
        self._greet(member, sender)
        if returned or restarted:
            at = max(self._conductor.run.committed, 0)
            self._conductor.tell(Telling("Normal", "HospitalRejoined", f"{name}, after round {at}"))
        self._conductor.join(name)

    def _greet(self, member: Member, address: str) -> None:
        """Tell a hospital of the current run, if there is one."""
        settings = self._learning.settings() if self._conductor.spec is not None else None
        member.settings = settings.digest if settings is not None else None
        member.run = self._conductor.run.number if settings is not None else None
        welcome = Welcome(
            federation=self._federation,
            instance=self._instance,
            heartbeat_seconds=self._heartbeat_seconds,
            settings=settings,
            run=member.run,
            witness=self._conductor.history.witnesses.get(member.name),
        )
        self._send(address, welcome)

    def _answer_heartbeat(self, member: Member, sender: str, message: Heartbeat) -> None:
        joined = member.present and member.instance == message.instance and member.refusal is None
        member.order, member.busy = message.order, message.busy
        if member.reading != message.reading:
            member.reading = message.reading
            self._conductor.changes.happened()
        # A refused hospital stays out until it asks to come in again, which is when its data were mended.
        self._send(sender, Pulse(instance=self._instance, joined=joined or member.refusal is not None))
        another = self._conductor.spec is not None and member.run != self._conductor.run.number
        if another and member.refusal is not None:
            # It gets no orders, from which others hear of a run; it may be able to take part in this one.
            self._greet(member, sender)
        exchange = self._conductor.run.exchange
        if joined and exchange is not None and member.name in exchange.awaited:
            order = self._order_of(exchange)
            if message.order != order.key or not message.busy:
                self._send(sender, self._personal(order, member.name))

    def _take_decline(self, name: str, decline: Decline) -> None:
        """Refuse the hospital, unless what it declines is over."""
        exchange = self._conductor.run.exchange
        if decline.order is None or (exchange is not None and self._order_of(exchange).key == decline.order):
            # Whoever shows a reason says whose it is.
            self._conductor.refuse(name, decline.reason.removeprefix(f"hospital {name}: "), decline.problem)

    def _take(self, member: Member, sender: str, update: Update) -> None:
        exchange = self._conductor.run.exchange
        if exchange is None or self._order_of(exchange).key != update.order:
            logger.debug("%s answered an order that is over", member.name)
            # The answer is of no use, and its release is counted: whoever keeps witnesses hears of it.
            self._conductor.roster.tell_ledger(member.name, update.ledger)
            self._conductor.changes.happened()
            return
        if member.name in exchange.received:
            return
        self._learning.admit(exchange.task, update)
        if update.vector is not None and not update.vector.inline:
            self._take_blob(member.name, sender, exchange, update)
            return
        self._conductor.receive(member.name, exchange, update)

    def _take_blob(self, name: str, sender: str, exchange: Exchange, update: Update) -> None:
        """Look through a large answer in another thread, then take it."""
        key = (name, update.order)
        vector = update.vector
        if key in self._admitting or vector is None:
            return
        self._admitting.add(key)

        async def admit() -> None:
            try:
                await asyncio.to_thread(self._learning.admit_blob, name, exchange.task, update.rows or 0, vector)
                self._conductor.receive(name, exchange, update)
            except InvalidMessage as error:
                # Once the exchange is over its blobs are thrown away: that is nobody's fault.
                if exchange.same(self._conductor.run.exchange):
                    self._reject(name, sender, str(error))
            finally:
                self._admitting.discard(key)

        self._keep(asyncio.ensure_future(admit()))

    def _reject(self, name: str, sender: str, reason: str) -> None:
        self._send(sender, Rejection(reason=reason[:LONGEST_REASON]))
        self._conductor.refuse(name, reason)

    def _refuse_stranger(self, name: str, sender: str) -> None:
        reason = f'"{name[:LONGEST_NAME]}" is not a hospital of this federation: add it to spec.hospitals'
        self._send(sender, Rejection(reason=reason[:LONGEST_REASON]))
        if name not in self._strangers and len(self._strangers) < MOST_STRANGERS:
            self._strangers.add(name)
            self._conductor.tell(Telling("Warning", "StrangerRefused", reason))

    # Saying.

    def send_order(self, exchange: Exchange, to: Names) -> None:
        """Send the order of ``exchange`` to those of ``to`` who are there."""
        order = self._order_of(exchange)
        common = None if order.ticket is not None else encode(order)
        for name in sorted(to):
            address = self._conductor.roster.member(name).address
            if address is not None:
                self._brief(name, address, order)
                self._post(address, common or encode(self._personal(order, name)))

    def _brief(self, name: str, address: str, order: Order) -> None:
        """Send the run's settings ahead of the first order that names them."""
        member = self._conductor.roster.member(name)
        if member.settings != order.settings:
            self._greet(member, address)
        member.run = order.run

    def _order_of(self, exchange: Exchange) -> Order:
        """The order of ``exchange``, made once. Its ticket says only whether one is needed."""
        if self._order is None or not self._order[0].same(exchange) or self._order[1].run != self._conductor.run.number:
            parameters = self._learning.parameters(exchange.task)
            length = self._learning.length(exchange.task)
            large = (parameters is not None and not parameters.inline) or not fits_inline(length)
            order = Order(
                federation=self._federation,
                run=self._conductor.run.number,
                round=exchange.round,
                attempt=exchange.attempt,
                task=exchange.task,
                settings=self._learning.settings().digest,
                participants=digest_of_names(exchange.participants),
                private=self._learning.settings().privacy is not None,
                parameters=parameters,
                scored=self._learning.scored(exchange.task),
                ticket="needed" if large else None,
            )
            self._order = (exchange, order)
        return self._order[1]

    def _personal(self, order: Order, name: str) -> Order:
        return order if order.ticket is None else order.model_copy(update={"ticket": self._ticket_of(name)})

    def _send(self, address: str, message: AnyMessage) -> None:
        self._post(address, encode(message))

    def _post(self, address: str, body: str) -> None:
        self._keep(asyncio.ensure_future(self._bus.send(address, body)))

    def _keep(self, task: "asyncio.Task[None]") -> None:
        """Hold a task until it is done: the event loop itself holds it weakly."""
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
