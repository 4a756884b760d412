"""Which cohorts a federation may use, and what is said of those that it may not. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from consilia.manifest import explain
from consilia.plan import hospital_component
from consilia.spec import Cohort, Federation, HospitalRef
from consilia_operator.children import Key
from consilia_operator.naming import Manifest
from consilia_operator.problems import Problem
from consilia_operator.reasons import Reason


@dataclass(frozen=True)
class Admission:
    """The cohorts that may be used, by hospital, and what is wrong with every other hospital's."""

    cohorts: dict[str, Cohort] = field(default_factory=dict)
    problems: dict[str, Problem] = field(default_factory=dict)


def admit(
    federation: Federation, cohorts: Mapping[Key, Manifest], holders: Mapping[Key, Key] | None = None
) -> Admission:
    """Look at each hospital's cohort.

    ``cohorts`` are the Cohorts of the cluster by namespace and name; ``holders`` says which federation each of them is
    used by (:func:`consilia_operator.cohort_view.holders`): a cohort is used by one at a time.
    """
    admission = Admission()
    own = (federation.metadata.namespace, federation.metadata.name)
    for hospital in federation.spec.hospitals:
        key = federation.cohort_key(hospital)
        found = _usable(federation, hospital, cohorts.get(key), (holders or {}).get(key, own))
        if isinstance(found, Problem):
            admission.problems[hospital.name] = found
        else:
            admission.cohorts[hospital.name] = found
    return admission


def _usable(federation: Federation, hospital: HospitalRef, found: Manifest | None, holder: Key) -> Cohort | Problem:
    namespace, name = federation.cohort_key(hospital)
    own = (federation.metadata.namespace, federation.metadata.name)

    def problem(reason: Reason, said: str) -> Problem:
        message = f"Cohort {namespace}/{name} {said}"
        return Problem(hospital_component(hospital.name), hospital.name, reason.value, message)

    if found is None:
        return problem(Reason.COHORT_MISSING, "does not exist: ask the hospital to create it, or correct the name")
    try:
        cohort = Cohort.model_validate(spec_of(found))
    except ValidationError as error:
        return problem(Reason.COHORT_INVALID, f"is not valid: {explain(error)}")
    if cohort.spec.hospital != hospital.name:
        said = f'belongs to hospital "{cohort.spec.hospital}": name that hospital, or another cohort'
        return problem(Reason.COHORT_OF_ANOTHER, said)
    if not cohort.may_be_used_by(federation):
        said = f"is not granted to federation {'/'.join(own)}: ask the hospital to add it to the cohort's spec.grants"
        return problem(Reason.COHORT_NOT_GRANTED, said)
    if holder != own:
        said = f"is used by federation {'/'.join(holder)}: it is free when that run is complete or suspended"
        return problem(Reason.COHORT_BUSY, said)
    return cohort


def spec_of(found: Manifest) -> Manifest:
    """What a Federation or a Cohort wishes, as its model reads it: items of a list come without their kind."""
    return {name: found[name] for name in ("apiVersion", "kind", "metadata", "spec") if name in found}
