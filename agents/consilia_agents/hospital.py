"""The hospital's shell: joins, answers orders, says that it is alive, and joins again after anything went away.

It accepts orders from the coordinator's account only. One order at a time is worked on, in a thread, so that signs of
life go on meanwhile; a newer order replaces one that waits. The same order gets the same bytes.

Nothing is computed in a run that the cohort's custodian has not admitted. In a private run an answer takes this way,
and no other: its noised vector to the disk, its entry to the cohort's ledger, and only then to the coordinator. Killed
anywhere on it, what left is counted, and what is not counted has not left.
"""

import asyncio
import logging
import math
import uuid

from consilia.errors import BudgetExceeded, ConsiliaError, InvalidMessage
from consilia.protocol import (
    LONGEST_REASON,
    AnyMessage,
    Decline,
    Heartbeat,
    Join,
    Leave,
    Order,
    PrivacyTerms,
    Problem,
    Pulse,
    Rejection,
    RunSettings,
    Update,
    VectorRef,
    Welcome,
    decode,
    encode,
    fits_inline,
    pack,
    unpack,
)
from consilia.status import LedgerState, LedgerWitness
from consilia.vectors import FloatArray
from consilia_agents.blob_client import BlobClient
from consilia_agents.custodian import Custodian
from consilia_agents.data_side import DataSide
from consilia_agents.declines import INTERNAL, TOLD, problem_of
from consilia_agents.engine import Engine
from consilia_agents.looks import Looks
from consilia_agents.outbox import Outbox
from consilia_bus.bus import Bus

logger = logging.getLogger(__name__)

JOIN_SECONDS = 1.0
"""How often a hospital that was not welcomed yet says again that it is there."""
RECHECK_SECONDS = 30.0
"""How often data and runs that were refused are looked at again: they may have been mended, or become possible."""


