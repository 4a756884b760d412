"""Which cohorts a federation may use, and the sentence for every one that it may not."""

from typing import Any

import pytest

from builders import cohort_document, federation, federation_document
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
    "source",
    [
        pytest.param({"csv": {"path": "biopsies.csv", "claim": "exports"}}, id="files of a claim"),
        pytest.param({"parquet": {"path": "s3://clinic/rows"}}, id="an object store"),
        pytest.param({"omop": {"url": "postgresql://db.example/cdm"}}, id="a server"),
    ],
)
def test_data_that_a_pod_can_see_need_nothing_more(source: dict[str, Any]) -> None:
    assert admit(asking(), {NORTH: cohort(source=source)}).problems == {}


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
            "Cohort default/north-2024 is not valid: spec.engine is \"abacus\"; it must be 'sklearn' or 'spark'",
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
            {NORTH: cohort(source={"csv": {"path": "biopsies.csv"}})},
            {},
            "ClaimUnnamed",
            "Cohort default/north-2024 reads files, and names no claim that holds them: set spec.source.csv.claim to a "
            "PersistentVolumeClaim of namespace default",
            id="files of no claim",
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


BUDGET = {"epsilon": 4.0}
PRIVATE = {
    "privacy": {"epsilon": 1},
    "features": federation_document()["spec"]["features"] | {"nominalRows": 400},
}


def private(epsilon: float = 1, run: int | None = None, **privacy: Any) -> Federation:
    return federation(("north",), **PRIVATE | {"privacy": {"epsilon": epsilon, **privacy}, "run": run})


@pytest.mark.parametrize(
    ("wished", "spec", "reason", "said"),
    [
        pytest.param(
            private(),
            {},
            "BudgetExceeded",
            " has no budget, and so takes part in no private run: have the hospital give its Cohort a spec.budget "
            "(epsilon and delta, for the patients' whole life), or leave it out",
            id="no budget",
        ),
        pytest.param(
            private(run=3),
            {"budget": BUDGET | {"perRun": 0.5}},
            "BudgetExceeded",
            " lets one run ask for epsilon 0.5 at most, at delta 1e-5 (budget.perRun), and run 3 of federation "
            "default/breast-cancer asks for epsilon 1 at delta 1e-5: lower privacy.epsilon to 0.5",
            id="more than one run may",
        ),
        pytest.param(
            private(5),
            {"budget": BUDGET},
            "BudgetExceeded",
            ": this run asks for epsilon 5, 4 of 4 remains; ask the hospital, or lower spec.privacy.epsilon to 4",
            id="more than the whole budget",
        ),
        pytest.param(
            private(4, delta=1e-3),
            {"budget": BUDGET},
            "BudgetExceeded",
            ": this run asks for epsilon 4 at delta 0.001, 4 of 4 at delta 1e-5 remains; ask the hospital",
            id="more, at the budget's delta",
        ),
        pytest.param(
            federation(("north",)),
            {"budget": BUDGET, "allowNonPrivate": False},
            "PrivacyRequired",
            " takes part in no NON-PRIVATE run, which privacy.epsilon 0 asks for: set it above 0, or have the hospital "
            "set allowNonPrivate: true",
            id="NON-PRIVATE",
        ),
    ],
)
def test_what_a_cohorts_spec_rules_out_is_said_before_anything_is_made(
    wished: Federation, spec: dict[str, Any], reason: str, said: str
) -> None:
    admission = admit(wished, {NORTH: cohort(**spec)})
    assert (admission.cohorts, admission.short) == ({}, {})
    assert (admission.problems["north"].reason, admission.problems["north"].message) == (
        reason,
        f"Cohort default/north-2024{said}",
    )


@pytest.mark.parametrize(
    ("wished", "spec"),
    [
        pytest.param(private(4), {"budget": BUDGET}, id="as much as the whole budget"),
        pytest.param(private(4.2, delta=1e-7), {"budget": BUDGET}, id="no more than it at its delta"),
        pytest.param(private(), {"budget": BUDGET | {"perRun": 1.0}}, id="as much as one run may"),
        pytest.param(private(), {"budget": BUDGET, "allowNonPrivate": False}, id="private, as it must be"),
        pytest.param(federation(("north",)), {}, id="NON-PRIVATE, as it may be"),
    ],
)
def test_what_a_cohorts_spec_allows_is_admitted(wished: Federation, spec: dict[str, Any]) -> None:
    assert list(admit(wished, {NORTH: cohort(**spec)}).cohorts) == ["north"]


COLLECTING = {"run": 1, "state": "Collecting"}


@pytest.mark.parametrize(
    ("status", "admitted"),
    [
        pytest.param(COLLECTING | {"privacy": {"epsilon": 1.0}}, True, id="a private run is under way"),
        pytest.param(COLLECTING, False, id="the run under way is NON-PRIVATE as well"),
        pytest.param({"run": 1, "state": "Idle", "privacy": {"epsilon": 1.0}}, False, id="it is over"),
        pytest.param({}, False, id="none has begun"),
    ],
)
def test_a_run_under_way_ends_as_it_began_whatever_the_spec_asks_for_next(
    status: dict[str, Any], admitted: bool
) -> None:
    found = {NORTH: cohort(budget=BUDGET, allowNonPrivate=False)}
    assert bool(admit(federation(("north",)), found, status=status).cohorts) is admitted


def told(remaining: float, epsilon: float = 4.0, delta: float = 1e-5) -> dict[str, Any]:
    return {"epsilonRemaining": remaining, "budget": {"epsilon": epsilon, "delta": delta}}


@pytest.mark.parametrize(
    ("wished", "status", "said"),
    [
        pytest.param(
            private(),
            told(0.6),
            ": this run asks for epsilon 1, 0.6 of 4 remains; ask the hospital, or lower spec.privacy.epsilon to 0.6",
            id="less",
        ),
        pytest.param(
            private(), told(0.0), ": this run asks for epsilon 1, 0 of 4 remains; ask the hospital", id="nothing"
        ),
        pytest.param(private(), told(1.0), None, id="just as much"),
        pytest.param(private(0.605), told(0.6), None, id="perhaps as much, as it is rounded"),
        pytest.param(private(), told(0.6, epsilon=2.0), None, id="of a budget that was raised since"),
        pytest.param(private(), told(0.6, delta=1e-6), None, id="of a budget at another delta"),
        pytest.param(private(mechanism="Laplace"), told(0.6), None, id="of other noise"),
        pytest.param(federation(("north",)), told(0.0), None, id="nothing is asked for"),
        pytest.param(private(), {}, None, id="nobody knows"),
    ],
)
def test_what_its_status_knows_of_a_ledger_is_told_and_the_ledger_is_asked_all_the_same(
    wished: Federation, status: dict[str, Any], said: str | None
) -> None:
    admission = admit(wished, {NORTH: cohort(budget=BUDGET) | {"status": status}})
    assert list(admission.cohorts) == ["north"]
    expected = {} if said is None else {"north": ("BudgetExceeded", f"Cohort default/north-2024{said}")}
    assert {name: (each.reason, each.message) for name, each in admission.short.items()} == expected


def test_an_item_of_a_list_comes_without_its_kind() -> None:
    item = {name: part for name, part in cohort().items() if name in ("metadata", "spec")}
    assert list(admit(asking(), {NORTH: item}).cohorts) == ["north"]


def test_each_hospital_is_looked_at_for_itself() -> None:
    admission = admit(federation(), {SOUTH: cohort("south", shard=1)}, {SOUTH: OWN})
    assert list(admission.cohorts) == ["south"]
    assert list(admission.problems) == ["north"]
