"""A federation's status on a cluster: what is shown, counted and kept, whoever the operator is."""

from dataclasses import replace
from typing import Any

import pytest

from builders import federation
from consilia.status import FederationStatus, HospitalStatus, Metrics, TrackingRun
from consilia_operator.grants import Admission
from consilia_operator.outcome import Reconciled, Refused
from consilia_operator.problems import Problem
from consilia_operator.status_view import desired_run, refused_status, status_of
from standings import (
    ALL_MUST,
    AUTHORITY,
    BUSY,
    KEPT,
    LATER,
    NO_BROKER,
    NO_NODE,
    NOT_GRANTED,
    NOW,
    SILENT,
    conditions,
    more,
    reconciled,
    restarted,
    said,
    without,
    written,
)

COLUMNS = ("phase", "round", "hospitalsReady")


@pytest.mark.parametrize(
    ("found", "coordinator", "shown"),
    [
        pytest.param(reconciled(), None, ("Pending", 0, "0/2"), id="pending"),
        pytest.param(reconciled(NOT_GRANTED, wish=ALL_MUST), None, ("Blocked", 0, "0/2"), id="blocked"),
        pytest.param(
            reconciled(), said("Registration", connected=1, round=0), ("Registration", 0, "1/2"), id="waiting"
        ),
        pytest.param(reconciled(), said(), ("Training", 2, "2/2"), id="training"),
        pytest.param(reconciled(), said("Stopping"), ("Stopping", 2, "2/2"), id="stopping"),
        pytest.param(reconciled(), said("Idle"), ("Idle", 2, "2/2"), id="idle"),
        pytest.param(reconciled(), said("Complete", round=3), ("Complete", 3, "2/2"), id="complete"),
    ],
)
def test_kubectl_get_shows_what_is_so_in_every_phase(
    found: Reconciled, coordinator: FederationStatus | None, shown: tuple[Any, ...]
) -> None:
    status = written(found, coordinator)
    assert tuple(status[name] for name in COLUMNS) == shown


def test_scores_are_shown_with_four_digits() -> None:
    status = written(reconciled(), said(metrics=Metrics(accuracy=0.947368, loss=0.1407777)))
    assert (status["metrics"]["accuracy"], status["metrics"]["loss"]) == (0.9474, 0.1408)


@pytest.mark.parametrize(
    ("found", "coordinator", "shown"),
    [
        pytest.param(reconciled(), said(), ("Training", None, None), id="at work"),
        pytest.param(
            reconciled(), said(hospitals=without()), ("Lost", None, "no sign of life"), id="lost, nobody knows why"
        ),
        pytest.param(
            reconciled(NOT_GRANTED), said(), ("Refused", "CohortNotGranted", NOT_GRANTED.message), id="not granted"
        ),
        pytest.param(reconciled(BUSY), said(), ("Pending", "CohortBusy", BUSY.message), id="its cohort is busy"),
        pytest.param(reconciled(KEPT), said(), ("Training", "StorageKept", KEPT.message), id="its claim is kept"),
        pytest.param(
            reconciled(KEPT, NO_NODE, KEPT),
            said(hospitals=without()),
            ("Lost", "Unschedulable", NO_NODE.message),
            id="the graver of two",
        ),
        pytest.param(
            reconciled(NO_NODE), said(hospitals=without()), ("Lost", "Unschedulable", NO_NODE.message), id="no node"
        ),
        pytest.param(
            reconciled(restarted("2026-11-24T11:00:00Z")), said(), ("Training", None, None), id="restarted and back"
        ),
        pytest.param(
            reconciled(restarted("2026-11-24T11:00:00Z")),
            said(hospitals=without(last_seen="2026-11-24T11:00:05.000Z")),
            ("Lost", "PodRestarted", "Pod south/s-0 restarted (OOMKilled)"),
            id="lost since its pod was restarted",
        ),
        pytest.param(
            reconciled(restarted("2026-11-24T11:00:00Z")),
            said(hospitals=without(last_seen="2026-11-24T11:00:05.001Z")),
            ("Lost", None, "no sign of life"),
            id="heard of since its pod was restarted",
        ),
        pytest.param(
            reconciled(restarted("2026-11-24T11:00:00Z")),
            said(hospitals=without(phase="Pending", reason=None)),
            ("Pending", "PodRestarted", "Pod south/s-0 restarted (OOMKilled)"),
            id="restarted before it was ever heard of",
        ),
    ],
)
def test_a_hospital_shows_what_is_wrong_with_it(
    found: Reconciled, coordinator: FederationStatus, shown: tuple[str, str | None, str | None]
) -> None:
    hospitals = {each["name"]: each for each in written(found, coordinator)["hospitals"]}
    south = hospitals["south"]
    assert (south["phase"], south.get("problem"), south.get("reason")) == shown
    assert "lastSeen" not in south, "a sign of life would cost an idle federation writes"


