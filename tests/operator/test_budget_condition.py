"""Whether the budgets of a federation's cohorts allow its run: told early from specs and statuses, then by ledgers."""

import pytest

from builders import cohort
from consilia.protocol import PrivacyTerms
from consilia.status import FederationStatus, PrivacyStatus
from consilia_operator.budgets import objection
from consilia_operator.outcome import Reconciled
from consilia_operator.reasons import Reason
from consilia_operator.status_view import status_of
from consilia_operator.transitions import transitions
from standings import (
    ALL_MUST,
    LATER,
    LEDGER,
    MUST_BE_PRIVATE,
    NO_BUDGET,
    NORTH_NO_BUDGET,
    PRIVATE,
    PRIVATE_OF_ALL,
    SHORT,
    conditions,
    reconciled,
    said,
    without,
    written,
)

SPENT = PrivacyStatus(epsilon=1.0, delta=1e-5, epsilon_spent=0.791234)
DECLINED = without(phase="Refused", problem="BudgetExceeded", reason="0.6 of 4 remains")
EXCEEDED = {"PrivacyBudgetAvailable": (False, "BudgetExceeded", "south: 0.6 of 4 remains")}
UNKNOWN = {"PrivacyBudgetAvailable": (None, "NotTried", "")}


@pytest.mark.parametrize(
    ("found", "coordinator", "expected"),
    [
        pytest.param(
            reconciled(),
            None,
            (
                "Unknown",
                "NotPrivate",
                "NON-PRIVATE: nothing is promised to patients, and nothing is drawn from a budget",
            ),
            id="no budget is asked for",
        ),
        pytest.param(
            reconciled(wish=PRIVATE),
            None,
            ("Unknown", "NotTried", "no hospital has looked at its ledger yet"),
            id="a budget that nobody has looked at",
        ),
        pytest.param(
            reconciled(wish=PRIVATE),
            said(kinds={"PrivacyBudgetAvailable": (True, "BudgetAvailable", "as it says")}),
            ("True", "BudgetAvailable", "as it says"),
            id="a budget is there, as the coordinator says",
        ),
        pytest.param(
            reconciled(NO_BUDGET, wish=PRIVATE),
            None,
            ("False", "BudgetExceeded", f"south: {NO_BUDGET.message}"),
            id="a cohort without a budget",
        ),
        pytest.param(
            reconciled(NO_BUDGET, wish=PRIVATE),
            said(kinds={"PrivacyBudgetAvailable": (False, "BudgetExceeded", "north: 0.6 of 4 remains")}),
            ("False", "BudgetExceeded", f"south: {NO_BUDGET.message}; north: 0.6 of 4 remains"),
            id="one here, and another that the coordinator tells of",
        ),
        pytest.param(
            reconciled(MUST_BE_PRIVATE),
            said(),
            ("False", "PrivacyRequired", f"south: {MUST_BE_PRIVATE.message}"),
            id="a hospital that allows private runs alone",
        ),
        pytest.param(
            reconciled(short=SHORT, wish=PRIVATE),
            None,
            ("False", "BudgetExceeded", f"south: {SHORT.message}"),
            id="too little was left when it was last seen",
        ),
        pytest.param(
            reconciled(short=SHORT, wish=PRIVATE),
            said(
                round=0,
                hospitals=without(phase="Ready", reason=None, ledger=LEDGER),
                kinds={"PrivacyBudgetAvailable": (True, "BudgetAvailable", "")},
            ),
            ("True", "BudgetAvailable", ""),
            id="enough is left, as its ledger tells now",
        ),
        pytest.param(
            reconciled(short=SHORT, wish=PRIVATE),
            said(kinds={"PrivacyBudgetAvailable": (True, "BudgetAvailable", "")}),
            ("True", "BudgetAvailable", ""),
            id="what the run itself has spent is not asked for again",
        ),
        pytest.param(
            reconciled(MUST_BE_PRIVATE, NORTH_NO_BUDGET, wish=ALL_MUST),
            said(),
            ("False", "BudgetExceeded", f"north: {NORTH_NO_BUDGET.message}; south: {MUST_BE_PRIVATE.message}"),
            id="several reasons against it",
        ),
        pytest.param(
            reconciled(short=SHORT, wish=PRIVATE),
            said(round=0, hospitals=without(phase="Refused", reason="one class"), kinds=UNKNOWN),
            ("Unknown", "NotTried", ""),
            id="whoever was refused for another reason has said so itself",
        ),
        pytest.param(
            reconciled(wish=PRIVATE),
            said(hospitals=DECLINED, kinds=EXCEEDED),
            ("False", "BudgetExceeded", "south: 0.6 of 4 remains"),
            id="declined by its ledger: once, as the coordinator says it",
        ),
    ],
)
def test_a_budget_is_told_early_and_then_as_its_ledger_tells(
    found: Reconciled, coordinator: FederationStatus | None, expected: tuple[str, str, str]
) -> None:
    assert conditions(written(found, coordinator))["PrivacyBudgetAvailable"] == expected


