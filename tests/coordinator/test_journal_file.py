"""The journal on disk: what was flushed is there after a crash, and only one process writes it."""

import os
from pathlib import Path

import pytest

from builders import AT, accepted, whole_round
from consilia.errors import DamagedState, Unavailable
from consilia.journal import Happened, encode
from consilia_coordinator.journal_file import JournalFile

EVENT = Happened(at=AT, type="Normal", reason="Started", message="run 1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal"


def crash(journal: JournalFile) -> None:
    """Gone without a word: what was not flushed is lost."""
    journal._due.clear()
    journal.close()


def test_what_was_flushed_is_there_after_a_crash_and_nothing_else(path: Path) -> None:
    journal = JournalFile(path)
    journal.add(accepted())
    for fact in whole_round(1):
        journal.add(fact)
    journal.flush(durable=True)
    history = journal.history.runs[1]
    journal.add(EVENT)
    crash(journal)
    again = JournalFile(path)
    assert again.history.runs[1] == history
    assert again.history.sequence == 5
    again.close()


def test_a_fact_counts_at_once_and_is_written_with_the_next_flush(path: Path) -> None:
    journal = JournalFile(path)
    journal.add(EVENT)
    assert journal.history.sequence == 1
    assert path.read_bytes() == b""
    journal.flush(durable=False)
    assert path.read_bytes() == encode(EVENT)
    journal.close()


def test_closing_writes_what_is_due(path: Path) -> None:
    journal = JournalFile(path)
    journal.add(EVENT)
    journal.close()
    assert path.read_bytes() == encode(EVENT)


def test_a_torn_last_line_is_cut_off_and_writing_goes_on_after_the_whole_ones(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(encode(EVENT) + encode(EVENT)[:30])
    journal = JournalFile(path)
    assert "ends in a torn line of 30 bytes" in caplog.text
    journal.add(EVENT)
    journal.close()
    assert path.read_bytes() == 2 * encode(EVENT)


def test_a_damaged_middle_line_is_refused_and_the_file_is_left_as_it_was(path: Path) -> None:
    damaged = encode(EVENT) + encode(EVENT).replace(b"Started", b"Stopped") + encode(EVENT)
    path.parent.mkdir()
    path.write_bytes(damaged)
    with pytest.raises(DamagedState, match=f"{path}: line 2 is damaged"):
        JournalFile(path)
    assert path.read_bytes() == damaged


def test_a_refused_journal_is_let_go_of(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"rubbish\n" + encode(EVENT))
    with pytest.raises(DamagedState):
        JournalFile(path)
    path.write_bytes(encode(EVENT))
    JournalFile(path).close()


def test_a_journal_that_is_held_is_refused_until_it_is_let_go_of(path: Path) -> None:
    first = JournalFile(path)
    with pytest.raises(Unavailable, match="is held by another coordinator: stop that one first"):
        JournalFile(path)
    first.close()
    JournalFile(path).close()


def test_nobody_else_on_the_machine_may_read_it(path: Path) -> None:
    JournalFile(path).close()
    assert path.stat().st_mode & 0o077 == 0


def test_a_closed_journal_writes_nothing_more_whatever_file_has_its_number_now(tmp_path: Path) -> None:
    journal = JournalFile(tmp_path / "journal")
    journal.close()
    other = os.open(tmp_path / "ledger", os.O_RDWR | os.O_CREAT)
    try:
        journal.add(accepted())
        with pytest.raises(Unavailable, match="journal cannot be written: Bad file descriptor"):
            journal.flush(durable=True)
        assert os.fstat(other).st_size == 0
    finally:
        os.close(other)
