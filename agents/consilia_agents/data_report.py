"""The report of a look at a hospital's table: everything that was counted, for the hospital's own eyes. Pure.

It is JSON, so that `consilia data check` and whoever mends the table read the same. It never leaves the hospital.
"""

from typing import Any

from consilia.experiment import Features
from consilia.model import Family
from consilia.spec import Cohort
from consilia.wording import privacy_word
from consilia_agents.findings import Findings, bounds_of, verdict

Report = dict[str, Any]


def report(
    findings: Findings,
    features: Features,
    cohort: Cohort,
    family: Family | None,
    *,
    private: bool,
    at: str,
    notes: tuple[str, ...] = (),
) -> Report:
    """What a look found, by the keys that a person would look for. ``at`` is when it ended, ISO 8601."""
    mapping, hospital = cohort.spec.mapping, cohort.spec.hospital
    judged = verdict(findings, features, mapping, hospital, family)
    objections = dict(judged.objections)
    units: dict[str, str | None] = {feature.name: feature.unit for feature in features.codebook}
    if family is not None:
        units[features.label] = features.outcome.unit if features.outcome else None
    bounds = bounds_of(features)
    columns = [
        {
            "name": name,
            "column": mapping.of(name).code or mapping.of(name).column or name,
            "unit": unit,
            "kept": mapping.of(name).unit,
            "bounds": [value if abs(value) < float("inf") else None for value in bounds[name]]
            if name in bounds
            else None,
            "missing": findings.missing.get(name, 0),
            "unreadable": findings.unreadable.get(name, 0),
            "outOfBounds": findings.out_of_bounds.get(name, 0),
            "impute": mapping.of(name).impute,
            "objection": objections.get(name),
        }
        for name, unit in units.items()
    ]
    return {
        "at": at,
        "hospital": hospital,
        "cohort": cohort.metadata.name,
        "source": cohort.spec.source.kind,
        "run": privacy_word(private),
        "accepted": judged.accepted,
        "objections": [sentence for _, sentence in judged.objections],
        "rows": findings.rows,
        "patients": findings.patients,
        "withoutPatient": findings.unreadable.get(mapping.patient, 0),
        "usable": findings.usable,
        "labels": None if findings.labels is None else {f"{k:g}": v for k, v in findings.labels.items()},
        "columns": columns,
        "notes": list(notes),
    }
