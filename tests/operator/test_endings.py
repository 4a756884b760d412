"""How containers end: what is said of one that ends again and again, and when one that runs again is well."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consilia_operator.pods import pod_problems
from pod_manifests import LOG, OOM, POD, READY, START, again, crashing, pod


@pytest.mark.parametrize(
    ("found", "reason", "message"),
    [
        pytest.param(
            crashing(**OOM),
            "OutOfMemory",
            f"{POD} ends again and again: OOMKilled at its memory limit of 1Gi: raise the limit",
            id="out of memory",
        ),
        pytest.param(
            crashing(reason="Error", exitCode=2),
            "Crashing",
            f"{POD} ends again and again: Error, exit code 2: {LOG}",
            id="crashing",
        ),
        pytest.param(
            crashing(reason="Error", exitCode=2, message="starting\nCONSILIA_STATE is missing: set it.\n"),
            "Crashing",
            f"{POD} ends again and again: Error, exit code 2: CONSILIA_STATE is missing: set it: {LOG}",
            id="with its own last word",
        ),
        pytest.param(crashing(), "Crashing", f"{POD} ends again and again: {LOG}", id="nobody knows how"),
        pytest.param(
            again(**OOM),
            "PodRestarted",
            f"{POD} restarted (OOMKilled at its memory limit of 1Gi: raise the limit)",
            id="restarted once",
        ),
        pytest.param(
            again(restarts=2, **OOM),
            "OutOfMemory",
            f"{POD} ends again and again: OOMKilled at its memory limit of 1Gi: raise the limit",
            id="restarted again, running",
        ),
        pytest.param(
            pod(containerStatuses=[{"name": "hospital", "state": {"terminated": {"reason": "Error", "exitCode": 1}}}]),
            "PodRestarted",
            f"{POD} restarted (Error, exit code 1)",
            id="ended just now",
        ),
    ],
)
def test_a_container_that_ended_says_how_and_what_to_do(found: dict[str, Any], reason: str, message: str) -> None:
    (problem,) = pod_problems([found])
    assert (problem.reason, problem.message) == (reason, message)


@pytest.mark.parametrize(
    ("found", "seconds", "told"),
    [
        pytest.param(again("broker", None, exitCode=1), 59, True, id="running for a moment"),
        pytest.param(again("broker", None, exitCode=1), 60, False, id="running for long"),
        pytest.param(again("broker", None, ready=False, exitCode=1), 600, True, id="running and not ready"),
        pytest.param(again(exitCode=1), 600, True, id="a hospital, of which only the coordinator knows"),
    ],
)
def test_a_part_that_ended_is_well_once_it_has_run_for_a_while(found: dict[str, Any], seconds: int, told: bool) -> None:
    assert bool(pod_problems([found], now=START + timedelta(seconds=seconds))) is told


def test_a_part_that_ended_just_now_is_not_well_though_its_pod_still_says_ready() -> None:
    ended = {"name": "broker", "state": {"terminated": {"reason": "Error", "exitCode": 1}}}
    (problem,) = pod_problems([pod(None, "broker", containerStatuses=[ended], conditions=READY)])
    assert problem.reason == "PodRestarted"


def test_a_problem_of_a_container_that_runs_again_says_when_it_ended() -> None:
    (problem,) = pod_problems([again(exitCode=1)])
    assert problem.at == datetime(2026, 11, 24, 11, 59, 59, tzinfo=UTC)


def test_a_part_of_the_federation_itself_has_no_hospital() -> None:
    (problem,) = pod_problems([again("broker", None, ready=False, exitCode=1)])
    assert (problem.component, problem.hospital) == ("broker", None)
    assert problem.sentence == "broker: Pod north/f-broker-0 restarted (Error, exit code 1)"
