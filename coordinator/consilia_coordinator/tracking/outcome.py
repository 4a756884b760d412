"""From a federation's phase to the status of its MLflow run. Pure.

MLflow knows no pause, so a stopped run is KILLED; when somebody resumes it, it is RUNNING again.
"""

from typing import Literal

from consilia.status import FederationStatus

Outcome = Literal["RUNNING", "FINISHED", "KILLED", "FAILED"]


def outcome_of(status: FederationStatus, run: int, *, final: bool, known: bool) -> Outcome | None:
    """The MLflow status that ``run`` ought to have, or None while there is nothing to show of it.

    ``final``: its last model is its final one; ``known``: MLflow has the run already. A run that a newer one replaced
    before its end was stopped.
    """
    if final:
        return "FINISHED"
    if run != status.run:
        return "KILLED"
    match status.phase:
        case "Blocked":
            return "FAILED"
        case "Idle" | "Pending" if not known and status.round == 0:
            return None
        case "Idle":
            return "KILLED"
        case _:
            return "RUNNING"
