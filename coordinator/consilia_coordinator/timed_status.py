"""The status with its conditions' times, computed once for each change however many ask."""

from collections.abc import Callable

from consilia.status import Condition, FederationStatus
from consilia_coordinator.clock import Clock
from consilia_coordinator.status_view import Facts, federation_status, with_transition_times


class TimedStatus:
    """What was told last, and since when each condition says what it says."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: tuple[int, FederationStatus] | None = None
        self._conditions: dict[str, Condition] = {}

    def of(self, version: int, facts: Callable[[], Facts]) -> FederationStatus:
        """The status of ``facts``, which are the same while ``version`` is."""
        if self._told is None or self._told[0] != version:
            status = federation_status(facts())
            timed, self._conditions = with_transition_times(status.conditions, self._conditions, self._clock.now())
            self._told = (version, status.model_copy(update={"conditions": timed}))
        return self._told[1]
