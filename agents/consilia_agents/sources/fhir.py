"""FHIR R4 as a Bulk Data export has it: NDJSON, one resource a line, read line by line to one row a Patient.

A feature is the value of the Observations of a code, or of their components of it (a blood pressure's two halves);
whether there is a Condition of a code; or one of :data:`PATIENT`. What was entered in error, cancelled or refuted
counts as not there. A line that is no resource is counted as a record that nobody can read; a file without a single
resource is refused. See https://hl7.org/fhir/R4/observation.html and https://hl7.org/fhir/uv/bulkdata/.
"""

import gzip
import io
import json
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from consilia.data_source import FhirSource
from consilia.errors import InvalidData
from consilia.experiment import Features
from consilia.spec import CohortSpec
from consilia_agents.sources.extract import Extract, Progress, untold
from consilia_agents.sources.files import DataFile, Files, reading
from consilia_agents.sources.mapped import Column, Mapped, means_one, own_unit
from consilia_agents.sources.moments import Chosen, moment
from consilia_agents.sources.records import Records, Share
from consilia_agents.sources.values import number_of

SUFFIXES = (".ndjson", ".ndjson.gz", ".jsonl", ".jsonl.gz")
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
LONGEST_LINE = 64 << 20
TELL_EVERY = 1 << 20
"""Bytes between two tellings of the progress."""
_BATCH_ROWS = 65536
_VOID = {"entered-in-error", "cancelled", "refuted"}


def _gender(patient: dict[str, Any]) -> Any:
    return patient.get("gender")


def _birth_year(patient: dict[str, Any]) -> Any:
    return str(patient["birthDate"])[:4] if patient.get("birthDate") else None


def _deceased(patient: dict[str, Any]) -> Any:
    return bool(patient.get("deceasedBoolean") or patient.get("deceasedDateTime"))


PATIENT: dict[str, Callable[[dict[str, Any]], Any]] = {
    "gender": _gender,
    "birthYear": _birth_year,
    "deceased": _deceased,
}
"""What may be mapped of a Patient itself, as a column."""


@dataclass(frozen=True)
class FhirExport:
    """See :class:`consilia_agents.sources.extract.DataSource`."""

    cohort: CohortSpec
    source: FhirSource
    files: Files

    def columns(self) -> tuple[str, ...]:
        """What a Patient has, and the codes that the mapping names: which others there are, patients decide."""
        codes = (column.code for column in self.cohort.mapping.columns if column.code is not None)
        return (*PATIENT, *dict.fromkeys(codes))

    def extract(self, features: Features, progress: Progress = untold) -> Extract:
        """See :class:`consilia_agents.sources.extract.DataSource`."""
        mapped = Mapped.of(self.cohort, features)
        for column in mapped.columns:
            if not column.code and column.column not in PATIENT:
                raise InvalidData(
                    f'hospital {mapped.hospital} has no column "{column.column}" in FHIR: give "{column.name}" a code, '
                    f"or map it to {' or '.join(PATIENT)}"
                )
        files, share = self.files.listed(), Share(progress)
        records = Records(mapped)
        reader, done, size = _Reader(mapped, records), 0, sum(file.size for file in files)
        for file in files:
            for read in self._read(file, reader, records):
                share.tell(done + read, size)
            done += file.size
        reader.finish()
        extract = records.extract()
        share.finish()
        return extract

    def stamp(self) -> str | None:
        """See :class:`consilia_agents.sources.extract.DataSource`."""
        return self.files.stamp()

    def _read(self, file: DataFile, reader: "_Reader", records: Records) -> Iterator[int]:
        """Read a file; yields how many of its bytes are read."""
        found, told, broken = False, 0, 0
        with reading(self.files, file) as opened:
            try:
                for at, line in enumerate(_lines(file, opened), 1):
                    if not line.strip():
                        continue
                    resource = _resource(line)
                    if resource is None:
                        broken += 1
                        records.broken(f"{file.name}: line {at} is no resource in JSON")
                    else:
                        found = True
                        self._require_single(file, resource)
                        reader.read(resource)
                    if opened.tell() - told >= TELL_EVERY:
                        told = opened.tell()
                        yield told
            except (EOFError, zlib.error, gzip.BadGzipFile):
                raise self._refused(file, "is cut off, or no gzip: copy it anew") from None
        if broken and not found:
            raise self._refused(file, "is no NDJSON: line 1 is no resource in JSON, nor is any other; export it anew")

    def _require_single(self, file: DataFile, resource: dict[str, Any]) -> None:
        if resource["resourceType"] == "Bundle":
            raise self._refused(file, "is a Bundle: export it as Bulk Data does, in NDJSON with a resource a line")

    def _refused(self, file: DataFile, what: str) -> InvalidData:
        return InvalidData(f'hospital {self.cohort.hospital}: file "{file.name}" {what}')


