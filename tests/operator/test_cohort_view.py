"""Who uses a cohort, one federation at a time, and what the cohort's own status says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from builders import cohort_document, federation_document
from consilia_operator.cohort_view import active, cohort_status, differs, holders

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NORTH = ("default", "north-2024")
COMPLETE = {"run": 1, "rounds": 3, "state": "Idle", "conditions": [{"type": "Complete", "status": "True"}]}
IDLE = {"run": 1, "rounds": 3, "state": "Idle", "conditions": [{"type": "Complete", "status": "False"}]}
COLLECTING = {"run": 1, "rounds": 3, "state": "Collecting"}


def federation(
    name: str = "first", created: str = "2026-11-24T10:00:00Z", status: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    document = federation_document(("north",), **spec)
    document["metadata"] = {"namespace": "default", "name": name, "creationTimestamp": created}
    return document | ({"status": status} if status is not None else {})


def cohort(used_by: str | None = None, **spec: Any) -> dict[str, Any]:
    document = cohort_document(**spec)
    document["metadata"] |= {"namespace": "default", "generation": 4}
    return document | ({"status": {"inUseBy": used_by}} if used_by else {})


@pytest.mark.parametrize(
    ("found", "acts"),
    [
        pytest.param(federation(), True, id="just created"),
        pytest.param(federation(suspend=True), False, id="created suspended"),
        pytest.param(federation(status=COLLECTING), True, id="in a round"),
        pytest.param(federation(status=COLLECTING, suspend=True), True, id="stopping"),
        pytest.param(federation(status=IDLE, suspend=True), False, id="stopped"),
        pytest.param(federation(status=IDLE), True, id="about to go on"),
        pytest.param(federation(status=COMPLETE), False, id="complete"),
        pytest.param(federation(status=COMPLETE, run=1), False, id="complete, the run that is asked for"),
        pytest.param(federation(status=COMPLETE, run=2), True, id="another run wished"),
        pytest.param(federation(status=COMPLETE, rounds=4), True, id="more rounds wished"),
        pytest.param(federation(status=COMPLETE | {"private": True}, rounds=4), False, id="more than calibrated for"),
        pytest.param(federation(status=COMPLETE, run=2, suspend=True), False, id="another run wished, but suspended"),
    ],
)
def test_a_federation_is_active_while_a_run_is_wanted_or_goes_on(found: dict[str, Any], acts: bool) -> None:
    assert active(found) is acts


YOUNG, OLD = "2026-11-24T11:00:00Z", "2026-11-24T09:00:00Z"
INVALID = {"quorum": 9}


@pytest.mark.parametrize(
    ("found", "federations", "holder"),
    [
        pytest.param(cohort(), [federation("a")], "a", id="alone"),
        pytest.param(cohort(), [federation("a", YOUNG), federation("b", OLD)], "b", id="the oldest"),
        pytest.param(cohort(), [federation("b", OLD), federation("a", OLD)], "a", id="of one age: by name"),
        pytest.param(
            cohort("default/a"), [federation("a", YOUNG), federation("b", OLD)], "a", id="who has it keeps it"
        ),
        pytest.param(
            cohort("default/a"),
            [federation("a", YOUNG, COMPLETE), federation("b", OLD)],
            "b",
            id="until its run is complete",
        ),
        pytest.param(
            cohort("default/a"),
            [federation("a", YOUNG, IDLE, suspend=True), federation("b", OLD)],
            "b",
            id="or suspended",
        ),
        pytest.param(
            cohort("default/a"),
            [federation("a", YOUNG, COMPLETE), federation("b", OLD, COMPLETE)],
            "a",
            id="at rest it stays with whoever used it last",
        ),
        pytest.param(cohort("default/gone"), [federation("a")], "a", id="its user was deleted"),
        pytest.param(
            cohort("default/a"),
            [federation("a") | {"metadata": federation("a")["metadata"] | {"deletionTimestamp": YOUNG}}],
            None,
            id="its user is being deleted",
        ),
        pytest.param(cohort("default/a", grants=[]), [federation("a")], None, id="the grant was withdrawn"),
        pytest.param(cohort(hospital="south"), [federation("a")], None, id="of another hospital"),
        pytest.param(cohort(engine="abacus"), [federation("a")], None, id="an invalid cohort"),
        pytest.param(cohort(allowNonPrivate=False), [federation("a")], None, id="of a hospital that wants privacy"),
        pytest.param(cohort(), [federation("a", **INVALID)], None, id="an invalid spec gets nothing"),
        pytest.param(
            cohort("default/a"),
            [federation("a", YOUNG, COLLECTING, **INVALID), federation("b", OLD)],
            "a",
            id="an invalid spec keeps what its agents still use",
        ),
    ],
)
def test_a_cohort_is_used_by_one_federation_at_a_time(
    found: dict[str, Any], federations: list[dict[str, Any]], holder: str | None
) -> None:
    expected = {} if holder is None else {NORTH: ("default", holder)}
    assert holders({NORTH: found}, federations) == expected
    assert holders({NORTH: found}, reversed(federations)) == expected


def test_a_cohort_that_is_not_there_is_used_by_nobody() -> None:
    assert holders({}, [federation()]) == {}


def seen(**hospital: Any) -> dict[str, Any]:
    return federation(status={"hospitals": [{"name": "north", **hospital}]})


def told(found: dict[str, Any], holder: dict[str, Any] | None) -> dict[str, tuple[str, str, str]]:
    conditions = cohort_status(found, holder, NOW)["conditions"]
    return {each["type"]: (each["status"], each["reason"], each["message"]) for each in conditions}


def known(status: str, reason: str, message: str = "") -> dict[str, Any]:
    condition = {"type": "DataAccepted", "status": status, "reason": reason, "message": message}
    return cohort() | {"status": {"conditions": [condition]}}


UNTRIED = ("Unknown", "NotTried", "no federation has read these data yet")
USES = ("True", "InUse", "federation default/first uses it")


@pytest.mark.parametrize(
    ("found", "holder", "data", "ready"),
    [
        pytest.param(cohort(), None, UNTRIED, ("True", "Available", ""), id="fresh"),
        pytest.param(cohort(), federation(), UNTRIED, USES, id="used, nothing known yet"),
        pytest.param(cohort(), seen(phase="Ready"), UNTRIED, USES, id="joined"),
        pytest.param(cohort(), seen(phase="Training"), ("True", "DataAccepted", ""), USES, id="at work"),
        pytest.param(cohort(), seen(phase="Ready", round=3), ("True", "DataAccepted", ""), USES, id="has worked"),
        pytest.param(
            cohort(),
            seen(phase="Refused", reason='column "age" is missing'),
            ("False", "DataRefused", 'column "age" is missing'),
            ("False", "DataRefused", 'column "age" is missing'),
            id="its data are refused",
        ),
        pytest.param(
            known("True", "DataAccepted"),
            seen(phase="Refused", problem="LedgerDamaged", reason="line 3 is torn"),
            ("True", "DataAccepted", ""),
            ("False", "LedgerDamaged", "line 3 is torn"),
            id="its ledger is damaged",
        ),
        pytest.param(
            known("True", "DataAccepted"),
            seen(phase="Refused", problem="SourceUnavailable", reason="db does not answer"),
            ("Unknown", "SourceUnavailable", "db does not answer"),
            ("False", "SourceUnavailable", "db does not answer"),
            id="its source is away",
        ),
        pytest.param(
            cohort(),
            seen(phase="Pending", problem="Unschedulable", reason="no node"),
            UNTRIED,
            ("False", "Unschedulable", "no node"),
            id="its agent cannot run",
        ),
        pytest.param(
            known("True", "DataAccepted"), None, ("True", "DataAccepted", ""), ("True", "Available", ""), id="at rest"
        ),
        pytest.param(
            known("False", "DataRefused", "one class"),
            None,
            ("False", "DataRefused", "one class"),
            ("False", "DataRefused", "one class"),
            id="refused by the last who tried",
        ),
        pytest.param(
            cohort(engine="abacus"),
            None,
            UNTRIED,
            ("False", "InvalidSpec", "spec.engine is \"abacus\"; it must be 'sklearn' or 'spark'"),
            id="invalid",
        ),
    ],
)
def test_a_cohort_says_whether_it_can_be_used_and_its_data_were_accepted(
    found: dict[str, Any],
    holder: dict[str, Any] | None,
    data: tuple[str, str, str],
    ready: tuple[str, str, str],
) -> None:
    assert told(found, holder) == {"DataAccepted": data, "Ready": ready}


def test_a_cohort_names_who_uses_it_and_of_which_generation_it_speaks() -> None:
    status = cohort_status(cohort(), federation(), NOW)
    assert (status["inUseBy"], status["observedGeneration"]) == ("default/first", 4)
    assert {each["observedGeneration"] for each in status["conditions"]} == {4}
    assert cohort_status(cohort("default/first"), None, NOW)["inUseBy"] is None, "null: the old value goes"


def test_a_status_that_says_nothing_new_is_not_written_again() -> None:
    found = cohort()
    status = cohort_status(found, federation(), NOW)
    assert differs(found, status)
    found["status"] = {name: value for name, value in status.items() if value is not None}
    later = cohort_status(found, federation(), NOW + timedelta(hours=1))
    assert not differs(found, later)
    assert differs(found, cohort_status(found, None, NOW))
