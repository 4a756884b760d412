"""Every state of a federation has a face: a word, a shape, and a sentence that says why."""

from typing import Any

import pytest

from consilia_dashboard.faces import face, notes, stage
from consilia_dashboard.hospitals import hospital_face
from consilia_dashboard.seen import Seen

HOSPITALS = [
    {"name": "north", "phase": "Ready"},
    {"name": "lakeside", "phase": "Lost", "reason": "connection closed"},
    {"name": "harbour", "phase": "Pending"},
]
DENIED = {"type": "DataAccepted", "status": "False", "reason": "MissingColumn", "message": "riverside: no radius_mean"}


def seen(phase: str | None = None, suspend: bool = False, spec: dict[str, Any] | None = None, **status: Any) -> Seen:
    facts = {"phase": phase, **status} if phase else {}
    asked = {"rounds": 10, "suspend": suspend, "privacy": {"epsilon": 0}, **(spec or {})}
    return Seen({"spec": asked, "status": facts})


@pytest.mark.parametrize(
    ("case", "word", "shape", "sentence"),
    [
        pytest.param(seen(), "Pending", "dotted", "has not started", id="no status yet"),
        pytest.param(
            seen("Pending", message="waits for cohort north"),
            "Pending",
            "dotted",
            "Waits for cohort north",
            id="pending",
        ),
        pytest.param(seen("Blocked", conditions=[DENIED]), "Blocked", "octagon", "cannot run", id="blocked"),
        pytest.param(
            seen(
                "Blocked",
                message="the quorum of 3 cannot be reached: harbour: Cohort harbour-1 is not granted: ask; and 1 more",
                hospitals=[
                    {"name": "harbour", "problem": "CohortNotGranted", "reason": "Cohort harbour-1 is not granted: ask"}
                ],
            ),
            "Blocked",
            "octagon",
            "The quorum of 3 cannot be reached.",
            id="blocked by hospitals, each of which is told below",
        ),
        pytest.param(
            seen(
                "Blocked",
                message="broker: its image cannot be pulled: set spec.broker.image",
                problems=[{"component": "broker", "message": "its image cannot be pulled: set spec.broker.image"}],
            ),
            "Blocked",
            "octagon",
            "It cannot run as it is.",
            id="blocked by a part that is told below",
        ),
        pytest.param(seen("Idle", suspend=True), "Idle", "ring", "until Start", id="idle from the beginning"),
        pytest.param(seen("Idle", suspend=True, round=4), "Idle", "ring", "after round 4 of 10", id="stopped"),
        pytest.param(seen("Idle"), "Starting", "dotted", "takes up", id="told to start"),
        pytest.param(
            seen("Registration", connected=1, quorum=3, hospitals=HOSPITALS),
            "Waiting for quorum",
            "half",
            "1 of 3 hospitals joined; quorum 3. Missing: lakeside and harbour.",
            id="waiting for quorum",
        ),
        pytest.param(seen("Training", connected=5, quorum=5), "Training", "disc", "5 hospitals", id="training"),
        pytest.param(
            seen("Training", connected=1, quorum=3, hospitals=HOSPITALS),
            "Stalled",
            "triangle",
            "1 connected, quorum 3",
            id="stalled for want of a quorum",
        ),
        pytest.param(
            seen("Training", conditions=[{"type": "Training", "status": "False", "message": "Disk is full."}]),
            "Stalled",
            "triangle",
            "Disk is full.",
            id="stalled for another reason",
        ),
        pytest.param(
            seen(
                "Training",
                conditions=[{"type": "Ready", "status": "False", "reason": "BrokerLost", "message": "Gone."}],
            ),
            "Stalled",
            "triangle",
            "Gone.",
            id="stalled without a broker",
        ),
        pytest.param(seen("Training", suspend=True), "Stopping", "square", "after this round", id="told to stop"),
        pytest.param(seen("Stopping", suspend=True), "Stopping", "square", "after this round", id="stopping"),
        pytest.param(seen("Complete", run=1, round=10), "Complete", "check", "finished 10 rounds", id="complete"),
        pytest.param(
            seen("Complete", spec={"run": 2}, run=1, rounds=10),
            "Starting",
            "dotted",
            "takes up",
            id="another run wanted",
        ),
        pytest.param(
            seen("Complete", run=1, round=5, rounds=5), "Starting", "dotted", "takes up", id="more rounds wanted"
        ),
    ],
)
def test_a_state_has_its_word_its_shape_and_its_sentence(case: Seen, word: str, shape: str, sentence: str) -> None:
    if case.current.get("phase") == "Complete":
        case.current.setdefault("rounds", 10)
    shown = face(case)
    assert (shown.word, shown.shape) == (word, shape)
    assert sentence in shown.sentence


