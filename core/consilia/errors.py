"""The error tree: every sentence that a person is shown is one of these.

::

    ConsiliaError
    ├── Refusal              something was asked that is decided not to be done
    │   ├── InvalidManifest  what the user wrote: a file, a field, a value        (exit code 2)
    │   ├── InvalidSetting   an environment variable or a flag of a process       (exit code 2)
    │   ├── InvalidData      a hospital's own table: column, type, label
    │   ├── InvalidMessage   bytes from another process that are not our protocol
    │   ├── IllegalEvent     an event that the state of a run does not admit
    │   ├── InvalidPrivacy   numbers with which no promise of privacy can be kept
    │   └── BudgetExceeded   a run or a release that would spend more than patients have left
    └── Unavailable          a part that ought to answer does not: broker, coordinator, port
        ├── SourceUnavailable  a hospital's own data: a server, a share, an executor
        ├── Unwritable       a file of ours that cannot be written now: no room, no permission
        ├── CohortBusy       another process holds the cohort's ledger
        └── DamagedState     a file of ours that does not read back as it was written
            └── DamagedLedger  a ledger that is torn, edited, missing or rolled back

A message is one sentence: what, where, the value (never a patient's), what to do.
"""


class ConsiliaError(Exception):
    """Base of every error that Consilia raises on purpose."""


class Refusal(ConsiliaError):
    """What was asked is decided not to be done."""


class InvalidManifest(Refusal):
    """A Federation or Cohort document is not valid."""


class InvalidSetting(Refusal):
    """An environment variable or a command-line flag is not valid."""


class InvalidData(Refusal):
    """A hospital's table cannot be used; the sentence never quotes a patient's value."""


class InvalidMessage(Refusal):
    """A message from another process is not valid."""


class IllegalEvent(Refusal):
    """A run in this state does not admit this event."""


class InvalidPrivacy(Refusal):
    """Numbers with which no promise of privacy can be kept."""


class BudgetExceeded(Refusal):
    """A run or a release would spend more than its run, or its cohort's budget, has left; nothing was sent."""


class Unavailable(ConsiliaError):
    """A part that ought to answer does not."""


class SourceUnavailable(Unavailable):
    """A hospital's data cannot be read now; the sentence says of what, and never quotes a patient's value."""


class Unwritable(Unavailable):
    """A file of ours cannot be read or written now; what depends on it is not done."""


class CohortBusy(Unavailable):
    """Another process holds the cohort's ledger: its patients are in one private run at a time."""


class DamagedState(Unavailable):
    """A file of ours does not read back as it was written."""


class DamagedLedger(DamagedState):
    """A cohort's ledger is torn, edited, missing or rolled back: what was spent is not known, so nothing is sent."""
