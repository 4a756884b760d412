"""A federation's status on a cluster, as the document to write: worst hospitals first, within its bounds. Pure."""

from datetime import datetime

from consilia.bounds import within_bounds
from consilia.status import Condition, Endpoints, FederationStatus, HospitalStatus, PartProblem, TrackingRun
from consilia_operator.conditions import condition, stamped
from consilia_operator.federation_conditions import conditions_of
from consilia_operator.naming import Manifest, coordinator_url
from consilia_operator.outcome import Reconciled, Refused
from consilia_operator.reasons import Reason
from consilia_operator.standing import Standing, read
from consilia_operator.wishes import wished_run

WORST_FIRST = ("Refused", "Lost", "Pending", "Training", "Sent", "Ready")


def desired_run(reconciled: Reconciled) -> int:
    """The run that the spec asks for: its own number, if that is not behind the status."""
    return wished_run(reconciled.federation, (reconciled.observed.get("status") or {}).get("run") or 0)


def refused_status(refused: Refused, now: datetime, before: Manifest | None = None) -> Manifest:
    """The status of a spec that cannot be run: what was reached stays, for the next spec that can."""
    former = _last(refused.observed, before)
    status = read(former) or FederationStatus()
    ready = condition("Ready", False, Reason.INVALID_SPEC, refused.reason)
    others = [each for each in status.conditions if each.type != "Ready"]
    blocked = status.model_copy(update={"phase": "Blocked", "message": refused.reason})
    return _document(blocked, [*others, ready], refused.observed, former, now)


def status_of(
    reconciled: Reconciled,
    coordinator: FederationStatus | None,
    silence: str | None,
    told: int,
    now: datetime,
    before: Manifest | None = None,
) -> Manifest:
    """The status to write.

    ``coordinator`` is what it last told this process, None before it did; ``silence`` why it does not answer now, None
    while it does or has not been asked; ``before`` the status that was written last, by default the one observed.
    """
    former = _last(reconciled.observed, before)
    standing = Standing.of(reconciled, coordinator, silence, former)
    changes: dict[str, object] = {
        "phase": standing.phase,
        "message": standing.message,
        "ignored_run": standing.ignored_run,
        "privacy_label": standing.privacy_label,
        "quorum": standing.quorum,
        "hospitals": sorted(standing.hospitals, key=_badness),
        "hospitals_ready": f"{standing.base.connected}/{len(standing.hospitals)}",
        "hospital_counts": standing.counts,
        "problems": [
            PartProblem(component=problem.component, reason=problem.reason, message=problem.message)
            for problem in standing.parts
        ],
        "endpoints": Endpoints(
            coordinator=coordinator_url(standing.federation),
            mlflow=reconciled.mlflow_page,
            authority=reconciled.authority.decode(),
        ),
        "mlflow": _seen_at(reconciled.mlflow_page, standing.base.mlflow),
        "told": told,
    }
    status = standing.base.model_copy(update=changes)
    return _document(status, conditions_of(standing), reconciled.observed, former, now)


def _seen_at(page: str | None, run: TrackingRun | None) -> TrackingRun | None:
    """The MLflow run with its page where a browser finds it: tracking knows only the server's name in the cluster."""
    if run is None or run.url is None:
        return run
    _, mark, place = run.url.partition("/#/")
    return run.model_copy(update={"url": f"{page.rstrip('/')}/#/{place}" if page and mark else None})


def _last(observed: Manifest, before: Manifest | None) -> Manifest:
    return before if before is not None else observed.get("status") or {}


def _badness(hospital: HospitalStatus) -> tuple[bool, int, str]:
    return hospital.problem is None, WORST_FIRST.index(hospital.phase), hospital.name


def _document(
    status: FederationStatus, conditions: list[Condition], observed: Manifest, former: Manifest, now: datetime
) -> Manifest:
    generation = observed["metadata"].get("generation")
    timed = stamped(conditions, former, generation, now)
    return within_bounds(status.model_copy(update={"observed_generation": generation, "conditions": timed}))
