"""A federation's status on a cluster: what its coordinator says, with what only the cluster can tell. Pure."""

from datetime import datetime

from consilia.status import Condition, Endpoints, FederationStatus, HospitalStatus
from consilia_operator.naming import Manifest, host_of
from consilia_operator.reconcile import Reconciled, Refused

MOST_HOSPITALS = 100
WORST_FIRST = ("Refused", "Lost", "Pending", "Training", "Sent", "Ready")


def desired_run(reconciled: Reconciled) -> int:
    """The run that the spec asks for: its own number, if that is not behind the status."""
    status = reconciled.observed.get("status") or {}
    return max(1, status.get("run") or 0, reconciled.federation.spec.run or 0)


def refused_status(refused: Refused, now: datetime) -> Manifest:
    """The status of a spec that cannot be run."""
    status = FederationStatus(phase="Blocked", message=refused.reason)
    condition = Condition(type="Ready", status="False", reason="InvalidSpec", message=refused.reason)
    return _document(status, [condition], refused.observed, now)


def status_of(
    reconciled: Reconciled, coordinator: FederationStatus | None, problem: str | None, told: int, now: datetime
) -> Manifest:
    """The status to write. ``coordinator`` is what it last said; ``problem`` why it does not answer now."""
    base = coordinator or FederationStatus(
        phase="Pending", message=problem or "starting", rounds=reconciled.federation.spec.rounds
    )
    hospitals = [_hospital(reconciled, base, name) for name in reconciled.federation.spec.hospital_names]
    reasons = [f"{name}: {reason}" for name, reason in sorted(_problems(reconciled).items())]
    changes: dict[str, object] = {
        "hospitals": sorted(hospitals, key=_badness)[:MOST_HOSPITALS],
        "endpoints": Endpoints(coordinator=_coordinator_url(reconciled)),
        "observed_generation": reconciled.observed["metadata"].get("generation"),
        "told": told,
        "hospitals_ready": f"{base.connected}/{len(hospitals)}",
    }
    quorum = reconciled.federation.spec.effective_quorum()
    if len(reconciled.admission.cohorts) < quorum:
        changes |= {"phase": "Blocked", "message": "; ".join(reasons)}
    elif reasons and base.phase in ("Pending", "Registration"):
        changes["message"] = "; ".join(reasons)
    status = base.model_copy(update=changes)
    return _document(status, _conditions(status, reconciled, reasons, problem), reconciled.observed, now)


def _problems(reconciled: Reconciled) -> dict[str, str]:
    return reconciled.pod_problems | reconciled.admission.problems


def _coordinator_url(reconciled: Reconciled) -> str:
    return f"https://{host_of(reconciled.federation, 'coordinator')}:8443"


def _hospital(reconciled: Reconciled, base: FederationStatus, name: str) -> HospitalStatus:
    found = next((h for h in base.hospitals if h.name == name), HospitalStatus(name=name))
    # Signs of life are the coordinator's to show: here they would cost an idle federation a write every few seconds.
    found = found.model_copy(update={"last_seen": None})
    reason = _problems(reconciled).get(name)
    if reason is None:
        return found
    if name in reconciled.admission.problems:
        return found.model_copy(update={"phase": "Refused", "reason": reason})
    return found.model_copy(update={"reason": reason})


def _badness(hospital: HospitalStatus) -> tuple[int, str]:
    return WORST_FIRST.index(hospital.phase), hospital.name


def _conditions(
    status: FederationStatus, reconciled: Reconciled, reasons: list[str], problem: str | None
) -> list[Condition]:
    conditions = {condition.type: condition for condition in status.conditions}
    said = "; ".join(reasons) or (problem or "")
    ready = not said
    conditions["Ready"] = Condition(
        type="Ready",
        status="True" if ready else "False",
        reason="Running" if ready else ("CohortsMissing" if reconciled.admission.problems else "Starting"),
        message=said,
    )
    return list(conditions.values())


def _document(status: FederationStatus, conditions: list[Condition], observed: Manifest, now: datetime) -> Manifest:
    """As a merge patch: what has no value is null at the top, so that an old value goes."""
    stamped = [_stamped(c, observed, now) for c in sorted(conditions, key=lambda c: c.type)]
    status = status.model_copy(update={"conditions": stamped})
    document: Manifest = dict.fromkeys((f.alias or name for name, f in FederationStatus.model_fields.items()), None)
    return document | status.model_dump(mode="json", by_alias=True, exclude_none=True)


def _stamped(condition: Condition, observed: Manifest, now: datetime) -> Condition:
    """With the time at which it last changed its status."""
    before = next(
        (c for c in (observed.get("status") or {}).get("conditions") or [] if c["type"] == condition.type), None
    )
    since = condition.last_transition_time or now.strftime("%Y-%m-%dT%H:%M:%SZ")
    if before is not None and before["status"] == condition.status:
        since = before.get("lastTransitionTime") or since
    generation = observed["metadata"].get("generation")
    return condition.model_copy(update={"last_transition_time": since, "observed_generation": generation})
