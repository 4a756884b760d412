"""Events: each transition is told once, whoever the operator is, and a state that stays is not told."""

from typing import Any

import pytest

from consilia_operator.transitions import Telling, transitions

DEGRADED = {"type": "Degraded", "status": "True", "reason": "InvalidSpec", "message": "of another condition"}
READY = [DEGRADED, {"type": "Ready", "status": "True", "reason": "Running", "message": ""}]
COUNTS = {"pending": 0, "ready": 2, "training": 0, "sent": 0, "lost": 0, "refused": 0}


def hospital(name: str = "south", problem: str | None = None, reason: str | None = None) -> dict[str, Any]:
    found = {"name": name, "phase": "Ready"}
    return found | ({"problem": problem, "reason": reason or f"is {problem}"} if problem else {})


def status(*hospitals: dict[str, Any], **fields: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "phase": "Registration",
        "quorum": 4,
        "connected": 4,
        "run": 3,
        "hospitals": list(hospitals) or [hospital("north"), hospital()],
        "hospitalCounts": COUNTS,
        "conditions": READY,
        "problems": [],
    }
    return known | fields


def invalid(sentence: str) -> dict[str, Any]:
    return status(
        conditions=[DEGRADED, {"type": "Ready", "status": "False", "reason": "InvalidSpec", "message": sentence}]
    )


def part(component: str, reason: str, message: str = "what is wrong") -> dict[str, Any]:
    return {"component": component, "reason": reason, "message": message}


ILL = hospital(problem="Unschedulable", reason="Pod south/s-0 cannot be scheduled")
IGNORED = "spec.run 2 is below the current run 3 and is ignored: set spec.run to 4 for a new run, or leave it out"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param(
            {},
            status(),
            [("Normal", "Created", "its broker, its coordinator and 2 hospitals are started")],
            id="a federation is created",
        ),
        pytest.param({"phase": None}, {"phase": "Pending"}, ["Created"], id="its status was empty"),
        pytest.param(status(), status(phase="Training", round=2), [], id="nothing that is told here"),
        pytest.param(
            status(), status(ILL), [("Warning", "Unschedulable", "south: Pod south/s-0 cannot be scheduled")],
            id="a hospital's pod cannot run",
        ),
        pytest.param(status(ILL), status(ILL), [], id="it still cannot"),
        pytest.param(
            status(ILL), status(hospital(problem="Unschedulable", reason="other nodes")), [], id="in other words"
        ),
        pytest.param(
            status(ILL), status(hospital()), [("Normal", "HospitalRecovered", "south: no longer Unschedulable")],
            id="it runs",
        ),
        pytest.param(
            status(ILL), status(hospital(problem="Crashing")), [("Warning", "Crashing", "south: is Crashing")],
            id="it runs, and ends again",
        ),
        pytest.param(status(ILL), status(hospital("north")), [], id="the hospital was taken out"),
        pytest.param(
            status(),
            status(hospital(problem="PodRestarted", reason="Pod south/s-0 restarted (OOMKilled)"), phase="Training"),
            [("Warning", "HospitalLost", "south: Pod south/s-0 restarted (OOMKilled); rounds go on with quorum 4")],
            id="a pod was restarted while rounds go on",
        ),
        pytest.param(
            status(),
            status(hospital(problem="PodRestarted"), phase="Training", connected=3),
            [("Warning", "HospitalLost", "south: is PodRestarted")],
            id="and they do not",
        ),
        pytest.param(
            status(),
            status(hospital(problem="CohortNotGranted")),
            [("Warning", "CohortNotGranted", "south: is CohortNotGranted")],
            id="a grant is withdrawn",
        ),
        pytest.param(
            status(hospital(problem="CohortNotGranted")),
            status(hospital()),
            [("Normal", "HospitalAdmitted", "south: its cohort can be used now")],
            id="granted again",
        ),
        pytest.param(
            status(hospital(problem="CohortMissing")),
            status(hospital(problem="CohortNotGranted")),
            [("Warning", "CohortNotGranted", "south: is CohortNotGranted")],
            id="created, but not granted",
        ),
        pytest.param(
            status(hospital(problem="CohortMissing")),
            status(ILL),
            [
                ("Normal", "HospitalAdmitted", "south: its cohort can be used now"),
                ("Warning", "Unschedulable", "south: Pod south/s-0 cannot be scheduled"),
            ],
            id="granted, and its pod cannot run",
        ),
        pytest.param(
            status(), status(hospital(problem="CohortBusy")), [("Warning", "CohortBusy", "south: is CohortBusy")],
            id="another federation has the cohort",
        ),
        pytest.param(
            status(),
            status(hospital(problem="CohortBusy"), phase="Complete"),
            [("Normal", "CohortBusy", "south: is CohortBusy")],
            id="which is no trouble at rest",
        ),
        pytest.param(
            status(), status(ILL, phase="Complete"),
            [("Warning", "Unschedulable", "south: Pod south/s-0 cannot be scheduled")],
            id="a pod that cannot run is trouble at rest too",
        ),
        pytest.param(
            status(), invalid("quorum 9"), [("Warning", "InvalidSpec", "quorum 9")], id="the spec is invalid"
        ),
        pytest.param({}, invalid("quorum 9"), [("Warning", "InvalidSpec", "quorum 9")], id="from the start"),
        pytest.param(invalid("quorum 9"), invalid("quorum 9"), [], id="it still is"),
        pytest.param(
            invalid("quorum 9"), invalid("quorum 8"), [("Warning", "InvalidSpec", "quorum 8")], id="another mistake"
        ),
        pytest.param(invalid("quorum 9"), status(), [], id="it is valid again"),
        pytest.param(status(ILL), invalid("quorum 9"), ["InvalidSpec"], id="nobody looks at pods of an invalid one"),
        pytest.param(
            status(),
            status(ignoredRun=2),
            [
                ("Warning", "RunIgnored", IGNORED),
            ],
            id="a lower run",
        ),
        pytest.param(status(ignoredRun=2), status(ignoredRun=2), [], id="it stays lower"),
        pytest.param(status(ignoredRun=2), status(ignoredRun=None), [], id="not any more"),
        pytest.param(status(ignoredRun=2), status(ignoredRun=1), ["RunIgnored"], id="lower still"),
        pytest.param(
            status(),
            status(problems=[part("broker", "ImageUnavailable")]),
            [("Warning", "ImageUnavailable", "broker: what is wrong")],
            id="a part cannot start",
        ),
        pytest.param(
            status(problems=[part("broker", "ImageUnavailable")]),
            status(problems=[part("broker", "ImageUnavailable", "in other words")]),
            [],
            id="it still cannot start",
        ),
        pytest.param(
            status(problems=[part("broker", "ImageUnavailable")]),
            status(problems=[part("broker", "Crashing")]),
            [("Warning", "Crashing", "broker: what is wrong")],
            id="it starts, and ends again and again",
        ),
        pytest.param(
            status(problems=[part("broker", "Crashing")]),
            status(),
            [("Normal", "PartRecovered", "broker: no longer Crashing")],
            id="a part runs again",
        ),
        pytest.param(status(), status(problems=[part("broker", "Starting")]), [], id="a part waits for its turn"),
        pytest.param(status(problems=[part("broker", "Starting")]), status(), [], id="which has come"),
    ],
)  # fmt: skip
def test_each_transition_is_told_once(before: dict[str, Any], after: dict[str, Any], told: list[Any]) -> None:
    found = transitions(before, after)
    if told and isinstance(told[0], str):
        assert [each.reason for each in found] == told
    else:
        assert found == [Telling(*each) for each in told]
    assert transitions(after, after) == [], "nothing is told of a state that stays"


