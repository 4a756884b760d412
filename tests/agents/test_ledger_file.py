"""The ledger's file: a line is on the disk before it counts, and a disk that refuses is told of."""

import errno
from pathlib import Path

import pytest

from consilia.errors import IllegalEvent, Unwritable
from consilia.privacy.entries import encode
from consilia_agents.ledger_file import LedgerFile
from disks import WatchedDisk, failing
from ledger_files import COHORT, hold, opened, released, with_two_releases


def test_a_ledger_is_begun_where_there_is_neither_file_nor_witness(folder: Path, held: LedgerFile) -> None:
    assert held.ledger.cohort == COHORT
    assert held.ledger.witness.sequence == 0
    assert (folder / "ledger.jsonl").read_bytes().count(b"\n") == 1
    assert (folder / "ledger.jsonl").stat().st_mode & 0o077 == 0


def test_every_ledger_begins_with_a_number_of_its_own(tmp_path: Path) -> None:
    files = [LedgerFile(tmp_path / name, COHORT, None) for name in ("a", "b")]
    assert files[0].ledger.witness.head != files[1].ledger.witness.head
    for file in files:
        file.close()


def test_what_was_appended_is_there_for_the_next_process(folder: Path) -> None:
    witness = with_two_releases(folder)
    again = hold(folder, witness)
    assert again.ledger.witness == witness
    assert again.ledger.runs["uid-1", 1].made == {"train": 2}
    again.append(released(again.ledger, 3))
    assert again.ledger.witness.sequence == 4
    again.close()


# The order of calls


def test_a_line_is_synced_before_it_counts(folder: Path) -> None:
    disk = WatchedDisk()
    file = hold(folder, disk=disk)
    assert disk.calls == [
        ("write", "ledger.jsonl.part"),
        ("write on", "ledger.jsonl.part"),
        ("sync", "ledger.jsonl.part"),
        ("rename", "ledger.jsonl"),
        ("sync", "ledger"),
    ]
    disk.calls.clear()
    counted: list[int] = []
    disk._before = lambda _number, _call: counted.append(file.ledger.witness.sequence)
    file.append(opened(file.ledger))
    assert disk.calls == [("write", "ledger.jsonl"), ("write on", "ledger.jsonl"), ("sync", "ledger.jsonl")]
    assert counted == [0, 0, 0], "nothing counts before its line is on the disk"
    assert file.ledger.witness.sequence == 1
    file.close()


def test_what_another_process_wrote_is_synced_before_it_is_relied_on(folder: Path) -> None:
    """That one may have been killed between its write and its sync, or between its rename and the folder's sync."""
    with_two_releases(folder)
    disk = WatchedDisk()
    hold(folder, disk=disk).close()
    assert disk.calls == [("sync", "ledger.jsonl"), ("sync", "ledger")]


# A disk that refuses


@pytest.mark.parametrize("call", range(3), ids=["before the write", "within the write", "in the sync"])
def test_a_full_disk_is_told_and_nothing_counts(folder: Path, call: int) -> None:
    disk = failing(5 + 3 + call, errno.ENOSPC)
    file = hold(folder, disk=disk)
    file.append(opened(file.ledger))
    with pytest.raises(Unwritable, match=r"ledger\.jsonl cannot be used \(No space left on device\).*make room"):
        file.append(released(file.ledger))
    assert not file.ledger.orders
    with pytest.raises(Unwritable, match="is read again first"):
        file.append(released(file.ledger))
    file.read(file.ledger.witness)
    file.append(released(file.ledger))
    file.close()
    again = hold(folder, file.ledger.witness)
    assert again.ledger.runs["uid-1", 1].made == {"train": 1}, "what could not be synced is cut off, and not counted"
    again.close()


def test_a_line_that_could_not_even_be_cut_off_again_counts(folder: Path) -> None:
    """Nothing of it was sent; but the disk has it, and what the disk has is counted."""

    def before(number: int, call: str) -> None:
        if number >= 10 and call in ("sync", "truncate"):
            raise OSError(errno.EIO, "input/output error")

    disk = WatchedDisk(before)
    file = hold(folder, disk=disk)
    file.append(opened(file.ledger))
    with pytest.raises(Unwritable, match="input/output error"):
        file.append(released(file.ledger))
    with pytest.raises(Unwritable, match="input/output error"):
        file.read(None)
    disk._before = lambda _number, _call: None
    file.read(None)
    assert len(file.ledger.orders) == 1
    file.close()


@pytest.mark.parametrize("call", range(5))
def test_a_ledger_that_cannot_be_begun_is_told_and_begun_when_it_can(folder: Path, call: int) -> None:
    with pytest.raises(Unwritable, match=r"ledger\.jsonl cannot be used \(No space left on device\)"):
        hold(folder, disk=failing(call, errno.ENOSPC))
    hold(folder).close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unwritable, match=r"file/ledger cannot be used \(Not a directory\)"):
        hold(tmp_path / "file" / "ledger")


def test_a_ledger_that_may_not_be_read_is_told(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "ledger.jsonl").mkdir()
    with pytest.raises(Unwritable, match=r"ledger\.jsonl cannot be used \(Is a directory\)"):
        hold(folder)


def test_an_entry_for_another_place_is_refused_before_it_is_written(folder: Path, held: LedgerFile) -> None:
    entry = opened(held.ledger)
    held.append(entry)
    with pytest.raises(IllegalEvent, match="entry 1 is not the next one"):
        held.append(entry)
    assert (folder / "ledger.jsonl").read_bytes().endswith(encode(entry))
    assert (folder / "ledger.jsonl").read_bytes().count(b"\n") == 2


def test_after_it_was_let_go_nothing_is_written(folder: Path) -> None:
    file = hold(folder)
    entry = opened(file.ledger)
    file.close()
    file.close()
    with pytest.raises(Unwritable, match="not held by this process any more"):
        file.append(entry)
    with pytest.raises(Unwritable, match="not held by this process any more"):
        file.read(None)
