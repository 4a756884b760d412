"""What a reconcile found and what a coordinator said: the two halves of a federation's status on a cluster."""

from datetime import UTC, datetime, timedelta
from typing import Any

from builders import cohort, federation, federation_document
from consilia.spec import Federation
from consilia.status import FederationStatus, HospitalStatus, LedgerState
from consilia_operator.conditions import condition
from consilia_operator.grants import Admission
from consilia_operator.outcome import Reconciled
from consilia_operator.problems import Problem
from consilia_operator.reasons import OF_A_COHORT
from consilia_operator.status_view import status_of

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
AUTHORITY = b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"
SILENT = "the coordinator does not answer (TimeoutError)"
NO_NODE = Problem("hospital-south", "south", "Unschedulable", "Pod south/s-0 cannot be scheduled: no node: add one")
NO_BROKER = Problem("broker", None, "ImageUnavailable", 'Pod default/b-0: image "x" cannot be pulled: correct its name')
NO_TRACKING = Problem("tracking", None, "Crashing", "Pod default/t-0 ends again and again")
KEPT = Problem("hospital-south", "south", "StorageKept", "PersistentVolumeClaim south/s keeps its 2Gi")
COORDINATOR_KEPT = Problem("coordinator", None, "StorageKept", "PersistentVolumeClaim default/c keeps its 2Gi")
NOT_GRANTED = Problem("hospital-south", "south", "CohortNotGranted", "Cohort default/south-2024 is not granted: ask")
NO_BUDGET = Problem("hospital-south", "south", "BudgetExceeded", "Cohort default/south-2024 has no budget")
NORTH_NO_BUDGET = Problem("hospital-north", "north", "BudgetExceeded", "Cohort default/north-2024 has no budget")
MUST_BE_PRIVATE = Problem("hospital-south", "south", "PrivacyRequired", "Cohort default/south-2024 takes part in none")
SHORT = Problem("hospital-south", "south", "BudgetExceeded", "Cohort default/south-2024: 0.6 of 4 remains")
LEDGER = LedgerState(sequence=4, head="4" * 64, spent=1.0, remaining=3.0, budget=4.0, delta=1e-5)
BUSY = Problem("hospital-south", "south", "CohortBusy", "Cohort default/south-2024 is used by federation a/b")


def restarted(at: str) -> Problem:
    ended = datetime.fromisoformat(at)
    return Problem("hospital-south", "south", "PodRestarted", "Pod south/s-0 restarted (OOMKilled)", ended)


def reconciled(
    *problems: Problem,
    generation: int = 2,
    status: dict[str, Any] | None = None,
    wish: Federation | None = None,
    short: Problem | None = None,
) -> Reconciled:
    """What a reconcile found of a federation of north and south; a problem of a cohort is one of its admission.

    ``short``: that of south's, whose ledger is expected to refuse the run.
    """
    wished = wish or federation(quorum=1)
    cohorts = {name: cohort(name) for name in ("north", "south")}
    refused = {p.hospital: p for p in problems if p.hospital is not None and p.reason in OF_A_COHORT}
    expected = {"south": short} if short is not None else {}
    admission = Admission({name: cohorts[name] for name in cohorts if name not in refused}, refused, expected)
    observed = {"metadata": {"generation": generation, "uid": "u"}, "status": status or {}}
    return Reconciled(wished, observed, admission, [p for p in problems if p.hospital not in refused], AUTHORITY)


def said(phase: Any = "Training", **fields: Any) -> FederationStatus:
    """What the coordinator says: by default that round 3 of 3 is in flight and both hospitals are at work."""
    kinds: dict[str, tuple[bool | None, str, str]] = {
        "Ready": (True, "Connected", ""),
        "HospitalsConnected": (True, "QuorumReached", "2 of 2 hospitals connected; the quorum is 1"),
        "DataAccepted": (True, "AllAccepted", ""),
        "Training": (phase == "Training", "RoundInFlight" if phase == "Training" else "NotTraining", "as it says"),
        "Complete": (phase == "Complete", "TargetReached" if phase == "Complete" else "NotComplete", ""),
        "Degraded": (False, "AllPresent", ""),
    } | fields.pop("kinds", {})
    conditions = [condition(kind, holds, reason, message) for kind, (holds, reason, message) in kinds.items()]
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


ALL_ROWS = federation_document()["spec"]["features"] | {"nominalRows": 400}
PRIVATE = more(features=ALL_ROWS, privacy={"epsilon": 1})
PRIVATE_OF_ALL = federation(features=ALL_ROWS, privacy={"epsilon": 1})
ALL_MUST = federation()
"""Without a quorum of its own: every hospital is needed."""
