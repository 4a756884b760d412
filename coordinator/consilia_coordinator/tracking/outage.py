"""An outage is worth two sentences: one when it begins (or its reason changes), one when it ends."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

from consilia.backoff import delays

logger = logging.getLogger("consilia.tracking")

FIRST_SECONDS, LAST_SECONDS = 0.25, 15.0


@dataclass
class Outage:
    """Follows one other part, ``name``, through its outages, and says how long to wait before the next attempt."""

    name: str
    reason: str = field(default="", init=False)
    _delays: Iterator[float] | None = field(default=None, init=False, repr=False)

    def failed(self, reason: str) -> float:
        """One more attempt failed for ``reason``: the seconds to wait, doubling from 0.25 to 15."""
        if reason != self.reason:
            logger.warning("%s; rounds go on, tracking tries again", reason)
        self.reason = reason
        self._delays = self._delays or delays(FIRST_SECONDS, LAST_SECONDS)
        return next(self._delays)

    def answered(self) -> None:
        """An attempt succeeded."""
        if self._delays is not None:
            logger.info("%s answers again", self.name)
        self._delays, self.reason = None, ""
