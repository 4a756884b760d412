"""The story of tracking: compare what the coordinator has with what MLflow has, and write the difference.

Level-triggered: every pass starts from the coordinator's journal, so that a late start, an outage of either side and a
restart are the same thing. What MLflow cannot take stays in the journal, not in memory here.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypeVar

from consilia.status import FederationStatus, RegisteredModel
from consilia_coordinator.answers import RunAnswer
from consilia_coordinator.tracking.entries import Book
from consilia_coordinator.tracking.outage import Outage
from consilia_coordinator.tracking.outcome import Outcome, outcome_of
from consilia_coordinator.tracking.parameters import PRIVACY, REASON, ROUNDS, parameters_of
from consilia_coordinator.tracking.source import CoordinatorUnavailable, NotThere, Source
from consilia_coordinator.tracking.tracker import FinalModel, MlflowUnavailable, OpenRun, RunKey, Tracker
from consilia_coordinator.tracking_report import TrackingReport

PACE_SECONDS = 0.2
"""Passes start at most this often: rounds that are faster share requests, and the coordinator is asked less."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Progress:
    """What is known of one run in MLflow."""

    key: RunKey
    mlflow: OpenRun
    book: Book
    model: RegisteredModel | None = None
    model_round: int | None = None
    described: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    reported: TrackingReport | None = None

    @property
    def report(self) -> TrackingReport:
        """What the coordinator should know."""
        return TrackingReport(
            run=self.key.run,
            run_id=self.mlflow.run_id,
            url=self.mlflow.url,
            model=self.model,
            logged_through=self.book.settled,
        )


class Follower:
    """Follows one federation, from its first run on.

    ``in_hand`` is held during a pass: whoever stops the follower waits for it, so that a pass is not cut in two.
    """

    def __init__(
        self,
        source: Source,
        tracker: Tracker,
        federation: str,
        model_name: str,
        pace_seconds: float = PACE_SECONDS,
    ) -> None:
        self._source = source
        self._tracker = tracker
        self._federation = federation
        self._model_name = model_name
        self._pace_seconds = pace_seconds
        self._first = 1
        self._progress: dict[int, Progress] = {}
        self._outages = {CoordinatorUnavailable: Outage("the coordinator"), MlflowUnavailable: Outage("MLflow")}
        self.in_hand = asyncio.Lock()

    async def follow(self) -> None:
        """Follow until cancelled. Neither side's outage ends it."""
        sequence: int | None = None
        while True:
            pace = asyncio.create_task(asyncio.sleep(self._pace_seconds))
            try:
                answer = await self._source.status(sequence)
                self._outages[CoordinatorUnavailable].answered()
                async with self.in_hand:
                    await self._pass(answer.status)
                sequence = answer.sequence
                await pace
            except (CoordinatorUnavailable, MlflowUnavailable) as error:
                pace.cancel()
                kind = MlflowUnavailable if isinstance(error, MlflowUnavailable) else CoordinatorUnavailable
                # Whatever was half done is looked up again: the journal and MLflow know, memory might not.
                self._progress.clear()
                sequence = None
                await asyncio.sleep(self._outages[kind].failed(str(error)))

    async def _pass(self, status: FederationStatus) -> None:
        """Bring MLflow up to date with every run, oldest first."""
        if self._first < status.run:
            self._first = max(self._first, (await self._source.run(status.run)).first)
        for run in range(self._first, status.run + 1):
            with suppress(*([NotThere] if run < status.run else [])):  # a federation may begin with run 5
                await self._track(run, status)
            if run < status.run:
                self._first = run + 1
                self._progress.pop(run, None)

    async def _track(self, run: int, status: FederationStatus) -> None:
        model = await self._source.final_model(run) if _may_be_final(run, status) else None
        # A run without a model may have statistics as its result.
        asked = await self._source.run(run) if _may_be_final(run, status) and model is None else None
        final = model is not None or (asked is not None and asked.statistics is not None)
        outcome = outcome_of(status, run, final=final, known=run in self._progress)
        if outcome is None:
            return
        asked = asked or await self._source.run(run)
        progress = self._progress.get(run) or await self._open(run, asked)
        await self._log(progress, ended=final or run < status.run)
        await self._conclude(progress, outcome, asked, status, model)
        if progress.report != progress.reported and self._worth_a_report(progress):
            await self._source.report(progress.report)
            progress.reported = progress.report

    async def _open(self, run: int, asked: RunAnswer) -> Progress:
        key = RunKey(self._federation, asked.uid, run)
        parameters = parameters_of(asked.spec, asked.quorum, asked.privacy)
        opened = await self._call(self._tracker.open, key, parameters, asked.started_at)
        self._progress[run] = Progress(key, opened, Book(opened.settled))
        return self._progress[run]

    async def _log(self, progress: Progress, *, ended: bool) -> None:
        records = await self._source.rounds(progress.key.run, progress.book.settled)
        for batch in progress.book.missing(records, ended=ended):
            await self._call(self._tracker.log, progress.mlflow.run_id, batch)
            progress.book.note(batch)

    async def _conclude(
        self, progress: Progress, outcome: Outcome, asked: RunAnswer, status: FederationStatus, model: FinalModel | None
    ) -> None:
        run_id = progress.mlflow.run_id
        stopped = outcome in ("KILLED", "FAILED") and progress.key.run == status.run
        tags = {
            ROUNDS: str(asked.spec.target),
            REASON: status.message if stopped else "",
            PRIVACY: asked.spec.privacy.label,
        }
        if tags != progress.tags:
            await self._call(self._tracker.tag, run_id, tags)
            progress.tags = tags
        if model is not None and progress.model_round != model.round:
            progress.model = await self._call(self._tracker.register, progress.key, run_id, self._model_name, model)
            progress.model_round = model.round
        if asked.statistics is not None and not progress.described:
            await self._call(self._tracker.describe, run_id, asked.statistics, asked.completed_at)
            progress.described = True
        if outcome != progress.mlflow.outcome:
            await self._call(self._tracker.conclude, run_id, outcome, asked.completed_at)
            progress.mlflow = replace(progress.mlflow, outcome=outcome)

    def _worth_a_report(self, progress: Progress) -> bool:
        """A report is a fact in the coordinator's journal: one when a run appears, one when its state changes."""
        before, now = progress.reported, progress.report
        return before is None or before.model != now.model or progress.mlflow.outcome != "RUNNING"

    async def _call(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        result = await in_daemon_thread(function, *arguments, **options)
        self._outages[MlflowUnavailable].answered()
        return result


def _may_be_final(run: int, status: FederationStatus) -> bool:
    return run < status.run or status.phase == "Complete"


async def in_daemon_thread(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Run a blocking call in a thread that does not keep the process alive, as the default executor's would."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result, problem = None, None
        try:
            result = function(*arguments, **options)
        except BaseException as error:  # handed to whoever awaits
            problem = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, problem)

    threading.Thread(target=work, name="mlflow", daemon=True).start()
    return await future
