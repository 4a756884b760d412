"""What a Cohort's status says of its ledger: forward only, kept when nobody uses it, and true of its present budget."""

from datetime import UTC, datetime
from typing import Any

import pytest

from builders import cohort_document, federation_document
from consilia.status import LedgerState
from consilia_operator.account import witness_of
from consilia_operator.cohort_view import cohort_status, differs

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BUDGET = {"epsilon": 4.0, "delta": 1e-5}
FIGURES = ("epsilonSpent", "epsilonRemaining", "budget", "ledger")


def head(digit: int) -> str:
    return str(digit) * 64


def ledger(sequence: int, spent: float = 1.0, remaining: float = 2.34567, digit: int = 1, **more: Any) -> LedgerState:
    return LedgerState(
        sequence=sequence,
        head=head(digit),
        spent=spent,
        remaining=remaining,
        **{"budget": BUDGET["epsilon"], "delta": BUDGET["delta"]} | more,
    )


def known(
    sequence: int, spent: float | None = 1.0, remaining: float | None = 2.34, digit: int = 1, **more: Any
) -> dict[str, Any]:
    """What a status says after :func:`ledger`."""
    figures = {"epsilonSpent": spent, "epsilonRemaining": remaining, "budget": BUDGET} | more
    return figures | {"ledger": {"sequence": sequence, "head": head(digit)}}


def cohort(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    document = cohort_document(**{"budget": BUDGET} | spec)
    document["metadata"] |= {"namespace": "default", "generation": 4}
    return document | ({"status": status} if status is not None else {})


def holder(state: LedgerState | None) -> dict[str, Any]:
    """The federation that uses the cohort, and what its status says of north's ledger."""
    document = federation_document(("north",))
    document["metadata"] |= {"namespace": "default"}
    seen = {"ledger": state.to_json()} if state is not None else {}
    return document | {"status": {"hospitals": [{"name": "north", "phase": "Training"} | seen]}}


def figures(found: dict[str, Any], used_by: dict[str, Any] | None, **told: Any) -> dict[str, Any]:
    status = cohort_status(found, used_by, NOW, **told)
    return {name: status[name] for name in FIGURES}


@pytest.mark.parametrize(
    ("before", "told", "after"),
    [
        pytest.param(None, ledger(0), known(0), id="the first"),
        pytest.param(known(3), ledger(4, 1.2, 2.2, 2), known(4, 1.2, 2.2, 2), id="the next"),
        pytest.param(known(3), ledger(9, 1.2, 2.2, 2), known(9, 1.2, 2.2, 2), id="one far ahead"),
        pytest.param(known(3), ledger(2, 0.8, 3.0, 2), known(3), id="one behind is not believed"),
        pytest.param(known(3), ledger(3, 0.8, 3.0, 2), known(3), id="nor another one of the same length"),
        pytest.param(known(3), ledger(3), known(3), id="the same again"),
        pytest.param(known(3), None, known(3), id="nothing is told"),
    ],
)
def test_what_was_seen_of_a_ledger_goes_forward_only(
    before: dict[str, Any] | None, told: LedgerState | None, after: dict[str, Any]
) -> None:
    assert figures(cohort(before), holder(told)) == after
    assert figures(cohort(before), holder(None), ledger=told) == after, "whichever way it is told"


def test_the_ledger_of_a_cohort_that_the_hospital_brought_before_is_not_this_ones() -> None:
    found = cohort()
    assert figures(found, holder(ledger(30, cohort="north/north-2023"))) == dict.fromkeys(FIGURES)
    assert figures(found, holder(ledger(30, cohort="north/north-2024")))["ledger"]["sequence"] == 30


def test_it_is_kept_when_nobody_uses_the_cohort_and_written_only_when_it_is_news() -> None:
    found = cohort(known(3))
    assert figures(found, None) == known(3)
    found["status"] |= {name: v for name, v in cohort_status(found, None, NOW).items() if v is not None}
    assert not differs(found, cohort_status(found, None, NOW))
    assert differs(found, cohort_status(found, holder(ledger(4, digit=2)), NOW))


@pytest.mark.parametrize(
    ("spec", "spent", "remaining"),
    [
        pytest.param({"budget": BUDGET}, 1.0, 2.34, id="the budget is the same"),
        pytest.param({"budget": BUDGET | {"epsilon": 8.0}}, 1.0, None, id="it was raised"),
        pytest.param({"budget": BUDGET | {"delta": 1e-6}}, None, None, id="it has another delta"),
        pytest.param({"budget": None}, 1.0, None, id="it was taken away"),
    ],
)
def test_of_what_remains_of_another_budget_nothing_is_said(
    spec: dict[str, Any], spent: float | None, remaining: float | None
) -> None:
    assert figures(cohort(known(3), **spec), None) == known(3, spent, remaining)


def test_a_budget_of_many_digits_is_known_again() -> None:
    figure = 3.14159265
    found = cohort(None, budget=BUDGET | {"epsilon": figure})
    status = cohort_status(found, holder(ledger(3, budget=figure)), NOW)
    assert cohort_status(found | {"status": status}, None, NOW)["epsilonRemaining"] == 2.34


def test_a_hospital_that_counts_for_the_budget_before_tells_what_is_spent_and_not_what_remains() -> None:
    raised = cohort(None, budget=BUDGET | {"epsilon": 8.0})
    assert figures(raised, holder(ledger(3))) == known(3, remaining=None)


def test_what_another_version_wrote_of_a_ledger_is_not_read() -> None:
    strange = holder(None)
    strange["status"]["hospitals"][0]["ledger"] = {"sequence": 9, "newfangled": True}
    assert figures(cohort(known(3)), strange) == known(3)


@pytest.mark.parametrize("used_by", [None, holder(ledger(4, 4.0, 0.0, 2))], ids=["at rest", "in use"])
def test_a_cohort_whose_budget_is_spent_is_not_ready(used_by: dict[str, Any] | None) -> None:
    found = cohort(known(4, 4.0, 0.0, 2))
    ready = next(each for each in cohort_status(found, used_by, NOW)["conditions"] if each["type"] == "Ready")
    assert (ready["status"], ready["reason"], ready["message"]) == (
        "False",
        "BudgetSpent",
        "budget spent: no further release is possible",
    )
    raised = cohort(known(4, 4.0, 0.0, 2), budget=BUDGET | {"epsilon": 8.0})
    assert "BudgetSpent" not in str(cohort_status(raised, used_by, NOW))


def test_a_run_that_asks_for_too_much_leaves_its_cohort_ready_for_another() -> None:
    asking = holder(None)
    asking["status"]["hospitals"][0] |= {"problem": "BudgetExceeded", "reason": "this run asks for too much"}
    ready = next(each for each in cohort_status(cohort(), asking, NOW)["conditions"] if each["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("True", "InUse")


def test_the_witness_is_what_the_status_says_and_none_where_it_says_nothing() -> None:
    witness = witness_of(cohort(known(3)))
    assert witness is not None
    assert (witness.sequence, witness.head) == (3, head(1))
    assert witness_of(cohort()) is None
