"""What the dashboard says of a statistics run: no rounds to go, and no model to wait for. Pure."""

from datetime import UTC, datetime
from typing import Any

import pytest

from consilia_dashboard import commands
from consilia_dashboard.faces import face, stage
from consilia_dashboard.seen import Seen
from consilia_dashboard.view import view

HOSPITALS = [{"name": name, "phase": "Ready"} for name in ("north", "south")]
COMPLETE = {"phase": "Complete", "run": 1, "round": 1, "rounds": 1, "task": "Statistics", "hospitals": HOSPITALS}


def seen(status: dict[str, Any], **spec: Any) -> Seen:
    asked = {"rounds": 10, "suspend": False, "privacy": {"epsilon": 0}, "task": "Statistics", "hospitals": HOSPITALS}
    return Seen({"metadata": {"name": "survey"}, "spec": asked | spec, "status": status})


def test_a_complete_run_is_complete_whatever_the_rounds_say() -> None:
    assert stage(seen(COMPLETE)) == "Complete"
    assert face(seen(COMPLETE)).sentence == "Run 1 has its statistics."


@pytest.mark.parametrize(
    ("known", "advice"),
    [
        pytest.param({}, "", id="there is no MLflow"),
        pytest.param({"endpoints": {"mlflow": "http://m"}}, "They are on their way to MLflow.", id="it begins"),
        pytest.param({"mlflow": {"runId": "1"}}, "They are on their way to MLflow.", id="it has begun"),
        pytest.param({"mlflow": {"runId": "1", "settled": 1}}, "", id="they are there"),
    ],
)
def test_statistics_are_awaited_where_there_is_an_mlflow_until_they_are_in_it(
    known: dict[str, Any], advice: str
) -> None:
    assert face(seen(COMPLETE | known)).advice == advice


def test_another_run_is_begun_and_not_more_rounds() -> None:
    assert stage(seen(COMPLETE, run=2)) == "Starting"
    assert commands.start_does(seen(COMPLETE)) == "Start begins run 2"
    assert commands.start(seen(COMPLETE), None).message == "Starting: statistics, 2 hospitals, NON-PRIVATE."


@pytest.mark.parametrize(
    ("status", "task", "expected"),
    [
        pytest.param(COMPLETE, "Training", "Complete", id="statistics are there, training is asked for"),
        pytest.param(
            COMPLETE | {"task": "Training", "rounds": 10, "round": 10},
            "Statistics",
            "Complete",
            id="the other way round",
        ),
    ],
)
def test_another_task_waits_for_another_run(status: dict[str, Any], task: str, expected: str) -> None:
    assert stage(seen(status, task=task)) == expected


def test_the_page_shows_statistics_and_no_scores() -> None:
    told = [{"name": "mean radius", "count": 12.0}]
    drawn = view(seen(COMPLETE | {"statistics": told}), datetime.now(UTC))
    assert (drawn["task"], drawn["statistics"], drawn["scores"]) == ("Statistics", told, ())
    assert (drawn["wanted"], drawn["status"]["target"]) == (1, 1)


def test_before_a_run_the_spec_says_what_it_will_be() -> None:
    drawn = view(seen({}), datetime.now(UTC))
    assert drawn["task"] == "Statistics"
    assert view(seen({}, task="Training"), datetime.now(UTC))["task"] == "Training"


def test_hospitals_at_work_are_asked_for_statistics() -> None:
    training = COMPLETE | {"phase": "Training", "connected": 2, "quorum": 2, "round": 0}
    assert face(seen(training)).sentence == "2 hospitals asked for statistics."
