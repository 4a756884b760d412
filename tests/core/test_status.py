"""The status as JSON: camelCase, without what has no value yet, and the same when read back."""

import math

import pytest
from pydantic import ValidationError

from builders import AT
from consilia.status import (
    Condition,
    EventRecord,
    FederationStatus,
    HospitalMetrics,
    HospitalStatus,
    Metrics,
    RoundRecord,
    TrackingRun,
)

STATUS = FederationStatus(
    phase="Training",
    state="Collecting",
    run=1,
    round=2,
    rounds=10,
    started_at=AT,
    seconds_per_round=0.02,
    metrics=Metrics(accuracy=0.9, loss=0.1),
    hospitals=[HospitalStatus(name="north", phase="Sent", last_seen=AT, rows=80)],
    mlflow=TrackingRun(run_id="abc"),
    conditions=[Condition(type="Ready", status="True", reason="Connected", message="", last_transition_time=AT)],
)
RECORD = RoundRecord(
    run=1, round=1, at=AT, seconds=0.1, participants=["north"], hospitals={"north": HospitalMetrics(rows=80)}
)


def test_a_status_is_written_in_camel_case() -> None:
    written = STATUS.to_json()
    assert written["startedAt"] == AT
    assert written["secondsPerRound"] == 0.02
    assert written["hospitals"][0]["lastSeen"] == AT
    assert written["conditions"][0]["lastTransitionTime"] == AT


def test_what_has_no_value_yet_is_absent() -> None:
    written = STATUS.to_json()
    assert "completedAt" not in written
    assert "precision" not in written["metrics"]
    assert written["mlflow"] == {"runId": "abc"}
    assert RECORD.to_json()["hospitals"] == {"north": {"rows": 80}}


@pytest.mark.parametrize(
    "document",
    [STATUS, RECORD, EventRecord(at=AT, type="Warning", reason="HospitalLost", message="north is gone")],
    ids=lambda document: type(document).__name__,
)
def test_it_comes_back_from_its_own_json(document: FederationStatus | RoundRecord | EventRecord) -> None:
    assert type(document).model_validate(document.to_json()) == document


@pytest.mark.parametrize("value", [math.nan, math.inf], ids=str)
def test_a_score_is_finite_or_absent(value: float) -> None:
    with pytest.raises(ValidationError):
        Metrics(loss=value)


def test_a_fresh_status_says_that_the_federation_is_not_private() -> None:
    assert FederationStatus().to_json()["private"] is False