def test_a_deleted_federation_says_so() -> None:
    case = seen("Training")
    case.gone = True
    assert face(case).word == "Deleted"


def test_a_blocked_federation_shows_the_sentence_of_every_failed_condition() -> None:
    assert face(seen("Blocked", conditions=[DENIED])).notes == ["riverside: no radius_mean"]


def test_a_stalled_federation_names_the_hospital_that_is_missing() -> None:
    assert face(seen("Training", quorum=3, connected=1, hospitals=HOSPITALS)).notes == ["lakeside: connection closed"]


def test_what_hospitals_say_is_not_said_twice() -> None:
    lost = {"type": "Degraded", "status": "True", "reason": "HospitalLost", "message": "lakeside: connection closed"}
    assert notes({"hospitals": HOSPITALS, "conditions": [lost]}) == ["lakeside: connection closed"]


def test_no_two_states_share_a_shape_and_a_tone() -> None:
    cases = {
        stage(case): case
        for case in (
            seen("Pending"),
            seen("Blocked"),
            seen("Idle", suspend=True),
            seen("Registration"),
            seen("Training"),
            seen("Training", quorum=1),
            seen("Stopping"),
            seen("Complete", rounds=10),
        )
    }
    assert len(cases) == 8
    assert len({(face(case).shape, face(case).tone) for case in cases.values()}) == len(cases)


def test_the_object_s_word_counts_when_it_is_blocked_for_a_coordinator_cannot_know() -> None:
    case = seen("Blocked", message="The budget is spent.")
    case.status = {"phase": "Idle"}
    assert face(case).sentence == "The budget is spent."


@pytest.mark.parametrize(
    ("known", "advice"),
    [
        pytest.param({}, "", id="there is no MLflow"),
        pytest.param({"endpoints": {"coordinator": "http://c"}}, "", id="nor an address of one"),
        pytest.param({"endpoints": {"mlflow": "http://m"}}, "The model is on its way to MLflow.", id="it begins"),
        pytest.param(
            {"mlflow": {"runId": "1", "settled": 10}}, "The model is on its way to MLflow.", id="it has begun"
        ),
        pytest.param({"mlflow": {"runId": "1"}, "model": {"name": "m", "version": "1"}}, "", id="it is there"),
    ],
)
def test_a_model_is_awaited_where_there_is_an_mlflow_until_it_is_in_it(known: dict[str, Any], advice: str) -> None:
    assert face(seen("Complete", run=1, round=10, rounds=10, **known)).advice == advice


@pytest.mark.parametrize("phase", ["Refused", "Lost", "Pending"])
def test_a_hospital_in_trouble_comes_first_and_says_what_to_do(phase: str) -> None:
    shown = hospital_face({"phase": phase})
    assert shown.rank < hospital_face({"phase": "Training"}).rank
    assert shown.advice


def test_a_hospital_that_reads_its_data_says_how_far_it_has_come() -> None:
    for phase in ("Ready", "Training"):
        face = hospital_face({"phase": phase, "reading": 0.43}, fast=True)
        assert (face.word, face.share, face.tone, face.advice) == ("reading", "43 %", "busy", "")
    assert hospital_face({"phase": "Ready", "reading": None}).word == "ready"


def test_a_hospital_whose_source_is_away_joins_by_itself() -> None:
    face = hospital_face({"phase": "Refused", "problem": "SourceUnavailable", "reason": "db does not answer"})
    assert (face.word, face.advice) == ("refused", "It joins by itself once this is put right.")


def test_a_hospital_whose_data_are_refused_is_said_to_look_again_by_itself() -> None:
    assert "it looks again every half minute" in hospital_face({"phase": "Refused", "reason": "one class"}).advice


def test_a_hospital_at_work_does_not_flicker_when_rounds_are_short() -> None:
    assert {hospital_face({"phase": phase}, fast=True).word for phase in ("Ready", "Training", "Sent")} == {"training"}


