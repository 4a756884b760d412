"""The status of a private run: what it promises, has cost and leaves, and who has no budget for it."""

from dataclasses import replace

import pytest

from builders import AT, HOSPITALS, START, accepted, answered, committed, federation_spec, ordered, private_spec
from consilia.journal import History, UpdateReceived
from consilia.protocol import Problem
from consilia.rounds import Run, State
from consilia.status import Condition, HospitalMetrics, HospitalStatus, LedgerState, MetricErrors
from consilia_coordinator.roster import Roster
from consilia_coordinator.status_view import Facts, federation_status, newest_scores

DIGEST = "ab" * 32


def ledger(sequence: int, run_spent: float = 0.0, **fields: float | bool | str) -> LedgerState:
    told = {"spent": 1.0, "remaining": 3.0, "budget": 4.0, "delta": 1e-5, "run_replacing": 2.1 * run_spent}
    return LedgerState.model_validate({"sequence": sequence, "head": DIGEST, "run_spent": run_spent} | told | fields)


def facts(*told: LedgerState | None, joined: LedgerState | None = None, epsilon: float = 1.0) -> Facts:
    """A run whose hospitals answered with these ledgers; the first of them said ``joined`` when it joined."""
    history = History()
    history.add([accepted(spec=private_spec(epsilon=epsilon)), ordered(1)])
    history.add([answered(name, ledger=one) for name, one in zip(HOSPITALS, told, strict=False)])
    roster = Roster()
    for name in HOSPITALS:
        roster.hear(name, 0.0, START)
        roster.join(name, f"{name}@localhost/1", "i", "sklearn", joined if name == HOSPITALS[0] else None)
    names = frozenset(HOSPITALS)
    run = Run(State.REGISTRATION, number=1, target=3, quorum=2, hospitals=names, joined=names, suspended=False)
    return Facts(history, run, roster)


def first(found: Facts) -> HospitalStatus:
    return federation_status(found).hospitals[0]


def budget_of(found: Facts) -> Condition:
    (condition,) = (each for each in federation_status(found).conditions if each.type == "PrivacyBudgetAvailable")
    return condition


def test_the_run_has_cost_what_it_cost_where_it_cost_most() -> None:
    privacy = federation_status(facts(ledger(5, 0.25), ledger(9, 0.5))).privacy
    assert privacy is not None
    assert (privacy.epsilon, privacy.delta) == (1.0, 1e-5)
    assert (privacy.epsilon_spent, privacy.epsilon_replace_one) == (0.5, 1.05)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param([], None, id="nobody has answered"),
        pytest.param([ledger(1), ledger(2)], "noised", id="noised"),
        pytest.param([ledger(1, exact=True), ledger(2, exact=True)], "exact", id="exact"),
        pytest.param([ledger(1, exact=True), ledger(2)], "mixed", id="mixed"),
    ],
)
def test_how_scores_on_holdouts_leave_is_told(told: list[LedgerState], expected: str | None) -> None:
    privacy = federation_status(facts(*told)).privacy
    assert privacy is not None
    assert privacy.holdout == expected


def test_a_ledger_is_shown_from_when_its_hospital_joined_and_tells_of_this_run_only_what_was_spent_in_it() -> None:
    before = ledger(7, 0.9)
    seen = first(facts(joined=before))
    assert seen.ledger == before.model_copy(update={"run_spent": 0.0, "run_replacing": 0.0})
    privacy = federation_status(facts(joined=before)).privacy
    assert privacy is not None
    assert privacy.epsilon_spent == 0


@pytest.mark.parametrize(
    ("answer", "joined", "expected"),
    [
        pytest.param(ledger(8, 0.25), ledger(7), 8, id="an answer after it joined"),
        pytest.param(ledger(8, 0.25), ledger(9, 0.5), 9, id="joined again, after an answer that was lost"),
    ],
)
def test_the_newer_of_two_ledgers_is_shown(answer: LedgerState, joined: LedgerState, expected: int) -> None:
    shown = first(facts(answer, joined=joined)).ledger
    assert shown is not None
    assert shown.sequence == expected
    assert shown.run_spent > 0


def test_of_two_that_end_with_the_same_entry_the_process_that_is_there_knows_the_budget() -> None:
    shown = first(facts(ledger(8), joined=ledger(8, budget=9.0))).ledger
    assert shown is not None
    assert shown.budget == 9.0


def test_what_a_late_answer_says_that_this_run_has_cost_is_counted_to_it() -> None:
    status = federation_status(facts(None, joined=ledger(5, 0.7, run=1)))
    assert status.privacy is not None
    assert status.privacy.epsilon_spent == 0.7


def test_the_ledger_of_another_cohort_than_the_hospital_brings_is_not_shown() -> None:
    assert first(facts(None, joined=ledger(5, cohort="north/north-2023"))).ledger is None
    assert first(facts(None, joined=ledger(5, cohort="north/north-2024"))).ledger is not None


