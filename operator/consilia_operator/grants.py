"""Which cohorts a federation may use, and what is said of those that it may not. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from consilia.manifest import explain
from consilia.plan import hospital_component
from consilia.spec import Cohort, Federation, HospitalRef
from consilia_operator.budgets import Objection, shortage
from consilia_operator.children import Key
from consilia_operator.naming import Manifest
from consilia_operator.problems import Problem
from consilia_operator.reasons import Reason
from consilia_operator.wishes import Wish


@dataclass(frozen=True)
class Admission:
    """The cohorts that may be used, by hospital, and what is wrong with every other hospital's.

    ``short``: of those that may be used, the ones whose ledger is expected to refuse the run.
    """

    cohorts: dict[str, Cohort] = field(default_factory=dict)
    problems: dict[str, Problem] = field(default_factory=dict)
    short: dict[str, Problem] = field(default_factory=dict)


def admit(
    federation: Federation,
    cohorts: Mapping[Key, Manifest],
    holders: Mapping[Key, Key] | None = None,
    status: Manifest | None = None,
) -> Admission:
    """Look at each hospital's cohort.

    ``cohorts`` are the Cohorts of the cluster by namespace and name; ``holders`` says which federation each of them is
    used by (:func:`consilia_operator.cohort_view.holders`): a cohort is used by one at a time. ``status`` is the
    federation's own, which tells of a run under way.
    """
    admission = Admission()
    wish = Wish.of(federation, status or {})
    own = (federation.metadata.namespace, federation.metadata.name)
    for hospital in federation.spec.hospitals:
        key = federation.cohort_key(hospital)
        found = _usable(wish, hospital, cohorts.get(key), (holders or {}).get(key, own))
        if isinstance(found, Problem):
            admission.problems[hospital.name] = found
            continue
        admission.cohorts[hospital.name] = found
        short = shortage(found, cohorts[key].get("status") or {}, wish.terms)
        if short is not None and not wish.deferred:
            admission.short[hospital.name] = _problem(federation, hospital, short.reason, short.said)
    return admission


def _problem(federation: Federation, hospital: HospitalRef, reason: Reason, said: str) -> Problem:
    message = f"Cohort {'/'.join(federation.cohort_key(hospital))}{said}"
    return Problem(hospital_component(hospital.name), hospital.name, reason.value, message)


def _usable(wish: Wish, hospital: HospitalRef, found: Manifest | None, holder: Key) -> Cohort | Problem:
    def problem(reason: Reason, said: str) -> Problem:
        return _problem(wish.federation, hospital, reason, said)

    if found is None:
        return problem(Reason.COHORT_MISSING, " does not exist: ask the hospital to create it, or correct the name")
    try:
        cohort = Cohort.model_validate(spec_of(found))
    except ValidationError as error:
        return problem(Reason.COHORT_INVALID, f" is not valid: {explain(error)}")
    if cohort.spec.hospital != hospital.name:
        said = f' belongs to hospital "{cohort.spec.hospital}": name that hospital, or another cohort'
        return problem(Reason.COHORT_OF_ANOTHER, said)
    kept_back = _kept_back(wish, cohort, holder)
    return cohort if kept_back is None else problem(kept_back.reason, kept_back.said)


def _kept_back(wish: Wish, cohort: Cohort, holder: Key) -> Objection | None:
    """Why a hospital's cohort is not for this federation, or not now."""
    own = (wish.federation.metadata.namespace, wish.federation.metadata.name)
    if not cohort.may_be_used_by(wish.federation):
        said = f" is not granted to federation {'/'.join(own)}: ask the hospital to add it to the cohort's spec.grants"
        return Objection(Reason.COHORT_NOT_GRANTED, said)
    against = wish.objection_of(cohort) or _without_claim(cohort)
    if against is not None:
        return against
    if holder != own:
        said = f" is used by federation {'/'.join(holder)}: it is free when that run is complete or suspended"
        return Objection(Reason.COHORT_BUSY, said)
    return None


def _without_claim(cohort: Cohort) -> Objection | None:
    """On one machine files are beside the manifest; a pod sees those of a claim alone."""
    source = cohort.spec.source
    if not source.reads_files or source.claim is not None:
        return None
    said = (
        f" reads files, and names no claim that holds them: set spec.source.{source.kind}.claim to a "
        f"PersistentVolumeClaim of namespace {cohort.metadata.namespace}"
    )
    return Objection(Reason.CLAIM_UNNAMED, said)


def spec_of(found: Manifest) -> Manifest:
    """What a Federation or a Cohort wishes, as its model reads it: items of a list come without their kind."""
    return {name: found[name] for name in ("apiVersion", "kind", "metadata", "spec") if name in found}
