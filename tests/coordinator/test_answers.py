"""What the coordinator's API answers, as its readers read it."""

import pytest
from pydantic import ValidationError

from consilia.status import FederationStatus
from consilia_coordinator.answers import StatusAnswer
from consilia_coordinator.tracking_report import TrackingReport

STATUS = StatusAnswer(sequence=3, status=FederationStatus(run=1, round=2, rounds=3))


def test_an_answer_comes_back_from_its_own_json() -> None:
    assert StatusAnswer.model_validate_json(STATUS.model_dump_json(by_alias=True)) == STATUS


def test_a_reader_passes_over_what_a_newer_coordinator_says_besides() -> None:
    assert StatusAnswer.model_validate({**STATUS.to_json(), "weather": "fair"}) == STATUS


def test_a_report_with_a_field_that_nobody_knows_is_refused() -> None:
    report = TrackingReport(run=1, run_id="abc", logged_through=2)
    assert TrackingReport.model_validate(report.to_json()) == report
    with pytest.raises(ValidationError, match="weather"):
        TrackingReport.model_validate({**report.to_json(), "weather": "fair"})