def test_what_the_coordinator_tells_is_not_told_again() -> None:
    declined = status(hospital(problem="BudgetExceeded"))
    assert [each.reason for each in transitions(status(), declined)] == ["BudgetExceeded"]
    assert transitions(status(), declined, told={"south"}) == []
    assert [each.reason for each in transitions(declined, status())] == ["HospitalAdmitted"]


def ill(*numbers: int, total: int = 7) -> dict[str, Any]:
    """A status of so many hospitals, of which those have a problem and are listed first."""
    hospitals = [hospital(f"h{number}", "Unschedulable") for number in numbers]
    return status(*hospitals, hospitalCounts={"pending": total})


@pytest.mark.parametrize(
    ("after", "messages"),
    [
        pytest.param(ill(0, 1, 2, 3, 4), [f"h{number}: is Unschedulable" for number in range(5)], id="one by one"),
        pytest.param(
            ill(*range(7)), ["h0: is Unschedulable; the same of h1, h2, h3, h4 and 2 more"], id="many at once, together"
        ),
    ],
)
def test_many_hospitals_with_one_problem_are_told_together(after: dict[str, Any], messages: list[str]) -> None:
    before = status(*[hospital(f"h{number}") for number in range(7)])
    assert [each.message for each in transitions(before, after)] == messages


@pytest.mark.parametrize(
    ("before", "told"),
    [
        pytest.param(ill(0, 1, total=5), [], id="all listed have problems: others may have had, and were told"),
        pytest.param(
            ill(0, 1, total=5) | {"hospitals": [hospital("h0", "Unschedulable"), hospital("h1")]},
            ["h1: is Unschedulable", "h2: is Unschedulable"],
            id="one listed has none: nor had those below it",
        ),
        pytest.param(ill(0, 1, total=2), ["h2: is Unschedulable"], id="all were listed: this one was added"),
    ],
)
def test_of_a_hospital_that_a_long_list_left_out_nothing_is_told_twice(before: dict[str, Any], told: list[str]) -> None:
    found = transitions(before, ill(0, 1, 2, total=5))
    assert [each.message for each in found] == told
