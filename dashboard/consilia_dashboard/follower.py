"""Follows one federation while somebody looks: its object from the API, its details from its coordinator.

The object is watched: a request a minute while nothing happens, however many look, and none while nobody does.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from consilia.backoff import delays
from consilia.errors import ConsiliaError
from consilia.server_sent import Message
from consilia_dashboard.coordinator import OpenStream, Stream
from consilia_dashboard.feed import Feed
from consilia_dashboard.seen import Document, Loss, Seen
from consilia_dashboard.store import FederationStore, Key, Look, VersionGone, Watch

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.25
LAST_RETRY_SECONDS = 2.0
WAKE_SECONDS = 60.0  # a thread that waits for a coordinator's address looks this often whether it is still needed


class Follower:
    """Two threads that fill a :class:`Feed` until :meth:`close`."""

    def __init__(
        self,
        key: Key,
        federation: Document,
        store: FederationStore,
        open_stream: OpenStream,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.feed = Feed(Seen(federation), now)
        self._key = key
        self._store = store
        self._open_stream = open_stream
        self._now = now
        self._closed = threading.Event()
        self._stream: Stream | None = None
        self._watch: Watch | None = None
        self._sequence = 0
        self._takes = 0
        for target, name in ((self._watch_object, "object"), (self._follow_coordinator, "coordinator")):
            threading.Thread(target=target, name=f"{name} of {key}", daemon=True).start()

    def close(self) -> None:
        """End both threads and every viewer's stream."""
        self._closed.set()
        self.feed.close()
        for reading in (self._stream, self._watch):
            if reading is not None:
                reading.close()

    def take_object(self, federation: Document) -> None:
        """The object as the API has it now; another UID is another federation of the same name."""
        with self.feed.change() as change:
            self._takes += 1
            seen = change.seen
            was = seen.uid
            change.view |= federation != seen.federation or seen.gone or seen.unreachable is not None
            seen.federation, seen.gone, seen.unreachable = federation, False, None
            if seen.uid == was:
                return
            seen.status, seen.run, seen.rounds, seen.events = None, 0, {}, {}
            change.reset, self._sequence = True, 0
        if self._stream is not None:
            self._stream.close()

    def _watch_object(self) -> None:
        with self.feed.look() as seen:
            version: str | None = seen.version
        retries = delays(FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS)
        while not self._closed.is_set():
            began = time.monotonic()
            try:
                version = self._watch_from(version or self._look())
            except VersionGone:
                version = None
            except (ConsiliaError, OSError) as error:
                self._miss_api(str(error))
                version = None
            if time.monotonic() - began > LAST_RETRY_SECONDS:
                retries = delays(FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS)
            self._closed.wait(next(retries))

    def _look(self) -> str:
        """Take the object as it is; the version from which to watch it."""
        takes = self._takes
        look = self._store.look(self._key)
        if takes == self._takes:  # else an edit overtook this answer
            self._take_look(look)
        return look.version

    def _watch_from(self, version: str) -> str:
        """Take each change after ``version``; the last one's version, once the API has ended the watch."""
        watch = self._watch = self._store.watch(self._key, version)
        try:
            for look in watch.looks():
                if self._closed.is_set():
                    break
                version = look.version
                if not self._is_older(look):
                    self._take_look(look)
        finally:
            watch.close()
            self._watch = None
        return version

    def _is_older(self, look: Look) -> bool:
        """Whether an edit from here, noted already, came after this change."""
        with self.feed.look() as seen:
            known = seen.version
        return known.isdigit() and look.version.isdigit() and int(look.version) < int(known)

    def _take_look(self, look: Look) -> None:
        if look.federation is not None:
            self.take_object(look.federation)
            return
        with self.feed.change() as change:
            change.view |= not change.seen.gone
            change.seen.gone = True

    def _miss_api(self, reason: str) -> None:
        if self._closed.is_set():
            return
        with self.feed.change() as change:
            if change.seen.unreachable is None:
                change.seen.unreachable = Loss(self._now(), reason)
                change.view = True

    def _follow_coordinator(self) -> None:
        retries = delays(FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS)
        while not self._closed.is_set():
            if not self.feed.wait_for(lambda seen: seen.coordinator is not None and not seen.gone, WAKE_SECONDS):
                continue
            before = self._sequence
            try:
                self._read_stream()
            except (ConsiliaError, OSError, ValueError) as error:
                self._lose(str(error))
            if self._sequence != before:
                retries = delays(FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS)
                continue  # it was alive: ask again at once, and only then call it lost
            self._closed.wait(next(retries))

    def _read_stream(self) -> None:
        with self.feed.look() as seen:
            address = seen.coordinator
        if address is None:
            return
        stream = self._stream = self._open_stream(address, self._sequence)
        self._find()
        try:
            for message in stream.messages():
                if self._closed.is_set() or not self._take(message):
                    return
        finally:
            stream.close()
            self._stream = None

    def _find(self) -> None:
        with self.feed.change() as change:
            change.view |= change.seen.lost is not None
            change.seen.lost = None

    def _lose(self, reason: str) -> None:
        if self._closed.is_set():
            return
        log.info("coordinator of %s: %s", self._key, reason)
        with self.feed.change() as change:
            if change.seen.lost is None:
                change.seen.lost = Loss(self._now(), reason)
                change.view = True

    def _take(self, message: Message) -> bool:
        """Fold one message in; False if the coordinator counts anew, so that its whole story is to be read again."""
        sequence = int(message.id) if message.id.isdigit() else self._sequence
        if sequence < self._sequence:
            self._begin_again()
            return False
        document = json.loads(message.data)
        with self.feed.change() as change:
            match message.event:
                case "status":
                    change.view |= document != change.seen.status
                    change.seen.status = document
                case "round":
                    change.round(document)
                case "event":
                    change.event(sequence, document)
        self._sequence = sequence
        return True

    def _begin_again(self) -> None:
        self._sequence = 0
        with self.feed.change() as change:
            change.seen.run, change.seen.rounds, change.seen.events = 0, {}, {}
            change.reset = True
