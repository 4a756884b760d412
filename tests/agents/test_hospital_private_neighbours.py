"""Everything that leaves a private hospital: of neighbouring tables, the same but for what is noised."""

import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consilia.dataset import Table
from consilia.protocol import Order, decode
from consilia_agents.holdout import is_held_out
from consilia_bus.fake import Envelope
from private_hospital import (
    COHORT,
    ROUNDS,
    engine_of,
    order,
    playing,
    private_cohort,
    seeded,
    settled,
    table,
    whole_run,
)


def without_noise(message: Any) -> Any:
    """A message without what noise makes different: vectors, their digests, and the heads of ledgers."""
    if isinstance(message, dict):
        return {name: without_noise(value) for name, value in message.items() if name not in ("data", "sha256", "head")}
    return message


async def everything_of_a_run(
    folder: Path, rows: Table, cohort: Any, caplog: pytest.LogCaptureFixture
) -> tuple[list[Any], list[str]]:
    """All messages of a whole run, retries and a restart among them, but for what the noise makes of them; and all that
    was logged."""
    caplog.clear()
    messages: list[Any] = []

    def on_sent(envelope: Envelope) -> None:
        message = decode(envelope.body).model_dump(mode="json")
        assert message.pop("instance", "drawn") != ""
        messages.append(without_noise(message))

    async def life(orders: list[Order]) -> None:
        engine = engine_of(rows, cohort, seeded())
        # A machine that is slow makes nobody join twice.
        async with playing(folder, engine, of=cohort, on_sent=on_sent, join_seconds=600.0) as coordinator:
            await settled(coordinator)
            for each in orders:
                await coordinator.ask(each)

    with caplog.at_level(logging.DEBUG):
        await life(whole_run()[:3])
        more = [order("train", 2, round=number) for number in range(4, 7)]
        await life([*whole_run(), *more, order("evaluate", ROUNDS, round=ROUNDS + 1), order("moments")])
    return messages, [record.getMessage().replace(str(folder), "") for record in caplog.records]


BOTH_SIDES = [(3.0, 4.0, 1.0)] * 9


@pytest.mark.parametrize(
    ("rows", "more"),
    [
        pytest.param(30, [(3.0, 4.0, 1.0)], id="one more patient"),
        pytest.param(30, [(np.nan, 4.0, 1.0)], id="a value that is missing"),
        pytest.param(30, [(np.inf, -np.inf, 0.0)], id="infinities"),
        pytest.param(30, [(3.0, 4.0, 7.0)], id="a label that is none"),
        pytest.param(30, [(3.0, 4.0, np.nan)], id="a label that is missing"),
        pytest.param(30, [(1e308, -1e308, 1.0)], id="values beyond all bounds"),
        pytest.param(0, [(3.0, 4.0, 1.0)], id="the only patient"),
        pytest.param(0, BOTH_SIDES, id="patients of one class, and nobody"),
    ],
)
async def test_neighbouring_tables_send_the_same_but_for_the_noised_vectors(
    tmp_path: Path, rows: int, more: list[tuple[float, float, float]], caplog: pytest.LogCaptureFixture
) -> None:
    one = await everything_of_a_run(tmp_path / "one", table(rows), COHORT, caplog)
    other = await everything_of_a_run(tmp_path / "other", table(rows, *more), COHORT, caplog)
    assert one == other
    messages, logged = one
    assert sum(message["type"] == "update" for message in messages) == 3 + 5 + 3
    assert sum(message["type"] == "decline" for message in messages) == 2, "the last round, and moments"
    assert not any(re.search(r"\d\.\d{3}", line) for line in logged)


async def test_of_an_exact_cohort_only_the_scores_differ_and_only_by_holdout_patients(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cohort = private_cohort("exact")
    whole = table(30, *[(float(number), 9.0 - number, number % 2) for number in range(9)])
    held = {number for number in range(30, 39) if is_held_out(whole.ids[number], "north", "north-2024", 0.3)}
    assert 0 < len(held) < 9
    for number in range(30, 39):
        others = whole.take(np.array([place for place in range(39) if place != number]))
        one = await everything_of_a_run(tmp_path / f"without {number}", others, cohort, caplog)
        other = await everything_of_a_run(tmp_path / f"beside {number}", whole, cohort, caplog)
        assert (one != other) == (number in held), "a training patient changes no score"
        for messages, _ in (one, other):
            for message in messages:
                message.pop("metrics", None)
        assert one == other, "nothing but the scores may differ"
