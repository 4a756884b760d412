"""The conditions of a federation: the coordinator's words with what only the cluster can tell."""

import pytest

from consilia.status import FederationStatus
from consilia_operator.outcome import Reconciled
from consilia_operator.status_view import status_of
from standings import (
    ALL_MUST,
    BUSY,
    COORDINATOR_KEPT,
    KEPT,
    LATER,
    NO_BROKER,
    NO_NODE,
    NO_TRACKING,
    NOT_GRANTED,
    SILENT,
    conditions,
    more,
    reconciled,
    said,
    without,
    written,
)


@pytest.mark.parametrize(
    ("found", "coordinator", "silence", "kind", "expected"),
    [
        pytest.param(reconciled(), said(), None, "Ready", ("True", "Running", ""), id="ready"),
        pytest.param(
            reconciled(),
            None,
            None,
            "Ready",
            ("False", "Starting", "its broker, its coordinator and 2 hospitals start"),
            id="just created",
        ),
        pytest.param(
            reconciled(wish=ALL_MUST),
            said(),
            None,
            "HospitalsConnected",
            ("True", "QuorumReached", "2 of 2 hospitals connected; the quorum is 2"),
            id="just as many as must",
        ),
        pytest.param(
            reconciled(),
            said("Idle"),
            SILENT,
            "Training",
            ("False", "NotTraining", "as the coordinator says"),
            id="not training, whoever is silent",
        ),
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
            reconciled(),
            said(
                hospitals=without(phase="Refused", problem="SourceUnavailable", reason="db does not answer"),
                kinds={"DataAccepted": (False, "DataRefused", "south: one class")},
            ),
            None,
            "DataAccepted",
            ("Unknown", "SourceUnavailable", "south: db does not answer"),
            id="a source that is away",
        ),
        pytest.param(
            reconciled(),
            said(hospitals=without(phase="Refused", problem="SourceUnavailable", reason="db does not answer")),
            None,
            "Degraded",
            ("True", "SourceUnavailable", "rounds go on with quorum 1; south: db does not answer"),
            id="degraded without a source",
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
            reconciled(NO_NODE),
            said("Complete"),
            None,
            "Degraded",
            ("True", "Unschedulable", NO_NODE.sentence),
            id="a pod that cannot run, at rest",
        ),
        pytest.param(
            reconciled(KEPT, COORDINATOR_KEPT, wish=ALL_MUST),
            said(),
            None,
            "Degraded",
            ("False", "AllPresent", ""),
            id="what is kept as it is hinders nothing",
        ),
        pytest.param(
            reconciled(COORDINATOR_KEPT, wish=ALL_MUST), said(), None, "Ready", ("True", "Running", ""), id="nor this"
        ),
        pytest.param(
            reconciled(KEPT),
            said(hospitals=without()),
            None,
            "Degraded",
            ("True", "HospitalLost", f"rounds go on with quorum 1; south: no sign of life; {KEPT.message}"),
            id="a hospital that is lost, and its claim is kept",
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
    assert set(told) == {
        "Ready",
        "HospitalsConnected",
        "DataAccepted",
        "PrivacyBudgetAvailable",
        "Training",
        "Complete",
        "Degraded",
    }
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