def test_a_hospital_s_phase_of_a_newer_version_is_shown_as_its_word() -> None:
    assert hospital_face({"phase": "Quarantined"}).word == "quarantined"


BUSY = {
    "name": "north",
    "phase": "Pending",
    "problem": "CohortBusy",
    "reason": "oncology/other uses it until its run ends",
}


@pytest.mark.parametrize(
    ("hospital", "word", "advice"),
    [
        pytest.param(BUSY, "cohort busy", "joins by itself when that federation lets go", id="cohort busy"),
        pytest.param(
            {**BUSY, "phase": "Refused", "problem": "CohortNotGranted"}, "refused", "once this is put right", id="grant"
        ),
        pytest.param({**BUSY, "phase": "Lost", "problem": "OutOfMemory"}, "lost", "once this is put right", id="pod"),
    ],
)
def test_a_hospital_that_a_cluster_cannot_start_says_what_happens_next(
    hospital: dict[str, Any], word: str, advice: str
) -> None:
    shown = hospital_face(hospital)
    assert shown.word == word
    assert advice in shown.advice


def in_a_cluster(coordinator: dict[str, Any] | None, **told: Any) -> Seen:
    return Seen({"spec": {"rounds": 10}, "status": told}, coordinator)


def test_what_only_the_cluster_knows_stands_beside_what_the_coordinator_says() -> None:
    said = {
        "phase": "Training",
        "connected": 4,
        "quorum": 4,
        "hospitals": [{"name": "north", "phase": "Pending", "rows": 9}],
    }
    case = in_a_cluster(
        said, phase="Training", hospitals=[BUSY], problems=[{"component": "tracking", "message": "waits"}]
    )
    assert case.current["hospitals"] == [{**BUSY, "rows": 9}]
    assert notes(case.current) == ["tracking: waits", "north: oncology/other uses it until its run ends"]
    assert face(case).word == "Training"


@pytest.mark.parametrize(
    ("case", "awaited"),
    [
        pytest.param(in_a_cluster(None), True, id="no status yet"),
        pytest.param(in_a_cluster(None, phase="Pending"), True, id="starting"),
        pytest.param(in_a_cluster(None, phase="Blocked"), True, id="it cannot start"),
        pytest.param(in_a_cluster(None, phase="Training"), False, id="it ran before this page was opened"),
        pytest.param(in_a_cluster({"phase": "Training"}, phase="Blocked"), False, id="it answered this page"),
    ],
)
def test_a_coordinator_that_has_not_started_is_awaited_not_lost(case: Seen, awaited: bool) -> None:
    assert case.is_awaited is awaited


SHORT = "Cohort north/north-2024: this run asks for epsilon 1, 0.6 of 4 remains; ask the hospital"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        pytest.param("BudgetExceeded", "The run asks for more than a hospital's privacy budget allows.", id="budget"),
        pytest.param("PrivacyRequired", "The run is NON-PRIVATE, which not every hospital allows.", id="non-private"),
    ],
)
def test_what_is_blocked_for_privacy_says_so_and_each_hospital_s_sentence_once(reason: str, words: str) -> None:
    condition = {"type": "PrivacyBudgetAvailable", "status": "False", "reason": reason, "message": f"north: {SHORT}"}
    north = {"name": "north", "phase": "Refused", "problem": reason, "reason": SHORT}
    shown = face(
        seen(
            "Blocked",
            message=f"the quorum of 3 cannot be reached: north: {SHORT}",
            hospitals=[north],
            conditions=[condition],
        )
    )
    assert shown.sentence == f"The quorum of 3 cannot be reached. {words}"
    assert shown.notes == [f"north: {SHORT}"]


def test_a_run_that_spends_no_budget_is_in_no_trouble_for_it() -> None:
    told = {"type": "PrivacyBudgetAvailable", "status": "True", "reason": "NotPrivate", "message": "NON-PRIVATE"}
    assert notes({"conditions": [told]}) == []


def test_a_complete_private_run_stays_complete_when_more_rounds_are_asked_for() -> None:
    case = seen("Complete", spec={"privacy": {"epsilon": 1.0}, "rounds": 20}, run=1, round=10, rounds=10, private=True)
    assert stage(case) == "Complete"
    (note,) = face(case).notes
    assert note.startswith("A new run is needed for 20 rounds: the noise of this run was calibrated for fewer")
    assert note.endswith("so that its target stays 10; press Start.")
