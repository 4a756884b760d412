"""Cohorts' ledgers as this command finds them on a disk: read, never written, never locked.

A data-protection officer reads a file that was copied out of a volume, or the ledgers of a state folder. What a state
folder's coordinator last saw of a ledger is its witness.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from consilia.errors import DamagedLedger, InvalidSetting
from consilia.journal import History
from consilia.journal import decode as decode_journal
from consilia.plan import COORDINATOR
from consilia.privacy.entries import AnyEntry, decode
from consilia.privacy.ledger import Budget, Ledger, Witness
from consilia.spec import Cohort
from consilia_local.folder import DEFAULT_PARENT, StateFolder

NAME = "ledger.jsonl"
"""The file in a ledger's folder."""
JOURNAL = "journal"


@dataclass(frozen=True)
class FoundLedger:
    """One ledger's file: its entries, whose chain holds; ``cohort`` is what they call it, ``hospital/name``.

    ``budget`` and ``witness`` are None where the place says nothing of them.
    """

    path: Path
    entries: tuple[AnyEntry, ...]
    ledger: Ledger
    budget: Budget | None = None
    witness: Witness | None = None

    @property
    def cohort(self) -> str:
        """Whose it is."""
        return self.ledger.cohort


def read_ledger(folder: StateFolder, cohort: Cohort) -> Ledger:
    """The ledger of ``cohort`` in a state folder, as its coordinator last saw it, or newer; one without entries where
    there is none yet.

    Raises :class:`DamagedLedger`.
    """
    path, name = folder.ledger(*cohort.key) / NAME, name_of(cohort)
    lines: bytes | None
    try:
        lines = path.read_bytes()
    except FileNotFoundError:
        lines = None
    except OSError as error:
        raise DamagedLedger(f"{path} cannot be read ({error.strerror}): nobody knows what is spent") from error
    # A torn end is from a crash, and the hospital's own to drop: nothing of it was sent.
    whole = lines if lines is None or b"\n" not in lines else lines[: lines.rindex(b"\n") + 1]
    return Ledger.read(whole, str(path), name, _witnesses_in(folder).get(name))


def name_of(cohort: Cohort) -> str:
    """What a cohort's ledger calls it."""
    return f"{cohort.spec.hospital}/{cohort.metadata.name}"


def budget_of(cohort: Cohort) -> Budget | None:
    """The budget of a Cohort, as the ledger's rules take it."""
    budget = cohort.spec.budget
    return None if budget is None else Budget(budget.epsilon, budget.delta)


def find_ledger(given: str, state: Path | None, budgets: Mapping[str, Budget]) -> FoundLedger:
    """The ledger in the file ``given``, or of the cohort ``given`` in a state folder.

    A cohort is named as in its document, or with its namespace before a slash. ``budgets`` are those of a manifest, by
    the ledger's name of the cohort. Raises :class:`DamagedLedger` where there is none, or it does not hold, and
    :class:`InvalidSetting` where several are meant.
    """
    path = Path(given)
    if path.is_file():
        return _read(path, budgets, {})
    if path.is_dir() and (path / NAME).is_file():
        return _read(path / NAME, budgets, {})
    found = list(_of_cohort(given, state))
    if not found:
        raise DamagedLedger(
            f"{given} is missing: there is no such file, and no ledger of a cohort of that name in "
            f"{state or f'{DEFAULT_PARENT}/*'}: name its file, or its state folder with --state"
        )
    if len(found) > 1:
        told = ", ".join(str(file) for _, file in found)
        raise InvalidSetting(f"several cohorts are called {given} here ({told}): give one of these files, or --state")
    folder, file = found[0]
    return _read(file, {**_budgets_in(folder), **budgets}, _witnesses_in(folder))


def _read(path: Path, budgets: Mapping[str, Budget], witnesses: Mapping[str, Witness]) -> FoundLedger:
    try:
        lines = path.read_bytes()
    except OSError as error:
        raise DamagedLedger(f"{path} cannot be read ({error.strerror})") from error
    entries = decode(lines, str(path))
    ledger = Ledger()
    for entry in entries:
        ledger.append(entry)
    return FoundLedger(path, tuple(entries), ledger, budgets.get(ledger.cohort), witnesses.get(ledger.cohort))


def _of_cohort(given: str, state: Path | None) -> Iterator[tuple[StateFolder, Path]]:
    namespace, _, name = given.rpartition("/")
    roots = [state] if state else sorted(path for path in DEFAULT_PARENT.glob("*") if path.is_dir())
    for root in roots:
        for file in sorted((root / "ledgers").glob(f"*/*/{NAME}")):
            if file.parent.name == name and namespace in ("", file.parent.parent.name):
                yield StateFolder(root), file


def _budgets_in(folder: StateFolder) -> dict[str, Budget]:
    """Budgets as the hospitals of the last run were told them."""
    found = {}
    for path in sorted((folder.root / "config").glob("*/cohort.json")):
        try:
            cohort = Cohort.model_validate(json.loads(path.read_bytes()))
        except (OSError, ValueError, ValidationError):
            continue
        budget = budget_of(cohort)
        if budget is not None:
            found[name_of(cohort)] = budget
    return found


def _witnesses_in(folder: StateFolder) -> dict[str, Witness]:
    """What the coordinator of this state folder last saw, by the ledger's name of the cohort."""
    journal = folder.root / "volumes" / COORDINATOR / JOURNAL / JOURNAL
    try:
        lines = journal.read_bytes()
    except OSError:
        return {}
    history = History()
    history.add(decode_journal(lines, str(journal))[0])
    if history.current is None:
        return {}
    brought = {hospital.name: hospital.cohort.name for hospital in history.current.spec.hospitals}
    return {
        f"{name}/{brought[name]}": Witness(seen.sequence, seen.head)
        for name, seen in history.witnesses.items()
        if name in brought
    }
