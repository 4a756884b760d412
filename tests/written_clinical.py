"""The patients of :mod:`written_sources` as clinical records: FHIR resources and OMOP tables."""

import gzip
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from consilia_agents.sources.places import Places
from written_tables import ALL, LABEL, PATIENTS, Written

LOINC = "http://loinc.org"
RADIUS, TEXTURE, AREA, DIAGNOSIS, CONDITION = "21889-1", "10000-1", "10000-2", "10000-3", "254837009"
NUMBERS = {patient: 1000 + at for at, patient in enumerate(PATIENTS.ids)}
"""OMOP's persons are numbers."""


def quantity(value: float, unit: str | None, **more: Any) -> dict[str, Any]:
    """A valueQuantity as UCUM has it."""
    coded = {"system": "http://unitsofmeasure.org", "code": unit} if unit else {}
    return {"valueQuantity": {"value": value} | coded | more}


def observation(patient: str, code: str, when: str, **value: Any) -> dict[str, Any]:
    """One Observation."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": when,
    } | value


def condition(patient: str, code: str = CONDITION, **more: Any) -> dict[str, Any]:
    """One Condition."""
    coding = [{"system": "http://snomed.info/sct", "code": code}]
    return {
        "resourceType": "Condition",
        "code": {"coding": coding},
        "subject": {"reference": f"Patient/{patient}"},
    } | more


def ndjson(resources: list[dict[str, Any]]) -> str:
    """A resource a line."""
    return "".join(f"{json.dumps(each)}\n" for each in resources)


FHIR_COLUMNS = [
    {"name": "mean radius", "code": RADIUS, "unit": "mm"},
    {"name": "mean texture", "code": TEXTURE, "choose": "earliest"},
    {"name": "mean area", "code": f"{LOINC}|{AREA}", "choose": "mean"},
    {"name": LABEL, "code": CONDITION, "present": True},
]


def fhir_resources() -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Patients, Observations in the units of whoever measured, and Conditions; with older, later and void values."""
    observations: list[dict[str, Any]] = []
    for at, (patient, (radius, texture, area, _)) in enumerate(ALL):
        spelt = [
            quantity(radius, "mm"),
            quantity(radius / 10, "cm"),
            quantity(radius / 25.4, "[in_i]"),
            quantity(radius, None),
        ]
        observations += [
            observation(patient, RADIUS, "2024-05-01T08:00:00Z", **spelt[at % 4]),
            observation(patient, RADIUS, "2024-05-01T09:30:00+02:00", **quantity(1, "mm")),
            observation(patient, RADIUS, "2025-01", **quantity(2, "mm"), status="entered-in-error"),
            observation(patient, TEXTURE, "2023", valueQuantity={"value": texture}),
            observation(patient, TEXTURE, "2024-01-01", valueInteger=3),
            {
                **observation(patient, "85354-9", "2024-01-01"),
                "component": [
                    {"code": {"coding": [{"system": LOINC, "code": AREA}]}, **quantity(area / 50, "cm2")},
                    {"code": {"coding": [{"system": LOINC, "code": AREA}]}, **quantity(0, "mm2")},
                ],
            },
        ]
    conditions = [condition(patient) for patient, (*_, label) in ALL if label]
    refuted = {"verificationStatus": {"coding": [{"code": "refuted"}]}}
    conditions += [condition(patient, **refuted) for patient, (*_, label) in ALL if not label]
    persons = [{"resourceType": "Patient", "id": patient, "gender": "female"} for patient, _ in ALL]
    return persons, observations, conditions


def fhir(folder: Path) -> Written:
    persons, observations, conditions = fhir_resources()
    (folder / "export").mkdir()
    files = {
        "Condition.ndjson": ndjson(conditions),
        "Observation.ndjson": ndjson(observations[:100]) + "\n",
        "Patient.ndjson": ndjson([*persons, persons[0]]),
    }
    for name, text in files.items():
        (folder / "export" / name).write_text(text, "utf-8")
    strangers = ndjson([observation("nobody", RADIUS, "2024", **quantity(1, "mm")), {"resourceType": "Medication"}])
    packed = gzip.compress((ndjson(observations[100:]) + strangers).encode())
    (folder / "export" / "Observation.2.ndjson.gz").write_bytes(packed)
    ids = tuple(patient for patient, _ in ALL)
    return Written({"fhir": {"path": "export"}}, FHIR_COLUMNS, Places(folder), ids=ids)


OMOP_RADIUS, OMOP_TEXTURE, OMOP_AREA, OMOP_CANCER, CENTIMETRE = 3000001, 3000002, 3000003, 4112853, 8582
OMOP_COLUMNS = [
    {"name": "mean radius", "code": str(OMOP_RADIUS)},
    {"name": "mean texture", "code": str(OMOP_TEXTURE), "choose": "mean"},
    {"name": "mean area", "code": str(OMOP_AREA), "unit": "cm2", "choose": "earliest"},
    {"name": LABEL, "code": str(OMOP_CANCER), "present": True},
]


