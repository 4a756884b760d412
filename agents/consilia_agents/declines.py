"""Which errors a hospital tells its coordinator, and in which one word. Pure."""

from consilia.errors import (
    BudgetExceeded,
    CohortBusy,
    ConsiliaError,
    DamagedLedger,
    DamagedState,
    Refusal,
    SourceUnavailable,
    Unwritable,
)
from consilia.protocol import Problem

TOLD = (Refusal, CohortBusy, DamagedState, SourceUnavailable, Unwritable)
"""What makes a hospital decline, with the sentence; all else that is away comes back by itself."""
INTERNAL = "an error inside the hospital's own process; its log has the details"


def problem_of(error: ConsiliaError) -> Problem | None:
    """What is wrong in one word, where the data are not refused."""
    match error:
        case BudgetExceeded():
            return "BudgetExceeded"
        case CohortBusy():
            return "CohortBusy"
        case DamagedLedger():
            return "LedgerDamaged"
        case SourceUnavailable():
            return "SourceUnavailable"
        case Unwritable():
            return "DiskUnwritable"
        case _:
            return None
