"""A cohort's ledger in its file, with entries to write, for tests of what happens to the file."""

from pathlib import Path

from consilia.privacy.entries import AnyEntry, Terms
from consilia.privacy.ledger import Answer, Budget, Ledger, Witness
from consilia.privacy.noise_plan import Ask, NoisePlan
from consilia_agents.disk import Disk
from consilia_agents.ledger_file import LedgerFile

AT = "2026-11-24T12:00:00.000Z"
COHORT = "north/north-2024"
DIGEST = "ab" * 32
BUDGET = Budget(4.0, 1e-5)
PLAN = NoisePlan.of(Ask(epsilon=1.0, delta=1e-5, clip=1.0, rounds=3, hospitals=2, nominal_rows=400))
TERMS = Terms.of(PLAN, "north/north-2024 0.2")


def hold(folder: Path, witness: Witness | None = None, disk: Disk | None = None) -> LedgerFile:
    return LedgerFile(folder, COHORT, witness, disk, lambda: AT, lambda: DIGEST)


def opened(ledger: Ledger) -> AnyEntry:
    entry = ledger.open_run("uid-1", "tumours", 1, TERMS, BUDGET, AT)
    assert entry is not None
    return entry


def released(ledger: Ledger, number: int = 1) -> AnyEntry:
    answer = Answer("uid-1", 1, number, 1, DIGEST, f"{number:064x}", f"{number + 4096:064x}")
    return ledger.release("train", answer, BUDGET, AT)


def with_two_releases(folder: Path) -> Witness:
    file = hold(folder)
    file.append(opened(file.ledger))
    for number in (1, 2):
        file.append(released(file.ledger, number))
    file.close()
    return file.ledger.witness
