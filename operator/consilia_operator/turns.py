"""Whose reconcile is next. Pure: times are passed in.

A federation is reconciled by one worker at a time. One whose last reconcile failed waits longer each time; such tries
again come after every first one, and never take all workers: a bad federation never delays a good one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from consilia.backoff import delays
from consilia_operator.children import Key

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0


@dataclass
class Failing:
    """A federation whose last reconcile failed, and when it is tried again."""

    due: float
    pauses: Iterator[float] = field(default_factory=lambda: delays(FIRST_PAUSE, LONGEST_PAUSE))


class Turns:
    """Federations that wait for a reconcile, and those that have one."""

    def __init__(self, workers: int, jitter: Callable[[], float]) -> None:
        """``jitter`` gives numbers in [0, 1), by which pauses are shortened up to a half."""
        self._again_at_most = max(1, workers // 2)
        self._workers = workers
        self._jitter = jitter
        self._waiting: dict[Key, float] = {}
        self._failing: dict[Key, Failing] = {}
        self._running: dict[Key, float] = {}
        self._wished: set[Key] = set()

    def wish(self, key: Key, now: float) -> None:
        """Something about the federation changed."""
        if key in self._running:
            self._wished.add(key)
        elif key in self._failing:
            # What changed may be the remedy; but a storm of events is no way around the pause.
            failing = self._failing[key]
            failing.due = min(failing.due, now + FIRST_PAUSE)
        else:
            self._waiting.setdefault(key, now)

    def take(self, now: float) -> Key | None:
        """The federation to be reconciled now, if any may be."""
        if len(self._running) >= self._workers:
            return None
        key = next(iter(self._waiting), None)
        if key is None and sum(k in self._failing for k in self._running) < self._again_at_most:
            due = [(f.due, k) for k, f in self._failing.items() if f.due <= now and k not in self._running]
            key = min(due)[1] if due else None
        if key is not None:
            self._waiting.pop(key, None)
            self._running[key] = now
        return key

    def done(self, key: Key, failed: bool, now: float) -> None:
        """Its reconcile ended."""
        self._running.pop(key)
        if failed:
            failing = self._failing.setdefault(key, Failing(now))
            failing.due = now + next(failing.pauses) * (1 - self._jitter() / 2)
        else:
            self._failing.pop(key, None)
        if key in self._wished:
            self._wished.discard(key)
            self.wish(key, now)

    def next_due(self) -> float | None:
        """When the next try again is due."""
        return min((f.due for k, f in self._failing.items() if k not in self._running), default=None)

    def waiting(self) -> dict[Key, float]:
        """Since when whom waits for a first reconcile."""
        return dict(self._waiting)

    def running(self) -> dict[Key, float]:
        """Since when whose reconcile runs."""
        return dict(self._running)

    def failing(self) -> int:
        """How many federations' last reconcile failed."""
        return len(self._failing)

    def is_running(self, key: Key) -> bool:
        """Whether its reconcile runs."""
        return key in self._running
