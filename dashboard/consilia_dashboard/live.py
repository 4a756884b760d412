"""Who watches what: a follower for each federation that somebody looks at, and for no other."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from consilia.errors import Unavailable
from consilia_dashboard.coordinator import OpenStream
from consilia_dashboard.feed import Feed
from consilia_dashboard.follower import Follower
from consilia_dashboard.seen import Document, Seen
from consilia_dashboard.store import FederationStore, Key

# A page change or a reload within this time finds its follower still there.
LINGER_SECONDS = 5.0
MAX_VIEWERS = 120


class TooManyViewers(Unavailable):
    """Every place for a live page is taken."""


@dataclass
class _Watched:
    follower: Follower
    viewers: int = 0
    left_at: float = 0.0


class Live:
    """The followers of all federations that are being looked at."""

    def __init__(
        self,
        store: FederationStore,
        open_stream: OpenStream,
        max_viewers: int = MAX_VIEWERS,
        linger_seconds: float = LINGER_SECONDS,
    ) -> None:
        self._store = store
        self._open_stream = open_stream
        self._max_viewers = max_viewers
        self._linger_seconds = linger_seconds
        self._lock = threading.Lock()
        self._watched: dict[Key, _Watched] = {}
        self._timer: threading.Timer | None = None
        self._closed = False

    @property
    def viewers(self) -> int:
        """How many live pages are open."""
        with self._lock:
            return sum(watched.viewers for watched in self._watched.values())

    @property
    def followed(self) -> list[Key]:
        """The federations that are being followed."""
        with self._lock:
            return sorted(self._watched)

    @contextmanager
    def watch(self, key: Key) -> Iterator[Feed]:
        """The feed of a federation for one viewer; the first starts its follower, the last lets it go."""
        federation = self._object(key)
        with self._lock:
            if self._closed or sum(watched.viewers for watched in self._watched.values()) >= self._max_viewers:
                raise TooManyViewers(f"{self._max_viewers} live pages are open already: close one")
            watched = self._watched.get(key)
            if watched is None:
                follower = Follower(key, federation, self._store, self._open_stream)
                watched = self._watched[key] = _Watched(follower)
            watched.viewers += 1
        try:
            yield watched.follower.feed
        finally:
            with self._lock:
                watched.viewers -= 1
                watched.left_at = time.monotonic()
                if not watched.viewers and not self._closed:
                    self._sweep_later()

    def seen(self, key: Key) -> Seen:
        """What is known of a federation: the object asked for now, with the followed details if there are any."""
        federation = self._store.get(key)
        follower = self._follower(key)
        if follower is None:
            return Seen(federation)
        follower.take_object(federation)
        with follower.feed.look() as seen:
            return Seen(seen.federation, seen.status, seen.run, lost=seen.lost)

    def note(self, key: Key, federation: Document) -> None:
        """Show an edit to everybody now, instead of at the next look at the API."""
        follower = self._follower(key)
        if follower is not None:
            follower.take_object(federation)

    def close(self) -> None:
        """End every stream and every follower."""
        with self._lock:
            self._closed = True
            followers = [watched.follower for watched in self._watched.values()]
            if self._timer is not None:
                self._timer.cancel()
        for follower in followers:
            follower.close()

    def _object(self, key: Key) -> Document:
        """The object as its follower has it, or as the API says."""
        follower = self._follower(key)
        if follower is None:
            return self._store.get(key)
        with follower.feed.look() as seen:
            return seen.federation

    def _follower(self, key: Key) -> Follower | None:
        with self._lock:
            watched = self._watched.get(key)
            return watched.follower if watched else None

    def _sweep_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(self._linger_seconds, self._sweep)
        self._timer.daemon = True
        self._timer.start()

    def _sweep(self) -> None:
        with self._lock:
            now = time.monotonic()
            idle = [
                key
                for key, watched in self._watched.items()
                if not watched.viewers and now - watched.left_at >= self._linger_seconds - 0.1
            ]
            followers = [self._watched.pop(key).follower for key in idle]
            if any(not watched.viewers for watched in self._watched.values()):
                self._sweep_later()
        for follower in followers:
            follower.close()
