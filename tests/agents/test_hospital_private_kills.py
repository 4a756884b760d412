"""A hospital in a private run that is killed at any moment: what left is counted, and sent again for nothing."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from consilia.protocol import Update, decode, encode, pack
from consilia_agents.disk import Disk
from consilia_bus.fake import Envelope
from disks import deadly, in_a_process
from private_hospital import (
    CALLS,
    ZERO,
    Guard,
    engine_of,
    order,
    playing,
    releases,
    scenario,
    sent_update,
    table,
    vector_of,
    witness_of,
)


async def play_until_killed(folder: Path, disk: Disk, on_sent: Callable[[Envelope], None]) -> None:
    async with playing(folder, disk=disk, on_sent=on_sent) as coordinator:
        await coordinator.welcome()
        for each in scenario():
            await coordinator.update(each)


async def resume(folder: Path, told: list[Update]) -> list[Update]:
    """The next process on the same folder: asked everything again, from the order that was not answered."""
    guard = Guard(folder)
    async with playing(folder, on_sent=guard) as coordinator:
        await coordinator.welcome(witness=witness_of(told[-1]) if told else None)
        return [await coordinator.update(each) for each in scenario()]


def require_counted(folder: Path, told: list[Update], again: list[Update]) -> None:
    """All that ever left is in the ledger, and nothing else but what left now."""
    assert again[: len(told)] == told, "what was sent before is sent again, byte for byte"
    left = {vector_of(update).sha256 for update in [*told, *again]}
    assert sorted(left) == sorted(entry.message for entry in releases(folder))


def test_a_kill_between_any_two_steps_leaves_all_that_was_sent_counted(tmp_path: Path) -> None:
    for at in range(CALLS + 1):
        folder = tmp_path / f"before call {at}"

        def life(tell: Callable[[str], None], at: int = at, folder: Path = folder) -> None:
            def on_sent(envelope: Envelope) -> None:
                if sent_update(envelope) is not None:
                    tell(envelope.body)

            asyncio.run(play_until_killed(folder, deadly(at), on_sent))

        lines, ended = in_a_process(life)
        assert ended == (-signal.SIGKILL if at < CALLS else 0)
        told = [update for update in map(decode, lines) if isinstance(update, Update)]
        assert len(told) == max(0, at - 8) // 6
        require_counted(folder, told, asyncio.run(resume(folder, told)))


@pytest.mark.parametrize("number", range(3))
def test_a_kill_between_the_ledger_and_the_send_still_counts_and_is_sent_for_nothing(
    tmp_path: Path, number: int
) -> None:
    def life(tell: Callable[[str], None]) -> None:
        def on_sent(envelope: Envelope) -> None:
            if sent_update(envelope) is not None and len(releases(tmp_path)) == number + 1:
                os.kill(os.getpid(), signal.SIGKILL)
            if sent_update(envelope) is not None:
                tell(envelope.body)

        asyncio.run(play_until_killed(tmp_path, Disk(), on_sent))

    lines, ended = in_a_process(life)
    assert ended == -signal.SIGKILL
    told = [update for update in map(decode, lines) if isinstance(update, Update)]
    assert len(told) == number
    assert len(releases(tmp_path)) == number + 1
    require_counted(tmp_path, told, asyncio.run(resume(tmp_path, told)))


async def test_an_answer_that_is_counted_and_lost_from_the_outbox_is_a_new_release(tmp_path: Path) -> None:
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        first = await coordinator.update(order("train", 1))
    for file in (tmp_path / "answers").iterdir():
        file.unlink()
    async with playing(tmp_path, engine_of(table(31))) as coordinator:
        await coordinator.welcome()
        second = await coordinator.update(order("train", 1))
    assert vector_of(second).sha256 != vector_of(first).sha256
    assert [entry.message for entry in releases(tmp_path)] == [vector_of(first).sha256, vector_of(second).sha256]


async def test_an_answer_in_the_outbox_is_counted_by_its_bytes_and_not_by_its_order(tmp_path: Path) -> None:
    """Killed between the outbox and the ledger, after the first answer to the same order was lost."""
    asked = order("train", 1)
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        first = await coordinator.update(asked)
    second = first.model_copy(update={"vector": pack(ZERO + 5)})
    (tmp_path / "answers" / f"{asked.key}.json").write_text(encode(second))
    guard = Guard(tmp_path)
    async with playing(tmp_path, on_sent=guard) as coordinator:
        await coordinator.welcome()
        again = await coordinator.update(asked)
    assert again.vector == second.vector
    assert again.ledger is not None
    assert again.ledger.sequence == 3
    assert [entry.message for entry in releases(tmp_path)] == [vector_of(first).sha256, vector_of(second).sha256]


async def test_an_answer_in_the_outbox_with_other_bytes_than_were_counted_is_never_sent(tmp_path: Path) -> None:
    asked = order("train", 1)
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        update = await coordinator.update(asked)
    plain = pack(ZERO + 5)
    forged = update.model_copy(update={"vector": vector_of(update).model_copy(update={"data": plain.data})})
    (tmp_path / "answers" / f"{asked.key}.json").write_text(encode(forged))
    guard = Guard(tmp_path)
    async with playing(tmp_path, engine_of(table(31)), on_sent=guard) as coordinator:
        await coordinator.welcome()
        again = await coordinator.update(asked)
    assert vector_of(again).data != plain.data
