"""Reading a run from the coordinator's journal."""

from datetime import UTC, datetime

import numpy as np
import pytest

from bench.product import measured
from consilia.journal import RoundCommitted, RunCompleted
from consilia.protocol import pack

BEGAN = datetime(2026, 1, 2, 3, 4, 0, tzinfo=UTC).timestamp()


def committed(number, task, seconds, values):
    return RoundCommitted(
        at="2026-01-02T03:04:05+00:00",
        run=1,
        round=number,
        task=task,
        seconds=seconds,
        contributors=["north"],
        parameters=pack(np.array(values)),
    )


def test_a_run_is_its_training_rounds_its_end_and_its_last_model():
    facts = [
        committed(0, "moments", 0.5, [9.0]),
        committed(1, "train", 0.010, [1.0, 2.0]),
        committed(2, "train", 0.012, [3.0, 4.0]),
        RunCompleted(at="2026-01-02T03:04:06.500000+00:00", run=1),
    ]
    run = measured(facts, BEGAN, 400)
    assert run.rounds == (0.010, 0.012)
    assert run.total == pytest.approx(6.5)
    assert run.parameters == (3.0, 4.0)
    assert run.memory == 400


def test_a_run_without_an_end_is_no_measurement():
    with pytest.raises(RuntimeError, match="no completed run"):
        measured([committed(1, "train", 0.01, [1.0])], BEGAN, 0)
