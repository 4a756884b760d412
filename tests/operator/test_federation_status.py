"""A federation's status on a cluster: the coordinator's words with what only the cluster can tell, in every phase."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from builders import cohort, federation
from consilia.spec import Federation
from consilia.status import Condition, FederationStatus, HospitalStatus, Metrics
from consilia_operator.grants import Admission
from consilia_operator.outcome import Reconciled, Refused
from consilia_operator.pods import Problem
from consilia_operator.status_view import desired_run, refused_status, status_of

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
AUTHORITY = b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"
SILENT = "the coordinator does not answer (TimeoutError)"
NO_NODE = Problem("hospital-south", "south", "Unschedulable", "Pod south/s-0 cannot be scheduled: no node: add one")
NO_BROKER = Problem("broker", None, "ImageUnavailable", 'Pod default/b-0: image "x" cannot be pulled: correct its name')
NO_TRACKING = Problem("tracking", None, "Crashing", "Pod default/t-0 ends again and again")
NOT_GRANTED = Problem("hospital-south", "south", "CohortNotGranted", "Cohort default/south-2024 is not granted: ask")
BUSY = Problem("hospital-south", "south", "CohortBusy", "Cohort default/south-2024 is used by federation a/b")


def restarted(at: str) -> Problem:
    ended = datetime.fromisoformat(at)
    return Problem("hospital-south", "south", "PodRestarted", "Pod south/s-0 restarted (OOMKilled)", ended)


def reconciled(
    *problems: Problem, generation: int = 2, status: dict[str, Any] | None = None, wish: Federation | None = None
) -> Reconciled:
    """What a reconcile found of a federation of north and south; a problem of a cohort is one of its admission."""
    wished = wish or federation(quorum=1)
    cohorts = {name: cohort(name) for name in ("north", "south")}
    refused = {p.hospital: p for p in problems if p.hospital is not None and p.reason.startswith("Cohort")}
    admission = Admission({name: cohorts[name] for name in cohorts if name not in refused}, refused)
    observed = {"metadata": {"generation": generation, "uid": "u"}, "status": status or {}}
    return Reconciled(wished, observed, admission, [p for p in problems if p.hospital not in refused], AUTHORITY)


def said(phase: Any = "Training", **fields: Any) -> FederationStatus:
    """What the coordinator says: by default that round 3 of 3 is in flight and both hospitals are at work."""
    kinds: dict[str, tuple[bool, str, str]] = {
        "Ready": (True, "Connected", ""),
        "HospitalsConnected": (True, "QuorumReached", "2 of 2 hospitals connected; the quorum is 1"),
        "DataAccepted": (True, "AllAccepted", ""),
        "Training": (phase == "Training", "RoundInFlight" if phase == "Training" else "NotTraining", "as it says"),
        "Complete": (phase == "Complete", "TargetReached" if phase == "Complete" else "NotComplete", ""),
        "Degraded": (False, "AllPresent", ""),
    } | fields.pop("kinds", {})
    conditions = [
        Condition(type=kind, status="True" if holds else "False", reason=reason, message=message)
        for kind, (holds, reason, message) in kinds.items()
    ]
    both = [HospitalStatus(name=name, phase="Training") for name in ("north", "south")]
    known: dict[str, Any] = {
        "phase": phase,
        "message": "as the coordinator says",
        "run": 1,
        "round": 2,
        "rounds": 3,
        "connected": 2,
        "hospitals": both,
        "conditions": conditions,
    }
    return FederationStatus(**(known | fields))


def without(name: str = "south", phase: Any = "Lost", reason: str | None = "no sign of life", **fields: Any) -> Any:
    """The hospitals where one is not at work."""
    others = [HospitalStatus(name=each, phase="Training") for each in ("north", "south") if each != name]
    return [*others, HospitalStatus(name=name, phase=phase, reason=reason, **fields)]


def written(
    found: Reconciled, coordinator: FederationStatus | None, silence: str | None = None, before: Any = None
) -> dict[str, Any]:
    return status_of(found, coordinator, silence, 7, NOW, before)


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {each["type"]: (each["status"], each["reason"], each["message"]) for each in status["conditions"]}


def more(**spec: Any) -> Federation:
    return federation(quorum=1, **spec)


ALL_MUST = federation()
"""Without a quorum of its own: every hospital is needed."""


@pytest.mark.parametrize(
    ("found", "coordinator", "silence", "phase", "message"),
    [
        pytest.param(reconciled(), said(), None, "Training", "as the coordinator says", id="training"),
        pytest.param(reconciled(), said("Idle"), None, "Idle", "as the coordinator says", id="idle"),
        pytest.param(reconciled(), said("Complete"), None, "Complete", "as the coordinator says", id="complete"),
        pytest.param(
            reconciled(),
            None,
            None,
            "Pending",
            "its broker, its coordinator and 2 hospitals start",
            id="nothing heard yet",
        ),
        pytest.param(reconciled(), None, SILENT, "Pending", f"starting; {SILENT}", id="not up yet"),
        pytest.param(
            reconciled(), FederationStatus(message="waiting for the federation's spec"), None, "Pending",
            "waiting for the federation's spec", id="a coordinator that was told nothing yet",
        ),
        pytest.param(reconciled(), said(), SILENT, "Training", SILENT, id="silent in mid-run"),
        pytest.param(reconciled(), said("Complete"), SILENT, "Complete", "as the coordinator says", id="and at rest"),
        pytest.param(
            reconciled(NO_NODE),
            said("Registration", message="waiting for 1 hospital"),
            None,
            "Registration",
            f"waiting for 1 hospital; south: {NO_NODE.message}",
            id="waiting, and one cannot come",
        ),
        pytest.param(
            reconciled(NO_NODE, wish=ALL_MUST),
            said("Registration", hospitals=without(phase="Pending", reason=None)),
            None,
            "Blocked",
            f"the quorum of 2 cannot be reached: south: {NO_NODE.message}",
            id="a quorum that cannot be reached",
        ),
        pytest.param(
            reconciled(NOT_GRANTED, wish=ALL_MUST),
            None,
            None,
            "Blocked",
            f"the quorum of 2 cannot be reached: south: {NOT_GRANTED.message}",
            id="a cohort that is not granted",
        ),
        pytest.param(
            reconciled(NO_NODE, wish=ALL_MUST),
            said(hospitals=without(phase="Refused", reason="one class")),
            None,
            "Blocked",
            f"the quorum of 2 cannot be reached: south: {NO_NODE.message}",
            id="in mid-run",
        ),
        pytest.param(
            reconciled(NOT_GRANTED),
            said("Training", hospitals=without("north", "Refused", "one class only")),
            None,
            "Blocked",
            f"the quorum of 1 cannot be reached: north: one class only; south: {NOT_GRANTED.message}",
            id="one by its data and one by its cohort",
        ),
        pytest.param(
            reconciled(restarted("2026-11-24T12:00:00Z"), wish=ALL_MUST),
            said(hospitals=without()),
            None,
            "Training",
            "as the coordinator says",
            id="a pod that was restarted comes back by itself",
        ),
        pytest.param(
            reconciled(NO_BROKER), said("Registration"), None, "Blocked", NO_BROKER.sentence, id="no broker can start"
        ),
        pytest.param(
            reconciled(Problem("broker", None, "PodRestarted", "Pod default/b-0 restarted")),
            said(),
            None,
            "Training",
            "broker: Pod default/b-0 restarted",
            id="a broker that was restarted",
        ),
        pytest.param(
            reconciled(Problem("broker", None, "Starting", "its certificate is being issued")),
            None,
            SILENT,
            "Pending",
            "broker: its certificate is being issued",
            id="a broker that waits to start",
        ),
        pytest.param(reconciled(NO_TRACKING), said(), None, "Training", "as the coordinator says", id="no tracking"),
        pytest.param(
            reconciled(NOT_GRANTED, wish=ALL_MUST), said("Complete"), None, "Complete", "as the coordinator says",
            id="complete, whoever is gone since",
        ),
        pytest.param(
            reconciled(BUSY, wish=ALL_MUST), said("Idle"), None, "Idle", "as the coordinator says",
            id="stopped, its cohort lent meanwhile",
        ),
        pytest.param(
            reconciled(wish=more(run=2)),
            said("Complete"),
            None,
            "Pending",
            "run 1 is complete: 2 rounds; run 2 asked for, about to start",
            id="another run wished",
        ),
        pytest.param(
            reconciled(wish=more(rounds=5)),
            said("Complete"),
            None,
            "Pending",
            "run 1 is complete: 2 rounds; 5 rounds asked for, about to start",
            id="more rounds wished",
        ),
        pytest.param(
            reconciled(wish=more(rounds=5, suspend=True)),
            said("Complete"),
            None,
            "Idle",
            "run 1 is complete: 2 rounds; 5 rounds wait for Start",
            id="more rounds wished, but suspended",
        ),
        pytest.param(
            reconciled(BUSY, wish=federation(run=2)),
            said("Complete"),
            None,
            "Blocked",
            f"the quorum of 2 cannot be reached: south: {BUSY.message}",
            id="another run wished while another federation has the cohort",
        ),
    ],
)  # fmt: skip
def test_people_read_the_phase_and_what_happens_or_why_nothing_does(
    found: Reconciled, coordinator: FederationStatus | None, silence: str | None, phase: str, message: str
) -> None:
    status = written(found, coordinator, silence)
    assert (status["phase"], status["message"]) == (phase, message)


def test_a_sentence_names_five_hospitals_and_counts_the_rest() -> None:
    names = tuple(f"h{number}" for number in range(7))
    wish = federation(names)
    problems = {n: Problem(f"hospital-{n}", n, "CohortMissing", "is missing") for n in names}
    found = Reconciled(wish, {"metadata": {}}, Admission({}, problems), [], AUTHORITY)
    told = "; ".join(f"h{number}: is missing" for number in range(5))
    assert written(found, None)["message"] == f"the quorum of 7 cannot be reached: {told}; and 2 more"


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
        pytest.param(
            reconciled(NO_NODE), said(hospitals=without()), ("Lost", "Unschedulable", NO_NODE.message), id="no node"
        ),
        pytest.param(
            reconciled(restarted("2026-11-24T11:00:00Z")), said(), ("Training", None, None), id="restarted and back"
        ),
        pytest.param(
            reconciled(restarted("2026-11-24T11:00:00Z")),
            said(hospitals=without(last_seen="2026-11-24T11:00:04.000Z")),
            ("Lost", "PodRestarted", "Pod south/s-0 restarted (OOMKilled)"),
            id="lost since its pod was restarted",
        ),
        pytest.param(
            reconciled(restarted("2026-11-24T11:00:00Z")),
            said(hospitals=without(last_seen="2026-11-24T11:00:06.000Z")),
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


@pytest.mark.parametrize(
    ("found", "coordinator", "silence", "kind", "expected"),
    [
        pytest.param(reconciled(), said(), None, "Ready", ("True", "Running", ""), id="ready"),
        pytest.param(
            reconciled(), None, SILENT, "Ready", ("False", "Starting", SILENT), id="the coordinator is not up yet"
        ),
        pytest.param(
            reconciled(),
            said(),
            SILENT,
            "Ready",
            ("False", "CoordinatorSilent", SILENT),
            id="the coordinator is silent",
        ),
        pytest.param(
            reconciled(),
            said(kinds={"Ready": (False, "BrokerLost", "broker b:5222 is down")}),
            None,
            "Ready",
            ("False", "BrokerLost", "broker b:5222 is down"),
            id="the coordinator cannot reach the broker",
        ),
        pytest.param(
            reconciled(NO_BROKER),
            said(),
            None,
            "Ready",
            ("False", "ImageUnavailable", NO_BROKER.sentence),
            id="a part cannot start",
        ),
        pytest.param(reconciled(NO_TRACKING), said(), None, "Ready", ("True", "Running", ""), id="tracking can wait"),
        pytest.param(
            reconciled(NOT_GRANTED, wish=ALL_MUST),
            None,
            None,
            "Ready",
            (
                "False",
                "CohortNotGranted",
                f"the quorum of 2 cannot be reached: south: {NOT_GRANTED.message}",
            ),
            id="blocked for one reason",
        ),
        pytest.param(
            reconciled(NOT_GRANTED),
            said(hospitals=without("north", "Refused", "one class only")),
            None,
            "Ready",
            (
                "False",
                "QuorumUnreachable",
                f"the quorum of 1 cannot be reached: north: one class only; south: {NOT_GRANTED.message}",
            ),
            id="blocked for several",
        ),
        pytest.param(
            reconciled(),
            said(),
            None,
            "HospitalsConnected",
            ("True", "QuorumReached", "2 of 2 hospitals connected; the quorum is 1"),
            id="connected",
        ),
        pytest.param(
            reconciled(NO_NODE, wish=ALL_MUST),
            said("Registration", connected=1),
            None,
            "HospitalsConnected",
            ("False", "WaitingForQuorum", f"1 of 2 hospitals connected; the quorum is 2; {NO_NODE.sentence}"),
            id="not connected, with the reason",
        ),
        pytest.param(
            reconciled(),
            None,
            None,
            "HospitalsConnected",
            ("False", "WaitingForQuorum", "0 of 2 hospitals connected; the quorum is 1"),
            id="nobody yet",
        ),
        pytest.param(reconciled(), said(), None, "DataAccepted", ("True", "AllAccepted", ""), id="data accepted"),
        pytest.param(
            reconciled(),
            None,
            None,
            "DataAccepted",
            ("Unknown", "NotTried", "no hospital has looked at its data yet"),
            id="data of nobody yet",
        ),
        pytest.param(
            reconciled(),
            said(
                hospitals=without(phase="Refused", reason='column "age" is missing'),
                kinds={"DataAccepted": (False, "DataRefused", "south: …")},
            ),
            None,
            "DataAccepted",
            ("False", "DataRefused", 'south (Cohort default/south-2024): column "age" is missing'),
            id="data refused, with the cohort",
        ),
        pytest.param(
            reconciled(NO_NODE), said(), None, "DataAccepted", ("True", "AllAccepted", ""), id="a pod is no data"
        ),
        pytest.param(
            reconciled(NOT_GRANTED),
            said(kinds={"DataAccepted": (False, "DataRefused", "south: one class")}),
            None,
            "DataAccepted",
            ("Unknown", "NotTried", "no hospital has looked at its data yet"),
            id="whose data were refused is not asked any more",
        ),
        pytest.param(reconciled(), said(), None, "Training", ("True", "RoundInFlight", "as it says"), id="training"),
        pytest.param(
            reconciled(), said(), SILENT, "Training", ("Unknown", "CoordinatorSilent", SILENT), id="training, perhaps"
        ),
        pytest.param(
            reconciled(),
            said("Idle"),
            None,
            "Training",
            ("False", "NotTraining", "as the coordinator says"),
            id="not training",
        ),
        pytest.param(
            reconciled(),
            said(),
            None,
            "Complete",
            ("False", "NotComplete", "as the coordinator says"),
            id="not complete",
        ),
        pytest.param(
            reconciled(),
            said("Complete"),
            None,
            "Complete",
            ("True", "TargetReached", "as the coordinator says"),
            id="complete",
        ),
        pytest.param(
            reconciled(wish=more(run=1)),
            said("Complete"),
            None,
            "Complete",
            ("True", "TargetReached", "as the coordinator says"),
            id="complete, the run that is asked for",
        ),
        pytest.param(
            reconciled(wish=more(rounds=2)),
            said("Complete"),
            None,
            "Complete",
            ("True", "TargetReached", "as the coordinator says"),
            id="complete, a lower target",
        ),
        pytest.param(
            reconciled(wish=more(run=2)),
            said("Complete"),
            None,
            "Complete",
            ("False", "MoreWanted", "run 1 is complete: 2 rounds; run 2 asked for, about to start"),
            id="complete, and another run wished",
        ),
        pytest.param(
            reconciled(wish=more(rounds=4)),
            said("Complete"),
            None,
            "Complete",
            ("False", "MoreWanted", "run 1 is complete: 2 rounds; 4 rounds asked for, about to start"),
            id="complete, and more rounds wished",
        ),
        pytest.param(reconciled(), said(), None, "Degraded", ("False", "AllPresent", ""), id="all there"),
        pytest.param(
            reconciled(),
            said(hospitals=without(), connected=1),
            None,
            "Degraded",
            ("True", "HospitalLost", "rounds go on with quorum 1; south: no sign of life"),
            id="rounds go on without one",
        ),
        pytest.param(
            reconciled(wish=ALL_MUST),
            said(hospitals=without(reason=None), connected=1),
            None,
            "Degraded",
            ("True", "HospitalLost", "south: gone"),
            id="rounds do not go on",
        ),
        pytest.param(
            reconciled(NO_NODE, NO_TRACKING),
            said(),
            None,
            "Degraded",
            ("True", "HospitalsMissing", f"rounds go on with quorum 1; {NO_NODE.sentence}; {NO_TRACKING.sentence}"),
            id="several reasons",
        ),
        pytest.param(
            reconciled(BUSY), said("Complete"), None, "Degraded", ("False", "AllPresent", ""), id="lent while at rest"
        ),
        pytest.param(
            reconciled(BUSY),
            said("Registration", connected=1),
            None,
            "Degraded",
            ("True", "CohortBusy", f"south: {BUSY.message}"),
            id="lent while it is wanted",
        ),
    ],
)
def test_conditions_put_together_what_the_coordinator_and_the_cluster_tell(
    found: Reconciled,
    coordinator: FederationStatus | None,
    silence: str | None,
    kind: str,
    expected: tuple[str, str, str],
) -> None:
    told = conditions(written(found, coordinator, silence))
    assert set(told) == {"Ready", "HospitalsConnected", "DataAccepted", "Training", "Complete", "Degraded"}
    assert told[kind] == expected


def test_a_condition_keeps_its_time_until_its_status_changes_and_tells_its_generation() -> None:
    first = written(reconciled(), None, SILENT)
    again = status_of(reconciled(generation=3), None, "another word", 7, LATER, first)
    before, after = ({each["type"]: each for each in status["conditions"]}["Ready"] for status in (first, again))
    assert after["lastTransitionTime"] == before["lastTransitionTime"] == "2026-11-24T12:00:00Z"
    assert (before["observedGeneration"], after["observedGeneration"]) == (2, 3)
    turned = status_of(reconciled(), said(), None, 7, LATER, again)
    assert {each["type"]: each for each in turned["conditions"]}["Ready"][
        "lastTransitionTime"
    ] == "2026-11-24T13:00:00Z"


def test_what_stays_the_same_is_written_the_same() -> None:
    first = written(reconciled(NO_NODE), said())
    assert status_of(reconciled(NO_NODE), said(), None, 7, LATER, first) == first


def test_a_new_operator_keeps_what_was_written_until_it_hears_of_the_coordinator() -> None:
    first = written(reconciled(), said(metrics=Metrics(accuracy=0.9)))
    stored = {name: value for name, value in first.items() if value is not None}
    assert status_of(reconciled(status=stored), None, None, 7, LATER) == first


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
