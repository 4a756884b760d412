"""The ledger's file: what was told is on the disk, whoever is killed; damage is refused; one process holds it."""

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from consilia.errors import CohortBusy, DamagedLedger, IllegalEvent, Unwritable
from consilia.privacy.entries import AnyEntry, Terms, encode
from consilia.privacy.ledger import Answer, Budget, Ledger, Witness
from consilia.privacy.noise_plan import Ask, NoisePlan
from consilia_agents.disk import Disk
from consilia_agents.ledger_file import LedgerFile
from deadline import eventually
from disks import WatchedDisk, deadly, failing, in_a_process

AT = "2026-11-24T12:00:00.000Z"
COHORT = "north/north-2024"
DIGEST = "ab" * 32
BUDGET = Budget(4.0, 1e-5)
PLAN = NoisePlan.of(Ask(epsilon=1.0, delta=1e-5, clip=1.0, rounds=3, hospitals=2, nominal_rows=400))
TERMS = Terms.of(PLAN, "north/north-2024 0.2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "volume" / "ledger"


@pytest.fixture
def held(folder: Path) -> Iterator[LedgerFile]:
    file = hold(folder)
    yield file
    file.close()


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


# Damage


def test_a_torn_end_is_dropped_and_the_rest_goes_on(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    witness = with_two_releases(folder)
    whole = (folder / "ledger.jsonl").read_bytes()
    (folder / "ledger.jsonl").write_bytes(whole + b'{"at":"2026-11')
    disk = WatchedDisk()
    file = hold(folder, witness, disk)
    assert (folder / "ledger.jsonl").read_bytes() == whole
    assert disk.calls[0][0] == "truncate"
    assert ("sync", "ledger.jsonl") in disk.calls
    assert "a torn line of 14 bytes, from a crash: nothing of it was sent" in caplog.text
    file.append(released(file.ledger, 3))
    file.close()


def rewritten(change: Callable[[list[bytes]], bytes]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_bytes(change(path.read_bytes().splitlines(keepends=True)))

    return damage


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(Path.unlink, "is missing, and entry 3 of it was seen elsewhere", id="missing"),
        pytest.param(rewritten(lambda _: b""), "is empty", id="empty"),
        pytest.param(rewritten(lambda lines: lines[0][:-1]), "line 1 is torn", id="no line is whole"),
        pytest.param(rewritten(lambda lines: b"".join(lines[:-1])), "was rolled back", id="rolled back"),
        pytest.param(
            rewritten(lambda lines: b"".join(lines[:-1]) + lines[-1][:-1]), "was rolled back", id="cut in the last line"
        ),
        pytest.param(
            rewritten(lambda lines: b"".join(lines).replace(b'"round":1', b'"round":7')), "is edited", id="edited"
        ),
        pytest.param(rewritten(lambda lines: b"".join([*lines[:2], lines[3]])), "is due", id="a line is gone"),
    ],
)
def test_what_is_not_the_ledger_that_was_seen_is_refused_and_left_as_it_is(
    folder: Path, damage: Callable[[Path], None], said: str
) -> None:
    witness = with_two_releases(folder)
    path = folder / "ledger.jsonl"
    damage(path)
    found = path.read_bytes() if path.exists() else None
    with pytest.raises(DamagedLedger, match=said) as refusal:
        hold(folder, witness)
    assert str(path) in str(refusal.value)
    assert (path.read_bytes() if path.exists() else None) == found, "it is evidence"
    assert not list(folder.glob("*.part"))
    path.write_bytes(b"")
    with pytest.raises(DamagedLedger, match="is empty"):
        hold(folder, witness)  # and the lock was let go


def test_a_ledger_begun_anew_is_refused_where_the_old_one_was_seen(folder: Path, tmp_path: Path) -> None:
    witness = with_two_releases(folder)
    other = LedgerFile(tmp_path / "other", COHORT, None)
    other.append(opened(other.ledger))
    for number in (1, 2, 3):
        other.append(released(other.ledger, number))
    other.close()
    other.path.rename(folder / "ledger.jsonl")
    with pytest.raises(DamagedLedger, match="has another entry 3 than was seen elsewhere"):
        hold(folder, witness)


def test_a_ledger_ahead_of_its_witness_is_used(folder: Path) -> None:
    file = hold(folder)
    file.append(opened(file.ledger))
    witness = file.ledger.witness
    file.append(released(file.ledger))
    file.close()
    hold(folder, witness).close()


def test_the_ledger_of_another_cohort_is_refused(folder: Path) -> None:
    with_two_releases(folder)
    with pytest.raises(DamagedLedger, match="is of cohort north/north-2024, not of south/south-2024"):
        LedgerFile(folder, "south/south-2024", None)


def replaced_by_a_copy(path: Path) -> None:
    path.with_name("copy").write_bytes(path.read_bytes())
    path.with_name("copy").rename(path)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(Path.unlink, id="removed"),
        pytest.param(rewritten(lambda lines: b"".join(lines[:-1])), id="cut"),
        pytest.param(replaced_by_a_copy, id="replaced by a copy"),
    ],
)
def test_a_file_that_changes_while_it_is_held_is_not_written_to(
    folder: Path, held: LedgerFile, damage: Callable[[Path], None]
) -> None:
    held.append(opened(held.ledger))
    damage(folder / "ledger.jsonl")
    with pytest.raises(DamagedLedger, match="while it was in use"):
        held.append(released(held.ledger))
    assert not held.ledger.orders


@pytest.mark.parametrize(
    "damage", [pytest.param(Path.unlink, id="removed"), pytest.param(rewritten(lambda lines: lines[0]), id="cut")]
)
def test_what_this_process_saw_itself_is_a_witness_too(
    folder: Path, held: LedgerFile, damage: Callable[[Path], None]
) -> None:
    held.append(opened(held.ledger))
    damage(folder / "ledger.jsonl")
    with pytest.raises(DamagedLedger):
        held.read(None)


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