def test_who_was_there_before_the_coordinator_fell_silent_may_be_gone_since() -> None:
    status = written(reconciled(restarted("2026-11-24T11:00:00Z")), said(), SILENT)
    assert {each["name"]: each.get("problem") for each in status["hospitals"]} == {
        "north": None,
        "south": "PodRestarted",
    }


def test_those_who_need_somebody_come_first_and_all_are_counted() -> None:
    names = tuple(f"h{number:03}" for number in range(140))
    seen = [HospitalStatus(name=name, phase="Ready") for name in names[:-2]]
    seen += [HospitalStatus(name=names[-2], phase="Lost"), HospitalStatus(name=names[-1], phase="Sent")]
    problem = Problem("hospital-h100", "h100", "Crashing", "ends")
    found = Reconciled(federation(names), {"metadata": {}}, Admission(), [problem], AUTHORITY)
    status = written(found, said(hospitals=seen, connected=139))
    assert len(status["hospitals"]) == 100
    assert [each["name"] for each in status["hospitals"][:4]] == ["h100", names[-2], names[-1], "h000"]
    assert status["hospitalCounts"] == {"pending": 0, "ready": 138, "training": 0, "sent": 1, "lost": 1, "refused": 0}
    assert status["hospitalsReady"] == "139/140"


def test_what_stays_the_same_is_written_the_same() -> None:
    first = written(reconciled(NO_NODE), said())
    assert status_of(reconciled(NO_NODE), said(), None, 7, LATER, first) == first


def test_a_new_operator_keeps_what_was_written_until_it_hears_of_the_coordinator() -> None:
    first = written(reconciled(), said(metrics=Metrics(accuracy=0.9)))
    stored = {name: value for name, value in first.items() if value is not None}
    assert status_of(reconciled(status=stored), None, None, 7, LATER) == first


def test_a_coordinator_that_was_silent_is_so_for_a_new_operator_until_it_is_heard_of() -> None:
    silent = written(reconciled(), said(), SILENT)
    for coordinator, reason in ((None, "CoordinatorSilent"), (said(), "Running")):
        status = status_of(reconciled(), coordinator, None, 7, LATER, silent)
        assert {each["type"]: each["reason"] for each in status["conditions"]}["Ready"] == reason


@pytest.mark.parametrize(
    ("found", "coordinator"),
    [
        pytest.param(reconciled(NOT_GRANTED, wish=ALL_MUST), said("Registration", round=0), id="not granted"),
        pytest.param(reconciled(NO_BROKER), said("Registration", round=0), id="no broker"),
    ],
)
def test_a_new_operator_takes_back_what_an_earlier_one_had_added_and_is_over(
    found: Reconciled, coordinator: FederationStatus
) -> None:
    blocked = written(found, coordinator)
    assert blocked["phase"] == "Blocked"
    status = status_of(reconciled(wish=found.federation), None, None, 7, LATER, blocked)
    assert (status["phase"], status["run"]) == ("Pending", 1)
    assert status["problems"] == []
    assert not any(each.get("problem") or each.get("reason") for each in status["hospitals"])


def test_a_new_operator_leaves_a_coordinators_own_blocked_as_it_is() -> None:
    refused = said("Blocked", hospitals=without(phase="Refused", reason="one class"))
    first = written(reconciled(wish=ALL_MUST), refused)
    status = status_of(reconciled(wish=ALL_MUST), None, None, 7, LATER, first)
    assert (status["phase"], status["message"]) == (first["phase"], first["message"])


