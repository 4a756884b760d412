"""A federation's phase and the status of its MLflow run."""

import pytest

from consilia.status import FederationStatus
from consilia_coordinator.tracking.outcome import Outcome, outcome_of


@pytest.mark.parametrize(
    ("phase", "round_", "expected"),
    [
        ("Pending", 0, None),
        ("Idle", 0, None),
        ("Registration", 0, "RUNNING"),
        ("Training", 0, "RUNNING"),
        ("Training", 3, "RUNNING"),
        ("Pending", 3, "RUNNING"),
        ("Stopping", 3, "RUNNING"),
        ("Idle", 3, "KILLED"),
        ("Blocked", 3, "FAILED"),
        ("Complete", 3, "RUNNING"),
    ],
)
def test_the_current_run_follows_the_phase(phase: str, round_: int, expected: Outcome | None) -> None:
    status = FederationStatus.model_validate({"phase": phase, "run": 2, "round": round_})
    assert outcome_of(status, 2, final=False, known=False) == expected


@pytest.mark.parametrize("phase", ["Complete", "Idle", "Training"])
def test_a_final_model_finishes_a_run_whatever_came_after(phase: str) -> None:
    assert (
        outcome_of(FederationStatus.model_validate({"phase": phase, "run": 2}), 2, final=True, known=True) == "FINISHED"
    )
    assert (
        outcome_of(FederationStatus.model_validate({"phase": phase, "run": 3}), 2, final=True, known=True) == "FINISHED"
    )


def test_a_run_that_was_replaced_before_its_end_was_stopped() -> None:
    assert outcome_of(FederationStatus(phase="Training", run=3), 2, final=False, known=False) == "KILLED"


@pytest.mark.parametrize(("phase", "expected"), [("Idle", "KILLED"), ("Pending", "RUNNING")])
def test_a_run_that_mlflow_knows_has_a_status_before_its_first_round(phase: str, expected: Outcome) -> None:
    status = FederationStatus.model_validate({"phase": phase, "run": 2, "round": 0})
    assert outcome_of(status, 2, final=False, known=True) == expected
