"""Follows one federation while somebody looks: its object from the API, its details from its coordinator."""

import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from consilia.backoff import delays
from consilia.errors import ConsiliaError
from consilia.server_sent import Message
from consilia_dashboard.coordinator import OpenStream, Stream
from consilia_dashboard.feed import Feed
from consilia_dashboard.seen import Document, Loss, Seen
from consilia_dashboard.store import FederationStore, Key, NoSuchFederation

log = logging.getLogger(__name__)

OBJECT_SECONDS = 2.0  # between two looks at the object: edits by others show this late
FIRST_RETRY_SECONDS = 0.25
LAST_RETRY_SECONDS = 2.0


class Follower:
    """Two threads that fill a :class:`Feed` until :meth:`close`."""

    def __init__(
        self,
        key: Key,
        federation: Document,
        store: FederationStore,
        open_stream: OpenStream,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        object_seconds: float = OBJECT_SECONDS,
    ) -> None:
        self.feed = Feed(Seen(federation), now)
        self._key = key
        self._store = store
        self._open_stream = open_stream
        self._now = now
        self._object_seconds = object_seconds
        self._closed = threading.Event()
        self._stream: Stream | None = None
        self._sequence = 0
        self._takes = 0
        for target, name in ((self._watch_object, "object"), (self._follow_coordinator, "coordinator")):
            threading.Thread(target=target, name=f"{name} of {key}", daemon=True).start()

    def close(self) -> None:
        """End both threads and every viewer's stream."""
        self._closed.set()
        self.feed.close()
        stream = self._stream
        if stream is not None:
            stream.close()

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
        while not self._closed.wait(self._object_seconds):
            takes = self._takes
            try:
                federation = self._store.get(self._key)
                if takes == self._takes:  # else an edit overtook this answer
                    self.take_object(federation)
            except NoSuchFederation:
                with self.feed.change() as change:
                    change.view |= not change.seen.gone
                    change.seen.gone = True
            except (ConsiliaError, OSError) as error:
                self._miss_api(str(error))

    def _miss_api(self, reason: str) -> None:
        with self.feed.change() as change:
            if change.seen.unreachable is None:
                change.seen.unreachable = Loss(self._now(), reason)
                change.view = True

    def _follow_coordinator(self) -> None:
        retries = delays(FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS)
        while not self._closed.is_set():
            if not self.feed.wait_for(
                lambda seen: seen.coordinator_url is not None and not seen.gone, self._object_seconds
            ):
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
            url = seen.coordinator_url or ""
        stream = self._stream = self._open_stream(url, self._sequence)
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
