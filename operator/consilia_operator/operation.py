"""One federation under way: what its last reconcile found, its coordinator's stream, its status and its Events.

What the watches tell of pods leads to a look at them, which asks nothing of the API. Of pods that do not say why they
do not come up the Events are read, once and then ever more rarely.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from consilia.errors import ConsiliaError, Unavailable
from consilia.plan import COORDINATOR
from consilia.status import LedgerState
from consilia_operator.account import witness_of
from consilia_operator.children import Key, key_of
from consilia_operator.cluster import Cluster
from consilia_operator.counts import Counts
from consilia_operator.follower import Follower, Link, Wish, Witnesses
from consilia_operator.naming import COMPONENT_LABEL, Manifest
from consilia_operator.outcome import Reconciled, Refused
from consilia_operator.persistence import logger, persist
from consilia_operator.pods import pod_problems, settled, stuck_pods
from consilia_operator.reasons import Reason
from consilia_operator.silences import Silences
from consilia_operator.standing import KEPT
from consilia_operator.status_view import desired_run, refused_status, status_of
from consilia_operator.status_writer import StatusWriter
from consilia_operator.transitions import transitions
from consilia_operator.very_object import write_status
from consilia_operator.watched import Watched

LOOK_SECONDS = 0.1
"""From one look to the next: a status a round, or an event a pod, would be too many."""
LOOK_AGAIN_SECONDS = (11.0, 31.0, 61.0)
"""After something happened to a pod: when grace is over, and when it is known to be well."""
ARRIVAL_SECONDS = 5.0
"""A file names its Federation first, and its Cohorts come after it: so long none of them is called missing. The time at
which an object was made is known to the second, and kubectl is not fast on a busy machine."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Surroundings:
    """What every operation works with. ``writers`` are threads for what must not wait behind reconciles."""

    cluster: Cluster
    watched: Watched
    counts: Counts
    now: Callable[[], datetime]
    link: Callable[[Reconciled], Link]
    writers: Executor

    async def call(self, ask: Callable[..., Answer], *arguments: Any) -> Answer:
        """What a blocking call answers."""
        return await asyncio.get_running_loop().run_in_executor(self.writers, ask, *arguments)


