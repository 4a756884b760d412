"""What the viewers of one federation receive: changes gathered into beats, at most ten a second.

A beat is encoded once, whoever watches. The viewer that wakes first encodes it, so that nothing runs while nobody
looks. A viewer holds only the number of its last beat: one that comes back within the kept beats gets what it
missed, any other gets everything.
"""

import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from consilia.server_sent import Message, write
from consilia_dashboard.seen import Document, Seen
from consilia_dashboard.view import view

BEAT_SECONDS = 0.1
KEPT_BEATS = 100


class Change:
    """One edit under way: what it touched travels with the next beat."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self.rounds: dict[tuple[int, int], Document] = {}
        self.events: dict[int, Document] = {}
        self.view = False
        self.reset = False

    @property
    def empty(self) -> bool:
        return not (self.rounds or self.events or self.view or self.reset)

    def round(self, record: Document) -> None:
        """Take a round's record."""
        if self.seen.take_round(record):
            self.rounds[record["run"], record["round"]] = record

    def event(self, sequence: int, record: Document) -> None:
        """Take an event."""
        if self.seen.take_event(sequence, record):
            self.events[sequence] = record


class Feed:
    """The live feed of one federation; safe from any thread. ``beat_seconds`` lie between two beats at least."""

    def __init__(
        self,
        seen: Seen,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        self._seen = seen
        self._now = now
        self._beat_seconds = beat_seconds
        self._changed = threading.Condition()
        self._pending = Change(seen)
        self._beats: deque[tuple[int, bytes]] = deque(maxlen=KEPT_BEATS)
        self._number = 0
        self._beaten_at = 0.0
        self._epoch = secrets.token_hex(4)
        self._closed = False

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Edit what is seen; viewers are woken if anything changed."""
        with self._changed:
            was_empty = self._pending.empty
            yield self._pending
            if was_empty and not self._pending.empty:
                self._changed.notify_all()

    @contextmanager
    def look(self) -> Iterator[Seen]:
        """Read what is seen, while nothing changes it."""
        with self._changed:
            yield self._seen

    def wait_for(self, ready: Callable[[Seen], bool], timeout: float) -> bool:
        """Wait until what is seen satisfies ``ready``; False after ``timeout`` seconds or once closed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or ready(self._seen), timeout) and not self._closed

    def close(self) -> None:
        """Wake every viewer and end its stream."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def after(self, last_id: str, timeout: float) -> tuple[str, list[bytes]] | None:
        """Messages after ``last_id``, waiting up to ``timeout`` seconds for one; None once the feed is closed."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not self._closed:
                self._beat_when_due()
                cursor = self._cursor(last_id)
                if cursor is None:
                    return self._id(), [self._everything()]
                if cursor < self._number:
                    return self._id(), [beat for number, beat in self._beats if number > cursor]
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return last_id, []
                self._changed.wait(remaining if self._pending.empty else min(remaining, self._until_beat()))
            return None

    def _cursor(self, last_id: str) -> int | None:
        """The number of the last beat received, or None when what was missed is not kept."""
        epoch, _, text = last_id.partition("-")
        if epoch != self._epoch or not (text.isascii() and text.isdigit()):
            return None
        cursor = int(text)
        oldest = self._beats[0][0] if self._beats else self._number + 1
        return cursor if oldest - 1 <= cursor <= self._number else None

    def _id(self) -> str:
        return f"{self._epoch}-{self._number}"

    def _until_beat(self) -> float:
        return max(0.0, self._beaten_at + self._beat_seconds - time.monotonic())

    def _beat_when_due(self) -> None:
        if self._pending.empty or self._until_beat() > 0:
            return
        pending, self._pending = self._pending, Change(self._seen)
        self._number += 1
        self._beaten_at = time.monotonic()
        rounds, events = (
            (list(self._seen.rounds.values()), self._seen.events)
            if pending.reset
            else (list(pending.rounds.values()), pending.events)
        )
        self._beats.append((self._number, self._encode(rounds, events, pending.reset)))
        self._changed.notify_all()

    def _everything(self) -> bytes:
        return self._encode(list(self._seen.rounds.values()), self._seen.events, reset=True)

    def _encode(self, rounds: list[Document], events: dict[int, Document], reset: bool) -> bytes:
        update: dict[str, Any] = {
            "reset": reset,
            "view": view(self._seen, self._now()),
            "rounds": rounds,
            "events": [{"sequence": sequence, **record} for sequence, record in events.items()],
        }
        data = json.dumps(update, separators=(",", ":"), allow_nan=False, default=str)
        return write(Message("update", data, self._id())).encode()
