"""What a look at a hospital's table found, whether the table can be used, and which of its records are.

Findings are counts, made by either backend; they stay at the hospital. The verdict on them is sentences that name
columns and neither count nor quote, as they may leave it. Pure.

The policy for records, the same in every engine and run: of a patient's records the first in the order of the source
counts; then whatever is missing, or is no number, is replaced by the public value of the mapping's ``impute``, and a
record in which something is missing still is left out. Values beyond their bounds are clipped by the feature map.

Where nothing is learned, as of statistics, nobody looks at labels: ``family`` is None, and a record without one counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from consilia.data_source import TableMapping
from consilia.dataset import Rows
from consilia.errors import InvalidData
from consilia.experiment import Features
from consilia.model import LOGISTIC, Family
from consilia.vectors import FloatArray
from consilia.wording import first_of
from consilia_agents.sources.extract import Extract

FEWEST_RECORDS = 2
"""Usable records below which a table is refused: two are needed to have two classes, or a slope."""
MOST_LABELS = 101
"""Classes that are told apart: as many as a model may have, and one."""
MOST_OUT_OF_BOUNDS = 0.5
"""Share of a column's values out of its bounds above which it is taken to be in another unit."""
MOST_OBJECTIONS = 3
"""Objections that one sentence names; the rest are in the report at the hospital."""
FEW = (
    f"fewer than {FEWEST_RECORDS} records are left without those in which something is missing: fill the gaps, or give "
    "public values in impute"
)

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Findings:
    """Counts of one look at a table. By feature, or label, only where above 0.

    ``rows`` records were read, of ``patients`` distinct patients. ``missing``, ``unreadable`` (there, and no finite
    number; under the patient column's name, records without a patient) and ``out_of_bounds`` count values of all of
    them. ``labels`` counts the classes of the records left after the policy (the lowest :data:`MOST_LABELS`), and is
    None for a label that is a number, or that is not looked at; ``usable`` is how many records are left; ``unfit`` how
    many of those have a label that is none of the model's.
    """

    rows: int
    patients: int
    missing: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[str, int] = field(default_factory=dict)
    out_of_bounds: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[float, int] | None = None
    usable: int = 0
    unfit: int = 0

    @classmethod
    def of(cls, extract: Extract, features: Features, mapping: TableMapping, family: Family | None = LOGISTIC) -> Self:
        """What ``extract`` holds, for a run with these features and this model."""
        kept = usable(extract, features, mapping, family)
        columns = [*extract.x.T, *([extract.y] if family is not None else [])]
        names = [*extract.features, *([extract.label] if family is not None else [])]
        absent = {name: int(np.isnan(values).sum()) for name, values in zip(names, columns, strict=True)}
        infinite = {name: int(np.isinf(values).sum()) for name, values in zip(names, columns, strict=True)}
        unreadable = {name: infinite[name] + extract.unreadable.get(name, 0) for name in names}
        missing = {name: absent[name] - extract.unreadable.get(name, 0) for name in names}
        bounds = bounds_of(features)
        outside = {
            name: int(((values < bounds[name][0]) | (values > bounds[name][1])).sum() - infinite[name])
            for name, values in zip(names, columns, strict=True)
            if name in bounds
        }
        return cls(
            rows=len(extract),
            patients=len(set(extract.ids)),
            missing=_above_zero(missing),
            unreadable=_above_zero({mapping.patient: extract.unreadable.get(mapping.patient, 0)} | unreadable),
            out_of_bounds=_above_zero(outside),
            labels=None if family is None or features.outcome is not None else _labels(kept.y),
            usable=len(kept),
            unfit=0 if family is None else int((~family.label_ok(kept.y)).sum()),
        )


