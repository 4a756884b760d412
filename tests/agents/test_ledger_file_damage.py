"""The ledger's file when it is torn, edited, rolled back or gone: refused, and left as it is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from consilia.errors import DamagedLedger
from consilia_agents.ledger_file import LedgerFile
from disks import WatchedDisk
from ledger_files import COHORT, hold, opened, released, with_two_releases


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
