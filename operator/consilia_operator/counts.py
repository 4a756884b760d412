"""What the operator did since it started, counted for ``/metrics``. Asked and added to from several threads."""

import threading
from collections import Counter
from collections.abc import Mapping


class Counts:
    """Counters by name and labels, and sums of seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: Counter[tuple[str, ...]] = Counter()
        self._seconds: dict[str, float] = {}

    def add(self, name: str, *labels: str) -> None:
        """One more of ``name`` with these labels."""
        with self._lock:
            self._values[name, *labels] += 1

    def took(self, name: str, seconds: float) -> None:
        """One more of ``name``, which took this long."""
        with self._lock:
            self._values[(name,)] += 1
            self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    def of(self, name: str) -> Mapping[tuple[str, ...], int]:
        """The counts of ``name`` by labels."""
        with self._lock:
            return {key[1:]: value for key, value in self._values.items() if key[0] == name}

    def total(self, name: str) -> int:
        """The count of ``name`` over all labels."""
        return sum(self.of(name).values())

    def seconds(self, name: str) -> float:
        """How long all of ``name`` took together."""
        with self._lock:
            return self._seconds.get(name, 0.0)
