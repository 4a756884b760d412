"""What a cohort's status says, and which federation uses a cohort: one at a time. Pure.

A hospital's patients have one budget and one ledger, so one process works with them. See docs/adr/0008.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from consilia import edits
from consilia.bounds import within_bounds
from consilia.manifest import explain
from consilia.rounds import State
from consilia.spec import Cohort, Federation
from consilia.status import CohortStatus, Condition, FederationStatus, LedgerState
from consilia_operator.account import Account, account_of, ledger_in
from consilia_operator.children import Key, key_of
from consilia_operator.conditions import condition, stamped
from consilia_operator.grants import spec_of
from consilia_operator.naming import Manifest
from consilia_operator.reasons import Reason
from consilia_operator.wishes import Wish, more_is_wished


def holders(cohorts: Mapping[Key, Manifest], federations: Iterable[Manifest]) -> dict[Key, Key]:
    """The federation that uses each cohort that somebody may use; all manifests with their status.

    Those that name it, are granted it and ask for a run that its spec allows may. One with a run to do goes before one
    that rests; then the one that used it last (the cohort's status.inUseBy) before all others; then the oldest, by
    creationTimestamp and name.
    """
    claims: dict[Key, list[_Claim]] = {}
    for federation in federations:
        for key, claim in _claims(federation, cohorts):
            claims.setdefault(key, []).append(claim)
    return {key: min(each).federation for key, each in claims.items()}


def active(federation: Manifest) -> bool:
    """Whether a run is wanted or going on: not resting suspended, not complete with nothing more wished."""
    spec, status = federation["spec"], federation.get("status") or {}
    if status.get("state") not in (None, State.IDLE.value):
        return True
    if spec.get("suspend"):
        return False
    if not is_complete(status):
        return True
    told = FederationStatus(
        run=status.get("run") or 0, rounds=status.get("rounds") or 0, private=bool(status.get("private"))
    )
    more = edits.target_of(spec) if edits.goes_on(spec, status) else 0
    return more_is_wished(spec.get("run") or 0, more, told)


def is_complete(status: Manifest) -> bool:
    """Whether a status tells of a complete run."""
    complete = next((each for each in status.get("conditions") or [] if each["type"] == "Complete"), None)
    return complete is not None and complete["status"] == "True"


def cohort_status(
    cohort: Manifest, holder: Manifest | None, now: datetime, ledger: LedgerState | None = None
) -> Manifest:
    """The status of ``cohort`` as a merge patch; ``holder`` is the Federation that uses it, with its own status.

    ``ledger`` is what that one's coordinator tells of the cohort's, by default what its status does: that lists no more
    than a hundred hospitals.
    """
    generation = cohort["metadata"].get("generation")
    account = account_of(cohort, ledger or ledger_in(_as_seen(cohort, holder)))
    status = CohortStatus(
        observed_generation=generation,
        in_use_by="/".join(key_of(holder)) if holder is not None else None,
        epsilon_spent=account.spent,
        epsilon_remaining=account.remaining,
        budget=account.budget,
        ledger=account.witness,
        conditions=stamped(_conditions(cohort, holder, account), cohort.get("status") or {}, generation, now),
    )
    return within_bounds(status)


def differs(cohort: Manifest, status: Manifest) -> bool:
    """Whether ``status``, a merge patch, would change anything of what ``cohort`` says."""
    held = cohort.get("status") or {}
    return any(held.get(name) != value for name, value in status.items())


@dataclass(frozen=True, order=True)
class _Claim:
    """One federation that may use a cohort; the least of them does."""

    rests: bool
    newcomer: bool
    since: str
    federation: Key


def _claims(federation: Manifest, cohorts: Mapping[Key, Manifest]) -> list[tuple[Key, _Claim]]:
    own = key_of(federation)
    if federation["metadata"].get("deletionTimestamp"):
        return []
    rests, since = not active(federation), federation["metadata"].get("creationTimestamp") or ""
    try:
        wished = Federation.model_validate(spec_of(federation))
    except ValidationError:
        # It is left as it is until it can be read, and its agents with it.
        held = [key for key, cohort in cohorts.items() if _user(cohort) == own]
        return [(key, _Claim(rests, False, since, own)) for key in held]
    claims, wish = [], Wish.of(wished, federation.get("status") or {})
    for hospital in wished.spec.hospitals:
        key = wished.cohort_key(hospital)
        if key in cohorts and _lets(cohorts[key], wish, hospital.name):
            claims.append((key, _Claim(rests, _user(cohorts[key]) != own, since, own)))
    return claims


def _user(cohort: Manifest) -> Key | None:
    namespace, _, name = ((cohort.get("status") or {}).get("inUseBy") or "").partition("/")
    return (namespace, name) if name else None


def _lets(cohort: Manifest, wish: Wish, hospital: str) -> bool:
    try:
        read = Cohort.model_validate(spec_of(cohort))
    except ValidationError:
        return False
    granted = read.spec.hospital == hospital and read.may_be_used_by(wish.federation)
    return granted and wish.objection_of(read) is None


def _conditions(cohort: Manifest, holder: Manifest | None, account: Account) -> list[Condition]:
    try:
        Cohort.model_validate(spec_of(cohort))
    except ValidationError as error:
        ready = condition("Ready", False, Reason.INVALID_SPEC, explain(error))
        return [_data_as_before(cohort), ready]
    seen = _as_seen(cohort, holder)
    data = _data(cohort, seen)
    return [data, _ready(holder, seen, data, account)]


def _as_seen(cohort: Manifest, holder: Manifest | None) -> Manifest:
    """The hospital in its federation's status; empty where that says nothing of it."""
    hospitals = ((holder or {}).get("status") or {}).get("hospitals") or []
    name = cohort["spec"]["hospital"]
    return next((hospital for hospital in hospitals if hospital["name"] == name), {})


def _data(cohort: Manifest, seen: Manifest) -> Condition:
    if seen.get("phase") == "Refused" and not seen.get("problem"):
        return condition("DataAccepted", False, Reason.DATA_REFUSED, seen.get("reason") or "")
    if seen.get("problem") == Reason.SOURCE_UNAVAILABLE:
        return condition("DataAccepted", None, Reason.SOURCE_UNAVAILABLE, seen.get("reason") or "")
    if seen.get("phase") in ("Training", "Sent") or seen.get("round") is not None:
        return condition("DataAccepted", True, Reason.DATA_ACCEPTED)
    return _data_as_before(cohort)


def _data_as_before(cohort: Manifest) -> Condition:
    """Who rests says nothing new of the data."""
    known = (cohort.get("status") or {}).get("conditions") or []
    before = next((each for each in known if each["type"] == "DataAccepted"), None)
    if before is None:
        return condition("DataAccepted", None, Reason.NOT_TRIED, "no federation has read these data yet")
    return Condition(type="DataAccepted", **{name: before[name] for name in ("status", "reason", "message")})


def _ready(holder: Manifest | None, seen: Manifest, data: Condition, account: Account) -> Condition:
    # A run that asks for too much is that run's problem: another one may fit.
    if seen.get("problem") not in (None, Reason.BUDGET_EXCEEDED):
        return condition("Ready", False, seen["problem"], seen.get("reason") or "")
    if data.status == "False":
        return condition("Ready", False, Reason.DATA_REFUSED, data.message)
    if account.remaining == 0:
        return condition("Ready", False, Reason.BUDGET_SPENT, "budget spent: no further release is possible")
    if holder is None:
        return condition("Ready", True, Reason.AVAILABLE)
    return condition("Ready", True, Reason.IN_USE, f"federation {'/'.join(key_of(holder))} uses it")
