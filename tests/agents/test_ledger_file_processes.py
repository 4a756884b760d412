"""The ledger's file and processes: whoever is killed, what was told is on the disk; and one process holds it."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from consilia.errors import CohortBusy, DamagedLedger
from consilia.privacy.ledger import Witness
from consilia_agents.disk import Disk
from consilia_agents.ledger_file import LedgerFile
from deadline import eventually
from disks import WatchedDisk, deadly, in_a_process
from ledger_files import COHORT, hold, opened, released, with_two_releases

# Kills


def lifetime(folder: Path, disk: Disk, tell: Callable[[str], None]) -> None:
    """Everything that a ledger's file lives through; tells what would have been sent."""
    file = hold(folder, disk=disk)
    file.append(opened(file.ledger))
    for number in (1, 2):
        entry = released(file.ledger, number)
        file.append(entry)
        tell(f"{entry.sequence} {entry.hash}")


def steps(tmp_path: Path) -> int:
    disk = WatchedDisk()
    lifetime(tmp_path / "undisturbed", disk, lambda _: None)
    return len(disk.calls)


def test_a_kill_at_any_point_loses_nothing_that_was_sent(tmp_path: Path) -> None:
    count = steps(tmp_path)
    assert count == 5 + 3 * 3
    for at in range(count + 1):
        folder = tmp_path / f"killed before {at}"
        told, ended = in_a_process(lambda tell, at=at, folder=folder: lifetime(folder, deadly(at), tell))  # type: ignore[misc]
        assert ended == (-signal.SIGKILL if at < count else 0)
        sequence, head = told[-1].split() if told else ("0", "")
        file = hold(folder, Witness(int(sequence), head) if told else None)
        assert len(file.ledger.orders) >= len(told), f"killed before {at}"
        if ("uid-1", 1) not in file.ledger.runs:
            file.append(opened(file.ledger))
        file.append(released(file.ledger, 3))
        file.close()
        hold(folder, file.ledger.witness).close()


def test_a_ledger_is_free_again_when_its_process_was_killed(folder: Path) -> None:
    with_two_releases(folder)

    def holds_and_waits(tell: Callable[[str], None]) -> None:
        hold(folder)
        tell("held")
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_a_process(holds_and_waits) == (["held"], -signal.SIGKILL)
    eventually(lambda: not busy(folder))


def busy(folder: Path) -> bool:
    try:
        hold(folder).close()
    except CohortBusy:
        return True
    return False


# Two processes


def test_a_second_process_is_told_who_is_busy_and_where(folder: Path, held: LedgerFile) -> None:
    def second(tell: Callable[[str], None]) -> None:
        with suppress(CohortBusy):
            try:
                hold(folder)
            except CohortBusy as error:
                tell(str(error))
                raise

    told, ended = in_a_process(second)
    assert ended == 0
    sentence = (
        f"cohort {COHORT} takes part in another private run now: the ledger in {folder} is held by another process"
    )
    assert told == [f"{sentence}; end that run, or wait for it"]
    held.append(opened(held.ledger))


def test_two_that_hold_it_because_somebody_removed_the_lock_do_not_both_write(folder: Path, held: LedgerFile) -> None:
    held.append(opened(held.ledger))
    (folder / "lock").unlink()
    other = hold(folder)
    other.append(released(other.ledger, 1))
    with pytest.raises(DamagedLedger, match=r"ledger\.jsonl was removed, replaced or written to by somebody else"):
        held.append(released(held.ledger, 2))
    other.close()