def omop_tables(schema: str | None = None) -> sa.MetaData:
    """As the specification has them, as far as they are read."""
    metadata = sa.MetaData(schema=schema)
    sa.Table(
        "person", metadata, sa.Column("person_id", sa.Integer, primary_key=True), sa.Column("year_of_birth", sa.Integer)
    )
    sa.Table(
        "measurement",
        metadata,
        sa.Column("measurement_id", sa.Integer, primary_key=True),
        sa.Column("person_id", sa.Integer),
        sa.Column("measurement_concept_id", sa.Integer),
        sa.Column("measurement_date", sa.Date),
        sa.Column("measurement_datetime", sa.DateTime),
        sa.Column("operator_concept_id", sa.Integer),
        sa.Column("value_as_number", sa.Double),
        sa.Column("value_as_concept_id", sa.Integer),
        sa.Column("unit_concept_id", sa.Integer),
        sa.Column("unit_source_value", sa.String(50)),
    )
    sa.Table(
        "condition_occurrence",
        metadata,
        sa.Column("person_id", sa.Integer),
        sa.Column("condition_concept_id", sa.Integer),
    )
    sa.Table(
        "concept",
        metadata,
        sa.Column("concept_id", sa.Integer, primary_key=True),
        sa.Column("concept_code", sa.String(50)),
        sa.Column("vocabulary_id", sa.String(20)),
    )
    return metadata


def measurement(key: int, person: int, concept: int, when: Any, value: float | None, **more: Any) -> dict[str, Any]:
    """One row of the table; ``when`` is a date."""
    return {
        "measurement_id": key,
        "person_id": person,
        "measurement_concept_id": concept,
        "measurement_date": when,
        "measurement_datetime": None,
        "operator_concept_id": None,
        "value_as_number": value,
        "value_as_concept_id": None,
        "unit_concept_id": 0,
        "unit_source_value": None,
    } | more


def write_omop(engine: sa.Engine, schema: str | None = None) -> None:
    """The patients as persons with measurements; with older values, and in units by concept and by text."""
    metadata = omop_tables(schema)
    tables = {name.rpartition(".")[2]: table for name, table in metadata.tables.items()}
    metadata.create_all(engine)
    rows: list[dict[str, Any]] = []
    for patient, (radius, texture, area, _) in ALL:
        person, day = NUMBERS[patient], date(2024, 5, 1)
        spelt = (
            {"unit_concept_id": CENTIMETRE, "unit_source_value": "zentimeter"}
            if person % 2
            else {"unit_source_value": "mm"}
        )
        for made in (
            (OMOP_RADIUS, day, 1.0, {"measurement_datetime": datetime.fromisoformat("2024-05-01T08:00")}),
            (
                OMOP_RADIUS,
                day,
                radius / 10 if person % 2 else radius,
                spelt | {"measurement_datetime": datetime.fromisoformat("2024-05-01T09:00")},
            ),
            (OMOP_TEXTURE, day, texture + 0.5, {"operator_concept_id": 4172703}),
            (OMOP_TEXTURE, day, texture - 0.5, {}),
            (OMOP_AREA, day, area / 100, {}),
            (OMOP_AREA, date(2024, 5, 2), 7.0, {}),
        ):
            rows.append(measurement(len(rows) + 1, person, made[0], made[1], made[2], **made[3]))
    with engine.begin() as connection:
        connection.execute(
            tables["person"].insert(), [{"person_id": NUMBERS[patient], "year_of_birth": 1950} for patient, _ in ALL]
        )
        connection.execute(tables["measurement"].insert(), rows)
        connection.execute(
            tables["concept"].insert(), [{"concept_id": CENTIMETRE, "concept_code": "cm", "vocabulary_id": "UCUM"}]
        )
        ill = [
            {"person_id": NUMBERS[patient], "condition_concept_id": OMOP_CANCER}
            for patient, (*_, label) in ALL
            if label
        ]
        connection.execute(
            tables["condition_occurrence"].insert(),
            [*ill, ill[0], {"person_id": 1, "condition_concept_id": OMOP_CANCER}],
        )


OMOP_IDS = tuple(str(NUMBERS[patient]) for patient in PATIENTS.ids)


def omop(folder: Path) -> Written:
    engine = sa.create_engine(f"sqlite:///{folder}/omop.db")
    write_omop(engine)
    engine.dispose()
    return Written({"omop": {"url": "sqlite:///omop.db"}}, OMOP_COLUMNS, Places(folder), ids=OMOP_IDS)
