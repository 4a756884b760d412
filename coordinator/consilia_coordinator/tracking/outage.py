"""An outage is worth two sentences: one when it begins (or its reason changes), one when it ends."""

import logging
from dataclasses import dataclass, field

logger = logging.getLogger("consilia.tracking")

FIRST_SECONDS, LAST_SECONDS = 0.25, 15.0


@dataclass
class Outage:
    """Follows one other part, ``name``, through its outages, and says how long to wait before the next attempt."""

    name: str
    attempts: int = 0
    reason: str = field(default="", init=False)

    def failed(self, reason: str) -> float:
        """One more attempt failed for ``reason``: the seconds to wait, doubling from 0.25 to 15."""
        if reason != self.reason:
            logger.warning("%s; rounds go on, tracking tries again", reason)
        self.reason = reason
        self.attempts += 1
        return float(min(LAST_SECONDS, FIRST_SECONDS * 2 ** min(self.attempts - 1, 10)))

    def answered(self) -> None:
        """An attempt succeeded."""
        if self.attempts:
            logger.info("%s answers again", self.name)
        self.attempts, self.reason = 0, ""
