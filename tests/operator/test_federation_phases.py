"""The phase of a federation on a cluster, and what happens or why nothing does, in every situation."""

import pytest

from builders import federation
from consilia.status import FederationStatus
from consilia_operator.grants import Admission
from consilia_operator.outcome import Reconciled
from consilia_operator.problems import Problem
from standings import (
    ALL_MUST,
    AUTHORITY,
    BUSY,
    COORDINATOR_KEPT,
    KEPT,
    NO_BROKER,
    NO_NODE,
    NO_TRACKING,
    NOT_GRANTED,
    SILENT,
    more,
    reconciled,
    restarted,
    said,
    without,
    written,
)


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
            reconciled(KEPT, COORDINATOR_KEPT, wish=ALL_MUST),
            said("Registration"),
            None,
            "Registration",
            "as the coordinator says",
            id="claims that are kept as they are",
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
            reconciled(wish=more(rounds=5)),
            said("Complete", private=True),
            None,
            "Complete",
            "as the coordinator says",
            id="more rounds than noise was calibrated for",
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