def test_a_status_of_another_version_is_read_as_far_as_it_can_be() -> None:
    before = {"run": 4, "round": 3, "phase": "Dreaming", "hospitals": [{"name": "north", "mood": "fine"}], "extra": 1}
    status = status_of(reconciled(), None, None, 7, NOW, before)
    assert (status["run"], status["round"], status["phase"]) == (4, 3, "Pending")


def test_the_status_says_where_the_coordinator_answers_and_whom_to_trust_as_it() -> None:
    endpoints = written(reconciled(), said())["endpoints"]
    assert endpoints["coordinator"] == "https://breast-cancer-coordinator.default.svc:8443"
    assert endpoints["authority"] == AUTHORITY.decode()


@pytest.mark.parametrize(
    ("page", "link"),
    [
        pytest.param("http://localhost:5000", "http://localhost:5000/#/experiments/1/runs/r", id="a port forwarded"),
        pytest.param("https://mlflow.example/", "https://mlflow.example/#/experiments/1/runs/r", id="a name"),
        pytest.param(None, None, id="nowhere"),
    ],
)
def test_mlflow_is_named_where_a_browser_finds_it(page: str | None, link: str | None) -> None:
    run = TrackingRun(run_id="r", url="http://consilia-mlflow.consilia-system.svc:5000/#/experiments/1/runs/r")
    status = written(replace(reconciled(), mlflow_page=page), said(mlflow=run))
    assert (status["endpoints"]["mlflow"], status["mlflow"]["url"]) == (page, link)
    assert status["mlflow"]["runId"] == "r"


@pytest.mark.parametrize(
    ("wished", "ignored"),
    [
        pytest.param(None, None, id="none wished"),
        pytest.param(4, None, id="the current one"),
        pytest.param(5, None, id="a new one"),
        pytest.param(3, 3, id="one that is over"),
    ],
)
def test_a_run_that_is_over_is_said_to_be_ignored(wished: int | None, ignored: int | None) -> None:
    assert written(reconciled(wish=more(run=wished)), said(run=4))["ignoredRun"] == ignored


@pytest.mark.parametrize(
    ("wished", "reached", "run"),
    [
        pytest.param(None, None, 1, id="the first"),
        pytest.param(None, 3, 3, id="none wished"),
        pytest.param(4, 3, 4, id="a new one"),
        pytest.param(2, 3, 3, id="a lower one is ignored"),
    ],
)
def test_the_desired_run_never_goes_back(wished: int | None, reached: int | None, run: int) -> None:
    assert desired_run(reconciled(status={"run": reached}, wish=more(run=wished))) == run


INVALID = "quorum 9 is more than the 2 hospitals: lower spec.quorum or add a hospital"


def test_an_invalid_spec_blocks_with_its_sentence_and_loses_nothing_that_was_reached() -> None:
    before = written(reconciled(NO_NODE), said(metrics=Metrics(accuracy=0.9)))
    status = refused_status(Refused({"metadata": {"generation": 5}}, INVALID), NOW, before)
    assert (status["phase"], status["message"], status["observedGeneration"]) == ("Blocked", INVALID, 5)
    assert conditions(status)["Ready"] == ("False", "InvalidSpec", INVALID)
    kept = ("run", "round", "rounds", "metrics", "hospitals", "hospitalsReady", "told")
    assert {name: status[name] for name in kept} == {name: before[name] for name in kept}


def test_an_invalid_spec_from_the_start_says_so() -> None:
    status = refused_status(Refused({"metadata": {"generation": 1}}, INVALID), NOW)
    assert (status["phase"], status["run"]) == ("Blocked", 0)
    assert list(conditions(status)) == ["Ready"]


def test_once_the_spec_is_valid_again_the_federation_goes_on() -> None:
    invalid = refused_status(Refused({"metadata": {"generation": 5}}, INVALID), NOW, written(reconciled(), said()))
    assert written(reconciled(), None, None, invalid)["phase"] == "Pending"
    assert written(reconciled(), said(), None, invalid)["phase"] == "Training"