class Hospital:
    """One hospital in one federation, on one event loop."""

    def __init__(
        self,
        bus: Bus,
        coordinator: str,
        engine: Engine,
        outbox: Outbox,
        blobs: BlobClient,
        custodian: Custodian,
        join_seconds: float = JOIN_SECONDS,
        recheck_seconds: float = RECHECK_SECONDS,
        looks: Looks | None = None,
    ) -> None:
        self._bus = bus
        self._coordinator = coordinator
        self._data = DataSide(engine, looks)
        self._outbox = outbox
        self._blobs = blobs
        self._custodian = custodian
        self._instance = uuid.uuid4().hex
        self._coordinator_instance: str | None = None
        self._heartbeat_seconds = join_seconds
        self._recheck_seconds = recheck_seconds
        self._settings: RunSettings | None = None
        self._digest: str | None = None
        self._run: tuple[str, int | None] = ("", None)
        self._witness: LedgerWitness | None = None
        self._admitted: RunSettings | None = None
        self._admitting = asyncio.Lock()
        self._ledger_told = False
        self._next: Order | None = None
        self._order: Order | None = None
        self._busy = False
        self._problem: str | None = None
        self._told: str | None = None
        self._recheck_at = 0.0
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Take part until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._bus.run(self))
                group.create_task(self._give_signs_of_life())
                group.create_task(self._work())
        finally:
            self._custodian.close()

    async def leave(self) -> None:
        """Say that this process goes on purpose, so that nobody waits for it."""
        await self._bus.send(self._coordinator, encode(Leave(reason="its process was stopped")))

    # The bus's side.

    def on_connected(self) -> None:
        """Join, or join again."""
        self._coordinator_instance = None
        self._join()

    def on_disconnected(self, reason: str) -> None:
        """The bus goes on trying."""
        if reason != self._told:
            logger.warning("%s", reason)
        self._told = reason

    def on_message(self, sender: str, body: str) -> None:
        """Orders come from the coordinator's account; all else is noted and dropped."""
        if sender.partition("/")[0] != self._coordinator:
            logger.warning("message from %s ignored: only %s gives orders", sender.partition("/")[0], self._coordinator)
            return
        try:
            self._hear(decode(body))
        except InvalidMessage as error:
            logger.warning("%s", error)

    def _hear(self, message: AnyMessage) -> None:
        match message:
            case Welcome():
                self._enter(message)
            case Order():
                self._accept(message)
            case Pulse():
                stranger = message.instance != self._coordinator_instance
                if (stranger or not message.joined) and not self._busy:
                    self._join()
            case Rejection():
                if message.reason != self._told:
                    logger.warning("the coordinator refuses: %s", message.reason)
                self._told = message.reason
                # No look at the data mends it, but another run may.
                self._problem, self._recheck_at = message.reason, math.inf
            case _:
                raise InvalidMessage(f'a coordinator does not send "{message.type}"')

    def _enter(self, welcome: Welcome) -> None:
        if self._coordinator_instance != welcome.instance:
            logger.info("joined federation %s", welcome.federation)
        self._coordinator_instance = welcome.instance
        self._heartbeat_seconds = welcome.heartbeat_seconds
        self._told = None
        before, self._run = self._run, (welcome.federation, welcome.run)
        news = welcome.settings is not None and welcome.settings != self._settings
        if welcome.witness is not None and welcome.witness != self._witness:
            self._witness, news = welcome.witness, True
        if welcome.settings is not None and news:
            self._settings, self._admitted = welcome.settings, None
            self._digest = welcome.settings.digest
            self._spawn_check()
        elif self._problem is not None and self._run != before:
            # What was refused in one run may be good for the next, as a table that was edited in between.
            self._spawn_check()

    def _accept(self, order: Order) -> None:
        if order.settings != self._digest:
            self._join()
            return
        if self._busy and self._order is not None and self._order.key == order.key:
            return
        self._next, self._run = order, (order.federation, order.run)
        self._wake.set()

    # Working.

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            order, self._next = self._next, None
            if order is not None:
                self._order, self._busy = order, True
                try:
                    await self._answer(order)
                finally:
                    self._busy = False

    async def _answer(self, order: Order) -> None:
        try:
            settings = await self._admit()
            if order.settings != settings.digest:  # others came while it waited
                self._join()
                return
            terms = settings.privacy
            update = await (self._clear(order, settings) if terms is None else self._noised(order, settings, terms))
            if update.vector is not None and not update.vector.inline:
                await self._blobs.upload(update.vector, _ticket(order))
        except TOLD as error:
            spent = isinstance(error, BudgetExceeded) and self._admitted is self._settings
            self._admitted = None
            self._decline(str(error), order, problem_of(error))
            if spent:
                # The run was admitted, and has no such release left: no look at the data gives it one.
                self._recheck_at = math.inf
        except ConsiliaError as error:
            # Not refused: the next sign of life brings the order again.
            logger.warning("round %d: %s", order.round, error)
        except Exception:
            logger.exception("round %d failed", order.round)
            self._decline(INTERNAL, order)
            # Data that can be read again would not mend it: only another process may try.
            self._recheck_at = math.inf
        else:
            self._send(update)

    async def _admit(self) -> RunSettings:
        """The run's settings, once the custodian has admitted the run with what is known of the ledger elsewhere."""
        async with self._admitting:
            settings, witness = self._settings, self._witness
            if settings is None:
                raise InvalidMessage("an order came before the run's settings")
            if self._admitted is not settings:
                await asyncio.to_thread(self._custodian.admit, settings, witness)
                if self._settings is settings and self._witness is witness:
                    self._admitted = settings
            return settings

    async def _clear(self, order: Order, settings: RunSettings) -> Update:
        """The answer of a NON-PRIVATE run."""
        update = self._answer_given(order)
        if update is None:
            vectors = await self._inputs(order)
            update = await self._data.work(lambda: self._computed(order, settings, *vectors), order)
            # Before it is sent: a ticket that ran out, or a coordinator that restarted, costs no second training.
            self._outbox.put(order.key, encode(update))
        return update

    async def _noised(self, order: Order, settings: RunSettings, terms: PrivacyTerms) -> Update:
        """The answer of a private run, counted. What was counted for this order before is free."""
        update = self._answer_given(order)
        if update is None:
            vectors = await self._inputs(order)
            return await self._data.work(lambda: self._released(order, settings, terms, *vectors), order)
        if update.vector is None or self._custodian.counted(order, update.vector.sha256):
            return update
        return await asyncio.to_thread(self._count, order, terms, update)

    def _released(
        self,
        order: Order,
        settings: RunSettings,
        terms: PrivacyTerms,
        parameters: FloatArray | None,
        scored: FloatArray | None,
    ) -> Update:
        """Room looked for, computed, and counted: blocking, all in one thread."""
        if self._custodian.releases(order):
            try:
                self._custodian.require_room(order, terms)
            except BudgetExceeded:
                if order.task != "evaluate":
                    raise
                # The run ends without this hospital's scores: there is nothing that they could be paid with.
                return self._count(order, terms, Update(order=order.key))
        return self._count(order, terms, self._computed(order, settings, parameters, scored))

    def _count(self, order: Order, terms: PrivacyTerms, update: Update) -> Update:
        counted: list[Update] = []

        def keep(state: LedgerState | None) -> None:
            counted.append(update.model_copy(update={"ledger": state}))
            self._outbox.put(order.key, encode(counted[0]))

        if update.vector is None:
            keep(self._custodian.state)
        else:
            self._custodian.release(order, terms, update.vector.sha256, keep)
        return counted[0]

    def _answer_given(self, order: Order) -> Update | None:
        """The answer that was given to this very order; None where there is none, or its vector is gone."""
        body = self._outbox.get(order.key)
        try:
            update = decode(body) if body is not None else None
            if not isinstance(update, Update):
                return None
            if update.vector is not None and update.vector.inline:
                unpack(update.vector)
        except InvalidMessage:  # of another version, or damaged
            return None
        if update.vector is not None and not update.vector.inline and not self._blobs.kept(update.vector):
            return None
        return update

    async def _inputs(self, order: Order) -> tuple[FloatArray | None, FloatArray | None]:
        return await self._fetched(order.parameters, order), await self._fetched(order.scored, order)

    def _computed(
        self, order: Order, settings: RunSettings, parameters: FloatArray | None, scored: FloatArray | None
    ) -> Update:
        answer = self._data.answer(order.task, settings, parameters, scored)
        vector = self._packed(answer.vector, durable=settings.privacy is not None)
        return Update(order=order.key, rows=answer.rows, metrics=answer.metrics, vector=vector)

    def _packed(self, vector: FloatArray | None, *, durable: bool) -> VectorRef | None:
        if vector is None:
            return None
        return pack(vector) if fits_inline(len(vector)) else self._blobs.keep(vector, durable=durable)

    async def _fetched(self, vector: VectorRef | None, order: Order) -> FloatArray | None:
        if vector is None:
            return None
        if vector.inline:
            return unpack(vector)
        return await self._blobs.fetch(vector, _ticket(order))

    # Data.

    def _spawn_check(self) -> None:
        task = asyncio.ensure_future(self._check_data())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _check_data(self) -> None:
        """Be admitted, and read the data, before the first order asks for it.

        Refuse with the reason, or join again once it is mended; also to tell of the ledger, once there is one.
        """
        problem = self._problem
        try:
            settings = await self._admit()
            if settings is not self._settings:  # others came while it waited, and a look for them with them
                return
            await self._data.prepare(settings, *self._run)
        except TOLD as error:
            self._admitted = None
            if self._problem != str(error):
                logger.warning("%s", error)
            self._decline(str(error), problem=problem_of(error))
        except Exception:
            logger.exception("the data cannot be read")
            self._decline(INTERNAL)
        else:
            mended = problem is not None and problem == self._problem
            if mended:
                self._problem = None
            if mended or (self._custodian.state is not None and not self._ledger_told):
                self._join()

    def _decline(self, reason: str, order: Order | None = None, problem: Problem | None = None) -> None:
        key = order.key if order else None
        self._send(Decline(order=key, reason=reason[:LONGEST_REASON], problem=problem))
        self._refused(reason)

    def _refused(self, reason: str) -> None:
        self._problem = reason
        self._recheck_at = asyncio.get_running_loop().time() + self._recheck_seconds

    # Saying.

    async def _give_signs_of_life(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            if self._coordinator_instance is None:
                self._join()
            else:
                key = self._order.key if self._order is not None else None
                reading = self._data.reading
                self._send(Heartbeat(instance=self._instance, order=key, busy=self._busy, reading=reading))
            if self._problem is not None and asyncio.get_running_loop().time() > self._recheck_at:
                # Not again before this look has ended, however long it takes to read the table.
                self._recheck_at = math.inf
                self._spawn_check()

    def _join(self) -> None:
        ledger = self._custodian.state
        self._ledger_told = ledger is not None
        self._send(Join(instance=self._instance, engine=self._data.name, ledger=ledger))

    def _send(self, message: AnyMessage) -> None:
        self._post(encode(message))

    def _post(self, body: str) -> None:
        task = asyncio.ensure_future(self._bus.send(self._coordinator, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _ticket(order: Order) -> str:
    if order.ticket is None:
        raise InvalidMessage("an order with large vectors came without a ticket for them")
    return order.ticket
