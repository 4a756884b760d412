"""Whether the budgets of a federation's cohorts allow its run: told early from specs and statuses, then by ledgers."""

import pytest

from consilia.status import FederationStatus
from consilia_operator.outcome import Reconciled
from standings import (
    ALL_MUST,
    LEDGER,
    MUST_BE_PRIVATE,
    NO_BUDGET,
    NORTH_NO_BUDGET,
    PRIVATE,
    SHORT,
    conditions,
    reconciled,
    said,
    without,
    written,
)


@pytest.mark.parametrize(
    ("found", "coordinator", "expected"),
    [
        pytest.param(
            reconciled(),
            None,
            ("True", "NotPrivate", "NON-PRIVATE: no budget is spent"),
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
    ],
)
def test_a_budget_is_told_early_and_then_as_its_ledger_tells(
    found: Reconciled, coordinator: FederationStatus | None, expected: tuple[str, str, str]
) -> None:
    assert conditions(written(found, coordinator))["PrivacyBudgetAvailable"] == expected
