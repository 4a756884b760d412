"""Which cohorts a federation may use, and the sentence for every one that it may not."""

from typing import Any

import pytest

from builders import cohort_document, federation
from consilia.spec import Federation
from consilia_operator.grants import admit

NORTH, SOUTH = ("default", "north-2024"), ("default", "south-2024")
OWN = ("default", "breast-cancer")


def cohort(hospital: str = "north", **spec: Any) -> dict[str, Any]:
    document = cohort_document(hospital, **spec)
    document["metadata"] |= {"namespace": "default"}
    return document


def asking() -> Federation:
    return federation(("north",))


def test_a_cohort_that_is_granted_may_be_used() -> None:
    admission = admit(asking(), {NORTH: cohort()})
    assert admission.problems == {}
    assert admission.cohorts["north"].key == NORTH


@pytest.mark.parametrize(
    ("found", "holders", "reason", "message"),
    [
        pytest.param(
            {},
            {},
            "CohortMissing",
            "Cohort default/north-2024 does not exist: ask the hospital to create it, or correct the name",
            id="missing",
        ),
        pytest.param(
            {NORTH: cohort(engine="abacus")},
            {},
            "CohortInvalid",
            "Cohort default/north-2024 is not valid: spec.engine is \"abacus\"; it must be 'sklearn'",
            id="invalid",
        ),
        pytest.param(
            {NORTH: cohort(hospital="north") | {"spec": cohort("south")["spec"]}},
            {},
            "CohortOfAnotherHospital",
            'Cohort default/north-2024 belongs to hospital "south": name that hospital, or another cohort',
            id="of another hospital",
        ),
        pytest.param(
            {NORTH: cohort(grants=[])},
            {},
            "CohortNotGranted",
            "Cohort default/north-2024 is not granted to federation default/breast-cancer: ask the hospital to add it "
            "to the cohort's spec.grants",
            id="not granted",
        ),
        pytest.param(
            {NORTH: cohort()},
            {NORTH: ("elsewhere", "other")},
            "CohortBusy",
            "Cohort default/north-2024 is used by federation elsewhere/other: it is free when that run is complete or "
            "suspended",
            id="busy",
        ),
    ],
)
def test_a_cohort_that_may_not_be_used_is_said_with_its_name_and_the_remedy(
    found: dict[tuple[str, str], Any], holders: dict[tuple[str, str], tuple[str, str]], reason: str, message: str
) -> None:
    admission = admit(asking(), found, holders)
    assert admission.cohorts == {}
    problem = admission.problems["north"]
    assert (problem.component, problem.hospital, problem.reason) == ("hospital-north", "north", reason)
    assert problem.message == message


def test_an_item_of_a_list_comes_without_its_kind() -> None:
    item = {name: part for name, part in cohort().items() if name in ("metadata", "spec")}
    assert list(admit(asking(), {NORTH: item}).cohorts) == ["north"]


def test_each_hospital_is_looked_at_for_itself() -> None:
    admission = admit(federation(), {SOUTH: cohort("south", shard=1)}, {SOUTH: OWN})
    assert list(admission.cohorts) == ["south"]
    assert list(admission.problems) == ["north"]
