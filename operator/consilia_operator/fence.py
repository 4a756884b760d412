"""No write without the Lease: a leader that was paused and wakes up writes nothing until it has renewed it.

Whoever renews says when it asked, by a clock that only goes forward; the fence is open for the Lease's duration from
then on, less a margin for a request that is on its way. The server's and another operator's clocks play no part.
"""

from collections.abc import Callable

from consilia.errors import Unavailable


class Fence:
    """Open while this process holds the Lease. Set from one task, asked from any thread."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._until = float("-inf")

    def now(self) -> float:
        """Seconds of the clock that it goes by."""
        return self._clock()

    def renewed(self, asked: float) -> None:
        """The Lease was had by a request that was sent at ``asked``."""
        self._until = asked + self._seconds

    def shut(self) -> None:
        """The Lease is another's."""
        self._until = float("-inf")

    @property
    def open(self) -> bool:
        """Whether writes may go out now."""
        return self._clock() < self._until

    def check(self) -> None:
        """Raise :class:`Unavailable` where a write may not go out."""
        if not self.open:
            raise Unavailable(
                f"the Lease was not renewed within {self._seconds:g} s: nothing is written until it is held again"
            )