class _Reader:
    """What was read of all resources so far; patients get their rows as they, or anything of theirs, are met."""

    def __init__(self, mapped: Mapped, records: Records) -> None:
        self._mapped = mapped
        self._records = records
        self._rows: dict[str, int] = {}
        self._patients: dict[str, None] = {}
        self._chosen = [Chosen(column.choose) for column in mapped.columns]
        self._observed: dict[str, list[tuple[int, Column, str | None]]] = {}
        self._conditions: dict[str, list[tuple[int, str | None]]] = {}
        for at, column in enumerate(mapped.columns):
            if not column.code:
                continue
            system, _, code = column.column.rpartition("|")
            if column.present:
                self._conditions.setdefault(code, []).append((at, system or None))
            else:
                self._observed.setdefault(code, []).append((at, column, system or LOINC))

    def read(self, resource: dict[str, Any]) -> None:
        """One resource; of another kind than these, it says nothing."""
        match resource["resourceType"]:
            case "Patient":
                self._patient(resource)
            case "Observation" if _text(resource.get("status")) not in _VOID:
                self._observation(resource)
            case "Condition" if not _codes(resource.get("verificationStatus")).keys() & _VOID:
                self._condition(resource)

    def finish(self) -> None:
        """Give the rows of those who are Patients to the records, in the order in which they were met."""
        size = len(self._rows)
        columns = [chosen.values(size) for chosen in self._chosen]
        bounds = [chosen.bounds(size) for chosen in self._chosen]
        for at, column in enumerate(self._mapped.columns):
            if column.present:
                columns[at] = (columns[at] > 0).astype(float)
            elif not column.code and column.positive is None:
                columns[at] = column.conversion.apply(columns[at])
        patients = list(self._patients)
        theirs = [self._rows[patient] for patient in patients]
        for column, bound in zip(self._mapped.columns, bounds, strict=True):
            self._records.bound(column.name, int(bound[theirs].sum()))
        for start in range(0, len(patients), _BATCH_ROWS):
            batch = patients[start : start + _BATCH_ROWS]
            rows = theirs[start : start + _BATCH_ROWS]
            self._records.add(batch, [column[rows] for column in columns])

    def _patient(self, patient: dict[str, Any]) -> None:
        identity = _identity(patient)
        if identity is None:
            self._records.count(self._mapped.patient)
            return
        self._patients[identity] = None
        self._rows.setdefault(identity, len(self._rows))
        for at, column in enumerate(self._mapped.columns):
            if not column.code:
                self._put(at, identity, number_of(PATIENT[column.column](patient), column), math.nan)

    def _observation(self, observation: dict[str, Any]) -> None:
        for part in (observation, *_listed(observation.get("component"))):
            for code, systems in _codes(part.get("code")).items():
                for at, column, system in self._observed.get(code, ()):
                    if system not in systems and None not in systems:
                        continue
                    patient, when = _subject(observation), _effective(observation)
                    if not _is_bound(part):
                        self._put(at, patient, _value(part, column), when)
                    elif patient is not None:
                        self._choose(at, patient, math.nan, when)

    def _condition(self, condition: dict[str, Any]) -> None:
        for code, systems in _codes(condition.get("code")).items():
            for at, system in self._conditions.get(code, ()):
                if system is None or system in systems:
                    self._put(at, _subject(condition), 1.0, math.nan)

    def _put(self, at: int, patient: str | None, value: float | None, when: float) -> None:
        if patient is None:
            return
        if value is None:
            self._records.count(self._mapped.columns[at].name)
        elif not math.isnan(value):
            self._choose(at, patient, value, when)

    def _choose(self, at: int, patient: str, value: float, when: float) -> None:
        self._chosen[at].put(self._rows.setdefault(patient, len(self._rows)), value, when)