@dataclass
class Operation:
    """One federation, from its first reconcile until it is gone."""

    key: Key
    around: Surroundings
    _outcome: Reconciled | Refused | None = None
    _silences: Silences = field(default_factory=Silences)
    _replaced: set[str] = field(default_factory=set)
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _later: list[asyncio.TimerHandle] = field(default_factory=list)
    _soon: asyncio.TimerHandle | None = None
    _looked: float = float("-inf")
    _reading: asyncio.TimerHandle | None = None
    _reads: bool = False
    _closed: bool = False

    def __post_init__(self) -> None:
        self._writer = StatusWriter(self.name, self._patch)
        self._follower = Follower(self._link, self._wish, self.look_soon, self._tell)

    @property
    def name(self) -> str:
        """Namespace/name, for people."""
        return "/".join(self.key)

    @property
    def uid(self) -> str:
        """The federation's UID; empty before it is known."""
        return str(self._outcome.observed["metadata"]["uid"]) if self._outcome is not None else ""

    @property
    def phase(self) -> str:
        """The phase in its status."""
        return str(self._writer.latest.get("phase") or "Pending")

    def ledger_of(self, hospital: str) -> LedgerState | None:
        """What the coordinator told this process of a hospital's ledger."""
        hospitals = self._follower.said.hospitals if self._follower.said is not None else []
        return next((each.ledger for each in hospitals if each.name == hospital), None)

    def take(self, outcome: Reconciled | Refused) -> None:
        """What a reconcile found."""
        first, self._outcome = self._outcome is None, outcome
        self._writer.saw(outcome.observed)
        if first:
            self._follower.told = self._writer.latest.get("told") or 0
            self._start(self._writer.run, "status")
            self._start(self._follower.run, "coordinator")
        self._follower.wished()
        self.look_soon()

    def saw(self, federation: Manifest) -> None:
        """This very Federation, as a watch saw it: somebody else may have written its status."""
        self._writer.saw(federation)

    def pods_changed(self) -> None:
        """Something happened to a pod or a StatefulSet."""
        for timer in self._later:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._later = [loop.call_later(seconds, self.look_soon) for seconds in LOOK_AGAIN_SECONDS]
        self.look_soon()

    def look_soon(self) -> None:
        """Something is known that was not: look at it all, at once or a moment after the last look."""
        if self._soon is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._soon = loop.call_at(max(loop.time(), self._looked + LOOK_SECONDS), self._look)

    def _look(self) -> None:
        self._soon, self._looked = None, asyncio.get_running_loop().time()
        if self._outcome is None:
            return
        pods, sets = self._of("Pod"), self._of("StatefulSet")
        coordinators = [pod for pod in pods if pod["metadata"]["labels"].get(COMPONENT_LABEL) == COORDINATOR]
        self._follower.ready(bool(coordinators) and settled(coordinators))
        self._replace_stuck(pods, sets)
        self._silences.look(pods, sets, self.around.now())
        self._read_events_when_due()
        self._say()

    def end(self) -> None:
        """The federation is gone."""
        self._closed = True
        for timer in (*self._later, self._soon, self._reading):
            if timer is not None:
                timer.cancel()
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """End, and wait for it."""
        self.end()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _of(self, kind: str) -> list[Manifest]:
        return self.around.watched.children.of(self.uid, kind)

    def _start(self, work: Callable[[], Awaitable[None]], what: str) -> None:
        task = asyncio.ensure_future(persist(f"{self.name}, {what}", work, self.around.counts))
        self._tasks = [*(each for each in self._tasks if not each.done()), task]

    # What is said.

    def _say(self) -> None:
        if self._is_arriving():
            self._later.append(asyncio.get_running_loop().call_later(ARRIVAL_SECONDS / 3, self.look_soon))
            return
        before, after = self._writer.latest, self._status()
        if after is not None:
            self._writer.want(after)
            told = transitions(before, after, self._told_of())
            if told:
                self._start(lambda: self._tell_all([(each.type, each.reason, each.message) for each in told]), "Events")

    def _told_of(self) -> set[str]:
        """The hospitals of whose problem the coordinator tells."""
        said = self._follower.said
        return {hospital.name for hospital in said.hospitals if hospital.problem is not None} if said else set()

    def _is_arriving(self) -> bool:
        """Whether a cohort is not there yet, of a federation that was made a moment ago and has no status."""
        if not isinstance(self._outcome, Reconciled) or self._writer.latest:
            return False
        created = self._outcome.observed["metadata"].get("creationTimestamp")
        missing = any(each.reason == Reason.COHORT_MISSING for each in self._outcome.admission.problems.values())
        if created is None or not missing:
            return False
        return (self.around.now() - datetime.fromisoformat(created)).total_seconds() < ARRIVAL_SECONDS

    def _status(self) -> Manifest | None:
        latest, now = self._writer.latest, self.around.now()
        if isinstance(self._outcome, Refused):
            return refused_status(self._outcome, now, latest)
        if self._outcome is None:
            return None
        follower = self._follower
        return status_of(self._with_pods(self._outcome), follower.said, follower.problem, follower.told, now, latest)

    def _with_pods(self, reconciled: Reconciled) -> Reconciled:
        found = pod_problems(
            self._of("Pod"),
            self._silences.events,
            self._of("StatefulSet"),
            self.around.now(),
            self._of("PersistentVolumeClaim"),
        )
        named = {problem.component for problem in reconciled.pod_problems if problem.reason not in KEPT}
        others = [problem for problem in found if problem.component not in named]
        return replace(reconciled, pod_problems=[*reconciled.pod_problems, *others])

    async def _patch(self, status: Manifest, version: int) -> Manifest:
        self.around.counts.add("status_writes")
        write = partial(write_status, self.around.cluster, "Federation", self.key, self.uid, version, status)
        return await self.around.call(write)

    async def _tell_all(self, events: list[tuple[str, str, str]]) -> None:
        for event in events:
            await self._tell(*event)

    async def _tell(self, kind: str, reason: str, message: str) -> None:
        if self._outcome is not None:
            try:
                await self.around.call(self.around.cluster.tell, self._outcome.observed, kind, reason, message)
            except ConsiliaError as error:
                logger.warning("%s: an Event was lost: %s", self.name, error)

    # Pods.

    def _replace_stuck(self, pods: list[Manifest], sets: list[Manifest]) -> None:
        uids = {key_of(pod): str(pod["metadata"].get("uid")) for pod in pods}
        for place in stuck_pods(pods, sets):
            if uids[place] not in self._replaced:
                self._replaced.add(uids[place])
                self._start(partial(self._replace, place, uids[place]), "stuck pod")

    async def _replace(self, place: Key, uid: str) -> None:
        try:
            await self.around.call(self.around.cluster.delete, "Pod", *place)
        except ConsiliaError as error:
            self._replaced.discard(uid)
            logger.warning("%s: pod %s/%s is stuck and was not replaced: %s", self.name, *place, error)

    def _read_events_when_due(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        due = self._silences.next_due()
        if due is not None and not self._reads:
            seconds = max(0.0, (due - self.around.now()).total_seconds())
            self._reading = asyncio.get_running_loop().call_later(seconds, self._start_reading)

    def _start_reading(self) -> None:
        self._reads = True
        self._start(self._read_events, "Events of its pods")

    async def _read_events(self) -> None:
        """Read the Events of those that are silent and due."""
        for about in self._silences.due(self.around.now()):
            kind, (namespace, name) = about["kind"], key_of(about)
            events: list[Manifest] = []
            try:
                events = await self.around.call(self.around.cluster.events_about, kind, namespace, name)
            except ConsiliaError as error:
                logger.warning("%s: the Events of %s %s were not read: %s", self.name, kind, name, error)
            self._silences.heard(about, events, self.around.now())
        self._reads = False
        self.look_soon()

    # The coordinator.

    def _link(self) -> Link:
        if not isinstance(self._outcome, Reconciled):
            raise Unavailable("the spec cannot be run: its coordinator is not asked")
        return self.around.link(self._outcome)

    def _wish(self) -> Wish:
        if not isinstance(self._outcome, Reconciled):
            raise Unavailable("the spec cannot be run: nothing is wished of its coordinator")
        observed = self._outcome.observed | {"status": self._writer.latest}
        reconciled = replace(self._outcome, observed=observed)
        return desired_run(reconciled), reconciled.federation.spec, self._witnesses(reconciled)

    def _witnesses(self, reconciled: Reconciled) -> Witnesses:
        """What the Cohorts that may be used have seen of their ledgers."""
        seen = {}
        for hospital, cohort in reconciled.admission.cohorts.items():
            manifest = self.around.watched.cohorts.get(cohort.key)
            witness = witness_of(manifest) if manifest is not None else None
            if witness is not None:
                seen[hospital] = witness
        return seen
