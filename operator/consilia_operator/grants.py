"""Which cohorts a federation may use, and what is said of those that it may not. Pure."""

from dataclasses import dataclass, field

from pydantic import ValidationError

from consilia.manifest import explain
from consilia.spec import Cohort, Federation
from consilia_operator.naming import Manifest


@dataclass(frozen=True)
class Admission:
    """The cohorts that may be used, by hospital, and a sentence for every other hospital."""

    cohorts: dict[str, Cohort] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def admit(federation: Federation, objects: dict[tuple[str, str], Manifest]) -> Admission:
    """Look at each hospital's cohort; ``objects`` are the Cohorts of the cluster by namespace and name."""
    admission = Admission()
    for hospital in federation.spec.hospitals:
        key = federation.cohort_key(hospital)
        where = f'Cohort "{key[1]}" in namespace {key[0]}'
        found = objects.get(key)
        if found is None:
            admission.problems[hospital.name] = f"{where} does not exist: ask the hospital to create it"
            continue
        try:
            cohort = Cohort.model_validate(found)
        except ValidationError as error:
            admission.problems[hospital.name] = f"{where} is not valid: {explain(error)}"
            continue
        if cohort.spec.hospital != hospital.name:
            admission.problems[hospital.name] = f'{where} belongs to hospital "{cohort.spec.hospital}"'
        elif not cohort.may_be_used_by(federation):
            admission.problems[hospital.name] = (
                f"{where} is not granted to federation {federation.metadata.namespace}/{federation.metadata.name}: "
                "ask the hospital to add it to the cohort's spec.grants"
            )
        else:
            admission.cohorts[hospital.name] = cohort
    return admission
