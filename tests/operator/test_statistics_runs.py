"""A statistics run on a cluster: one exchange, whatever spec.rounds says, and a status that an API server takes."""

from typing import Any

import numpy as np
import pytest

from consilia.bounds import within_bounds
from consilia.statistics import statistics_of
from consilia.statistics_sums import Axes
from consilia.status import FederationStatus
from consilia_operator.cohort_view import active

CONDITIONS = [{"type": "Complete", "status": "True"}]
COMPLETE = {
    "phase": "Complete",
    "state": "Idle",
    "run": 1,
    "round": 1,
    "rounds": 1,
    "task": "Statistics",
    "conditions": CONDITIONS,
}


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        pytest.param({"task": "Statistics", "rounds": 10}, COMPLETE, False, id="complete"),
        pytest.param({"task": "Statistics", "rounds": 10, "run": 2}, COMPLETE, True, id="another run"),
        pytest.param({"task": "Training", "rounds": 10}, COMPLETE, False, id="another task waits for another run"),
        pytest.param({"rounds": 10}, COMPLETE | {"task": "Training", "rounds": 10}, False, id="training, complete"),
        pytest.param({"rounds": 20}, COMPLETE | {"task": "Training", "rounds": 10}, True, id="training, more rounds"),
    ],
)
def test_a_complete_run_lets_go_of_its_cohorts(spec: dict[str, Any], status: dict[str, Any], expected: bool) -> None:
    assert active({"spec": spec, "status": status}) is expected


def test_the_largest_result_fits_into_a_resource_whole() -> None:
    axes = Axes((0.0,) * 50, (1.0,) * 50, 100)
    total = np.linspace(0, 1000, axes.size) + 1e9 / 7
    names: list[tuple[str, str | None]] = [(f"feature {number}", "mmol/L") for number in range(50)]
    told = statistics_of(names, axes, [k / 21 for k in range(1, 21)], total)
    written = within_bounds(FederationStatus(task="Statistics", statistics=told))["statistics"]
    assert [each["name"] for each in written] == [name for name, _ in names]
    assert {len(each["histogram"]["counts"]) for each in written} == {100}
    assert {len(each["quantiles"]) for each in written} == {20}
    assert len(FederationStatus(statistics=told).model_dump_json()) < 400_000