def test_what_a_ledger_declines_is_no_fault_of_the_data() -> None:
    status = written(reconciled(wish=PRIVATE), said(hospitals=DECLINED, kinds=EXCEEDED))
    told = conditions(status)
    assert told["DataAccepted"] == ("True", "AllAccepted", "")
    assert told["Degraded"] == ("True", "BudgetExceeded", "rounds go on with quorum 1; south: 0.6 of 4 remains")


def test_a_run_that_cannot_be_planned_fits_into_no_budget_and_troubles_nobody_else() -> None:
    terms = PrivacyTerms.of(PRIVATE.spec, "u", "n/f", 1)
    assert terms is not None
    impossible = terms.model_copy(update={"clip_norm": 1e-300})
    granting = cohort("north", budget={"epsilon": 4.0})
    found = objection(granting, impossible)
    assert found is not None
    assert found.reason == Reason.BUDGET_EXCEEDED
    assert objection(granting, terms) is None


def test_too_little_that_is_expected_blocks_a_run_that_needs_every_hospital() -> None:
    status = written(reconciled(short=SHORT, wish=PRIVATE_OF_ALL), None)
    assert (status["phase"], status["hospitals"][0]["problem"], status["hospitals"][0]["phase"]) == (
        "Blocked",
        "BudgetExceeded",
        "Pending",
    )
    assert status["message"] == f"the quorum of 2 cannot be reached: south: {SHORT.message}"


def test_a_new_operator_keeps_what_a_ledger_declined_until_it_hears_of_the_coordinator() -> None:
    first = written(reconciled(wish=PRIVATE), said(hospitals=DECLINED, kinds=EXCEEDED))
    again = status_of(reconciled(wish=PRIVATE), None, None, 7, LATER, first)
    assert again["hospitals"] == first["hospitals"]
    assert transitions(first, again) == []
    assert written(reconciled(wish=PRIVATE), said(), None, again)["hospitals"][0]["phase"] == "Training"


@pytest.mark.parametrize(
    ("found", "coordinator", "label"),
    [
        pytest.param(reconciled(), None, "NON-PRIVATE", id="not private, nobody was heard"),
        pytest.param(reconciled(), said(), "NON-PRIVATE", id="not private"),
        pytest.param(reconciled(wish=PRIVATE), None, "0", id="private, nobody was heard"),
        pytest.param(reconciled(wish=PRIVATE), said(privacy=SPENT), "0.7913", id="private, never too little"),
        pytest.param(reconciled(), said(privacy=SPENT), "0.7913", id="private still, whatever is wished next"),
        pytest.param(reconciled(wish=PRIVATE), said(), "NON-PRIVATE", id="not private yet, whatever is wished next"),
    ],
)
def test_kubectl_get_shows_what_the_run_has_cost_or_that_it_is_not_private(
    found: Reconciled, coordinator: FederationStatus | None, label: str
) -> None:
    assert written(found, coordinator)["privacyLabel"] == label