def test_what_the_run_before_cost_is_not_counted_to_a_new_run() -> None:
    found = facts(ledger(5, 0.9))
    found.history.add([accepted(2, private_spec())])
    status = federation_status(replace(found, run=replace(found.run, number=2)))
    assert status.privacy is not None
    assert status.privacy.epsilon_spent == 0
    assert status.hospitals[0].ledger is not None
    assert (status.hospitals[0].ledger.sequence, status.hospitals[0].ledger.run_spent) == (5, 0)


def refused(*problems: Problem | None) -> Facts:
    found = facts()
    for name, problem in zip(HOSPITALS, problems, strict=False):
        member = found.roster.member(name)
        member.refusal, member.problem = f"a sentence about {problem}", problem
    return found


@pytest.mark.parametrize(
    ("found", "status", "reason", "message"),
    [
        pytest.param(facts(), "True", "BudgetAvailable", "", id="nobody refuses"),
        pytest.param(refused(None), "True", "BudgetAvailable", "", id="only data are refused"),
        pytest.param(refused("SourceUnavailable"), "True", "BudgetAvailable", "", id="only a source is away"),
        pytest.param(
            refused("BudgetExceeded"), "False", "BudgetExceeded", "north: a sentence about BudgetExceeded", id="budget"
        ),
        pytest.param(
            refused("CohortBusy", "LedgerDamaged"),
            "False",
            "LedgerDamaged",
            "north: a sentence about CohortBusy; south: a sentence about LedgerDamaged",
            id="two, the worse one first",
        ),
        pytest.param(
            Facts(facts().history, Run(number=1), Roster()),
            "Unknown",
            "NotTried",
            "no hospital has looked at its ledger yet",
            id="nobody came",
        ),
    ],
)
def test_whether_the_budgets_are_enough_is_a_condition(found: Facts, status: str, reason: str, message: str) -> None:
    condition = budget_of(found)
    assert (condition.status, condition.reason, condition.message) == (status, reason, message)


def test_a_refusal_for_the_budget_is_none_of_data_and_the_hospital_says_what_it_is_about() -> None:
    status = federation_status(refused("BudgetExceeded"))
    (data,) = (each for each in status.conditions if each.type == "DataAccepted")
    assert data.status == "True"
    seen = status.hospitals[0]
    assert (seen.phase, seen.problem, seen.reason) == ("Refused", "BudgetExceeded", "a sentence about BudgetExceeded")


def test_a_hospital_that_joins_again_is_refused_no_longer() -> None:
    found = refused("BudgetExceeded")
    found.roster.join("north", "north@localhost/2", "j", "sklearn")
    assert budget_of(found).status == "True"


def test_without_noise_nothing_is_promised_and_it_says_so() -> None:
    history = History()
    history.add([accepted(spec=federation_spec())])
    found = Facts(history, Run(number=1), Roster())
    status = federation_status(found)
    assert (status.private, status.privacy) == (False, None)
    condition = budget_of(found)
    assert (condition.status, condition.reason) == ("Unknown", "NotPrivate")
    assert condition.message.startswith("NON-PRIVATE: ")


def test_scores_that_are_all_hidden_are_still_the_newest_and_are_named() -> None:
    hidden = HospitalMetrics(hidden=["accuracy", "loss", "precision", "recall"])
    found = facts()
    for number in (1, 2):
        found.history.add([ordered(number), *(answered(name) for name in HOSPITALS), committed(number)])
    found.history.add([ordered(2, "evaluate"), *(evaluated(name, hidden) for name in HOSPITALS)])
    found.history.add([committed(2, "evaluate")])
    seen = first(found)
    assert (seen.round, seen.hidden, seen.accuracy) == (2, hidden.hidden, None)
    assert newest_scores(found.history.runs[1], "nobody") is None


def test_scores_come_with_their_error_bars() -> None:
    scored = HospitalMetrics(accuracy=0.9, errors=MetricErrors(accuracy=0.04), hidden=["loss", "precision", "recall"])
    found = facts()
    found.history.add([*(answered(name) for name in HOSPITALS), committed(1), ordered(1, "evaluate")])
    found.history.add([*(evaluated(name, scored) for name in HOSPITALS), committed(1, "evaluate")])
    seen = first(found)
    assert (seen.accuracy, seen.errors) == (0.9, MetricErrors(accuracy=0.04))


def evaluated(hospital: str, scores: HospitalMetrics) -> UpdateReceived:
    return UpdateReceived(at=AT, run=1, hospital=hospital, metrics=scores, ledger=ledger(9, 1.0))


def test_a_record_tells_what_the_run_had_cost_and_the_last_one_what_its_evaluation_did() -> None:
    found = facts(ledger(5, 0.25), ledger(5, 0.25))
    found.history.add([committed(1)])
    assert found.history.runs[1].rounds[1].epsilons == {"north": 0.25, "south": 0.25}
    found.history.add(
        [
            ordered(1, "evaluate"),
            evaluated("north", HospitalMetrics()),
            committed(1, "evaluate", contributors=["north"]),
        ]
    )
    assert found.history.runs[1].rounds[1].epsilons == {"north": 1.0, "south": 0.25}
