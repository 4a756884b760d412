"""The outbox: the same order gets the same bytes, also from a process that was started anew."""

import errno
import json
import os
from pathlib import Path

import pytest

from consilia.errors import Unwritable
from consilia_agents.outbox import KEPT, Outbox
from disks import WatchedDisk, failing


def answer(number: int) -> str:
    return json.dumps({"consilia": 1, "rows": number, "reason": "é"})


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "answers")


def test_an_answer_comes_back_byte_for_byte_and_an_order_without_one_gets_none(outbox: Outbox) -> None:
    outbox.put("a" * 64, answer(1))
    assert outbox.get("a" * 64) == answer(1)
    assert outbox.get("b" * 64) is None


def test_a_process_started_anew_gives_the_same_answers(outbox: Outbox, tmp_path: Path) -> None:
    outbox.put("a" * 64, answer(1))
    assert Outbox(tmp_path / "answers").get("a" * 64) == answer(1)


def test_the_newest_few_are_kept_and_the_oldest_go(outbox: Outbox, tmp_path: Path) -> None:
    for number in range(KEPT + 3):
        outbox.put(str(number), answer(number))
    assert [number for number in range(KEPT + 3) if outbox.get(str(number))] == list(range(3, KEPT + 3))
    assert len(list((tmp_path / "answers").iterdir())) == KEPT


def test_a_process_started_anew_lets_the_oldest_go_first(outbox: Outbox, tmp_path: Path) -> None:
    for number in range(KEPT):
        outbox.put(str(number), answer(number))
        os.utime(tmp_path / "answers" / f"{number}.json", ns=(number, number))
    again = Outbox(tmp_path / "answers")
    again.put("new", answer(9))
    assert again.get("0") is None
    assert again.get("1") == answer(1)


def test_an_answer_given_again_is_not_counted_twice(outbox: Outbox) -> None:
    outbox.put("first", answer(0))
    for _ in range(KEPT + 1):
        outbox.put("again", answer(1))
    assert outbox.get("first") == answer(0)
    assert outbox.get("again") == answer(1)


@pytest.mark.parametrize(
    "torn",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0" * 40, id="zeros"),
        pytest.param(answer(1).encode()[:-3], id="cut"),
        pytest.param(b"\xff\xfe", id="not text"),
    ],
)
def test_an_answer_that_a_power_cut_tore_is_as_if_it_had_not_been_given(
    outbox: Outbox, tmp_path: Path, torn: bytes
) -> None:
    outbox.put("a", answer(1))
    (tmp_path / "answers" / "a.json").write_bytes(torn)
    assert Outbox(tmp_path / "answers").get("a") is None


def test_an_answer_that_somebody_removed_is_as_if_it_had_not_been_given(outbox: Outbox, tmp_path: Path) -> None:
    outbox.put("a", answer(1))
    (tmp_path / "answers" / "a.json").unlink()
    assert outbox.get("a") is None


def test_an_answer_waits_for_no_disk(tmp_path: Path) -> None:
    disk = WatchedDisk()
    Outbox(tmp_path / "answers", disk).put("a", answer(1))
    assert [call for call, _ in disk.calls] == ["write", "write on", "rename"]


@pytest.mark.parametrize("call", range(3))
def test_an_answer_that_the_disk_refuses_is_told_and_the_older_ones_stay(tmp_path: Path, call: int) -> None:
    Outbox(tmp_path / "answers").put("old", answer(0))
    outbox = Outbox(tmp_path / "answers", failing(call, errno.ENOSPC))
    with pytest.raises(Unwritable, match=r"a\.json cannot be used \(No space left on device\)"):
        outbox.put("a", answer(1))
    assert outbox.get("old") == answer(0)
