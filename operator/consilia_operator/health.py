"""Whether the operator works: what fails its liveness probe, as sentences. Pure: times are passed in.

A federation that fails, and an API server that does not answer, are no reason to end the process: both are tried again.
What no new try would mend is one: a reconcile that never ends, a queue that nobody serves, a loop that stands still.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from consilia_operator.children import Key
from consilia_operator.turns import Turns

LONGEST_RECONCILE = 300.0
LONGEST_WAIT = 300.0
LONGEST_SILENCE = 60.0
"""Seconds. An attempt at the Lease is made every five seconds and takes at most thirty."""


@dataclass
class Health:
    """What the probes are answered from."""

    beat: float
    """When the Lease was last tried for, whatever came of it."""
    turns: Turns | None = None
    """None while waiting for the Lease."""
    ready: bool = False
    """Whether the Lease is held and the cluster was read once."""

    def problems(self, now: float) -> list[str]:
        """Why the process ought to be ended; nothing while it works."""
        found = []
        if now - self.beat > LONGEST_SILENCE:
            found.append(f"the Lease was not tried for in {now - self.beat:.0f} s")
        if self.turns is not None:
            found += _overdue(self.turns.running(), now, LONGEST_RECONCILE, "is being reconciled for")
            found += _overdue(self.turns.waiting(), now, LONGEST_WAIT, "waits for a reconcile for")
        return found


def _overdue(since: Mapping[Key, float], now: float, longest: float, what: str) -> list[str]:
    return [f"{'/'.join(key)} {what} {now - then:.0f} s" for key, then in since.items() if now - then > longest]
