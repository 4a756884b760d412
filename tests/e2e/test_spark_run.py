"""A federation of hospitals with either engine learns what hospitals with one of them do."""

from collections.abc import Callable

import numpy as np
import pytest

from running import Command, computed_parameters, example

pytestmark = pytest.mark.real
LEAN = ("--no-mlflow", "--no-dashboard")
SPARK = ("riverside", "harbor")


def with_spark(text: str) -> str:
    """The same with Spark at two of the hospitals."""
    for hospital in SPARK:
        before, found, after = text.partition(f"  hospital: {hospital}\n  engine: sklearn\n")
        assert found, f"{hospital} is not in the example"
        text = f"{before}  hospital: {hospital}\n  engine: spark\n  spark: {{driverMemory: 512Mi}}\n{after}"
    return text


def test_three_hospitals_in_memory_and_two_with_spark_learn_the_same_model(consilia: Callable[..., Command]) -> None:
    text = example(rounds=3).replace("localEpochs: 20", "localEpochs: 2")
    command = consilia(with_spark(text), *LEAN)
    assert command.wait(240) == 0, command.text()
    np.testing.assert_allclose(command.parameters(), computed_parameters(text), rtol=1e-9)
    assert "Traceback" not in command.text() + command.logs()
    assert command.processes() == {}
