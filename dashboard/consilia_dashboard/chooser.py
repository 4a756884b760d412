"""Which federations there are, asked once for all who look within a second: pages that wait ask every two."""

import threading
import time
from collections.abc import Callable

from consilia_dashboard.store import FederationStore, Key

FRESH_SECONDS = 1.0


class Chooser:
    """The federations' names; safe from any thread."""

    def __init__(self, store: FederationStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: list[Key] = []
        self._asked_at: float | None = None

    def federations(self, fresh: bool = False) -> list[Key]:
        """All federations, in order; at most a second old, or as they are. Errors are the store's, and not kept."""
        with self._lock:
            if not fresh and self._asked_at is not None and self._clock() - self._asked_at < FRESH_SECONDS:
                return list(self._keys)
        asked_at = self._clock()
        keys = self._store.names()
        with self._lock:
            self._keys, self._asked_at = keys, asked_at
        return list(keys)