@dataclass(frozen=True)
class Verdict:
    """Whether a table can be used. ``objections`` are sentences by column ("" for the table as a whole)."""

    hospital: str
    objections: tuple[tuple[str, str], ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether nothing stands against it."""
        return not self.objections

    @property
    def reason(self) -> str:
        """Why not, in a sentence that may leave the hospital: columns are named, nothing is counted."""
        said = "; ".join(first_of([sentence for _, sentence in self.objections], MOST_OBJECTIONS))
        return f"hospital {self.hospital}: {said}" if said else ""

    def require_accepted(self) -> None:
        """Raise :class:`InvalidData` with the reason, where there is one."""
        if not self.accepted:
            raise InvalidData(self.reason)


def verdict(
    findings: Findings, features: Features, mapping: TableMapping, hospital: str, family: Family | None = LOGISTIC
) -> Verdict:
    """The verdict for a NON-PRIVATE run. In a private one it is for the hospital's own eyes: see docs/adr/0017."""
    if findings.rows == 0:
        nothing = "the table has no rows: there is nothing to learn from; bring patients, or mend the source"
        return Verdict(hospital, (("", nothing),))
    objections = [
        (name, said)
        for name in read_columns(features, family)
        if (said := _of_column(name, findings, features, mapping)) is not None
    ]
    objections += [("", said) for said in _of_patients(findings, mapping.patient)]
    if not objections:
        objections += [("", FEW)] if findings.usable < FEWEST_RECORDS else []
    if not objections and family is not None:
        objections += [(features.label, said) for said in _of_labels(findings, features, mapping, family)]
    return Verdict(hospital, tuple(objections))


def usable(extract: Extract, features: Features, mapping: TableMapping, family: Family | None = LOGISTIC) -> Rows:
    """The records that count, by the policy: (m, d) with ``m`` at most ``n``, in the order of the source."""
    first = firsts(extract.ids)
    rows = extract.rows if first is None else extract.rows.take(first)
    filled = imputed(features, mapping, family)
    x, y = _filled(rows.x, filled[:-1]), _filled(rows.y, filled[-1:])
    whole = np.isfinite(y)
    for column in x.T:
        whole &= np.isfinite(column)
    complete = Rows(rows.ids, x, y)
    return complete if bool(whole.all()) else complete.take(np.flatnonzero(whole))


def firsts(ids: tuple[str, ...]) -> Indices | None:
    """Where each patient comes first; None where nobody comes twice."""
    if len(set(ids)) == len(ids):
        return None
    seen: dict[str, int] = {}
    for i, patient in enumerate(ids):
        seen.setdefault(patient, i)
    return np.fromiter(seen.values(), dtype=np.intp, count=len(seen))


def read_columns(features: Features, family: Family | None) -> list[str]:
    """The features, and last the label where anything is learned of it."""
    return [*features.names, *([features.label] if family is not None else [])]


def imputed(features: Features, mapping: TableMapping, family: Family | None = LOGISTIC) -> FloatArray:
    """The public value of each feature, and last of the label, in place of one that is missing: (d + 1), NaN where the
    record is left out instead. A label that nobody looks at leaves none out."""
    values = [mapping.of(name).impute for name in features.names]
    values.append(mapping.of(features.label).impute if family is not None else 0.0)
    return np.array([np.nan if value is None else value for value in values])


def bounds_of(features: Features) -> dict[str, tuple[float, float]]:
    """The public bounds of the features, and of a label that is a number, where there are any."""
    bounds = {
        feature.name: (
            -np.inf if feature.min is None else feature.min,
            np.inf if feature.max is None else feature.max,
        )
        for feature in features.codebook
        if feature.min is not None or feature.max is not None
    }
    if features.outcome is not None:
        bounds[features.label] = (features.outcome.min, features.outcome.max)
    return bounds


def column_of(name: str, mapping: TableMapping) -> str:
    """A feature, or the label, as the hospital knows it: ``column "radius_mm" ("mean radius")``."""
    mapped = mapping.of(name)
    if mapped.code is not None:
        return f'code {mapped.code} ("{name}")'
    if mapped.column is None or mapped.column == name:
        return f'column "{name}"'
    return f'column "{mapped.column}" ("{name}")'


def _of_column(name: str, findings: Findings, features: Features, mapping: TableMapping) -> str | None:
    column = column_of(name, mapping)
    if name in findings.unreadable:
        return f"{column} has values that are no numbers: clear or mend them, or correct the mapping"
    if findings.missing.get(name, 0) == findings.rows and mapping.of(name).impute is None:
        return f"{column} is empty: fill it, map another column, or give a public value in impute"
    there = findings.rows - findings.missing.get(name, 0)
    if findings.out_of_bounds.get(name, 0) > MOST_OUT_OF_BOUNDS * there:
        low, high = bounds_of(features)[name]
        return (
            f"{column} lies mostly outside of its public bounds {low:g} to {high:g}: give the unit in which it is "
            "kept, or correct the mapping"
        )
    return None


def _of_patients(findings: Findings, column: str) -> list[str]:
    said = []
    if findings.unreadable.get(column, 0):
        said.append(f'some rows have no patient in column "{column}": fill it, or name another in mapping.patient')
    if findings.patients < findings.rows:
        said.append(f'some patients have several rows, by column "{column}": keep one row a patient')
    return said


def _of_labels(findings: Findings, features: Features, mapping: TableMapping, family: Family) -> list[str]:
    label = column_of(features.label, mapping).replace("column", "label", 1)
    if findings.unfit:
        return [f"{label} is {_other_than(family)} in some rows: code it so, or say in mapping which text is positive"]
    if findings.labels is not None and len(findings.labels) < 2:
        word = ", or mend positive in the mapping" if mapping.of(features.label).positive is not None else ""
        return [f"there is one class only: {label} is the same in every usable row; bring patients of another{word}"]
    return []


def _other_than(family: Family) -> str:
    if family.classes is None:
        return "no whole number from 0"
    return "neither 0 nor 1" if family.classes == 2 else f"none of the classes 0 to {family.classes - 1}"


def _labels(y: FloatArray) -> dict[float, int]:
    values, counts = np.unique(y, return_counts=True)
    return dict(zip(values[:MOST_LABELS].tolist(), counts[:MOST_LABELS].tolist(), strict=True))


def _filled(values: FloatArray, public: FloatArray) -> FloatArray:
    """``values`` (n, d) or (n,) with ``public`` (d) in place of what is not finite; no copy where there is nothing."""
    if bool(np.isnan(public).all()):
        return values
    return np.where(np.isfinite(values) | np.isnan(public), values, public)


def _above_zero(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count > 0}