def _lines(file: DataFile, opened: Any) -> Iterator[bytes]:
    plain: Any = gzip.GzipFile(fileobj=opened) if file.name.endswith(".gz") else opened
    with io.BufferedReader(plain, 1 << 20) as lines:
        while line := lines.readline(LONGEST_LINE):
            yield line


def _resource(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("resourceType"), str) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _identity(patient: dict[str, Any]) -> str | None:
    told = _text(patient.get("id")) or ""
    try:
        told.encode()
    except UnicodeEncodeError:  # half of a letter, as JSON lets be written
        return None
    return told if told.strip() else None


def _listed(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _codes(concept: Any) -> dict[str, set[str | None]]:
    """The codes of a CodeableConcept, each with the systems that it is of: None where it says none."""
    found: dict[str, set[str | None]] = {}
    for coding in _listed(concept.get("coding")) if isinstance(concept, dict) else []:
        # A system that is there and no text is not just any.
        if isinstance(coding.get("code"), str) and isinstance(coding.get("system", ""), str):
            found.setdefault(coding["code"], set()).add(_text(coding.get("system")))
    return found


def _subject(resource: dict[str, Any]) -> str | None:
    subject = resource.get("subject")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if not isinstance(reference, str):
        return None
    return reference.removeprefix("urn:uuid:").rpartition("Patient/")[2].partition("/_history/")[0] or None


def _effective(observation: dict[str, Any]) -> float:
    period = observation.get("effectivePeriod")
    within = period if isinstance(period, dict) else {}
    told = [observation.get("effectiveDateTime"), observation.get("effectiveInstant"), within.get("end")]
    told += [within.get("start"), observation.get("issued")]
    return moment(next((each for each in told if isinstance(each, str)), None))


def _is_bound(part: dict[str, Any]) -> bool:
    quantity = part.get("valueQuantity")
    return isinstance(quantity, dict) and bool(quantity.get("comparator"))


def _value(part: dict[str, Any], column: Column) -> float | None:
    """The value of an Observation or a component, converted: NaN where there is none, None where it is no number."""
    quantity, concept = part.get("valueQuantity"), part.get("valueCodeableConcept")
    if isinstance(quantity, dict):
        value = number_of(quantity.get("value"), column)
        conversion = own_unit(column, _unit(quantity))
        if value is None or conversion is None:
            return None
        return conversion.of(value) if column.positive is None else value
    if isinstance(concept, dict):
        return _concept(concept, column)
    for kind in ("valueInteger", "valueBoolean", "valueString"):
        if kind in part:
            value = number_of(part[kind], column)
            return value if value is None or column.positive is not None else column.conversion.of(value)
    return math.nan


def _unit(quantity: dict[str, Any]) -> str | None:
    """What its unit is called: by its code, where that is UCUM's; else in words."""
    code, words = _text(quantity.get("code")), _text(quantity.get("unit"))
    return code or words if _text(quantity.get("system")) in {None, UCUM} else words or code


def _concept(concept: dict[str, Any], column: Column) -> float | None:
    if column.positive is None:
        return None
    texts = [concept.get("text")]
    for coding in _listed(concept.get("coding")):
        texts += [coding.get("code"), coding.get("display")]
    told = [text for text in texts if isinstance(text, str)]
    return float(any(means_one(text, column.positive) for text in told)) if told else math.nan
