"""The same patients written in every form that a source reads: files, databases, an object store."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from pyarrow import fs, parquet

from consilia.dataset import Table
from consilia.experiment import Features
from consilia.spec import CohortSpec
from consilia_agents.sources.builtin import BuiltinSource
from consilia_agents.sources.chosen import source_of
from consilia_agents.sources.extract import DataSource
from consilia_agents.sources.places import Places

LABEL = "malignant"
FEATURES = Features.model_validate(
    {
        "label": LABEL,
        "scaling": "federated",
        "codebook": [
            {"name": "mean radius", "unit": "mm"},
            {"name": "mean texture"},
            {"name": "mean area", "unit": "mm2"},
        ],
    }
)
SHARD = {"dataset": "breast-cancer", "shard": 0, "of": 8, "alpha": 1000.0}
LOINC = "http://loinc.org"
RADIUS, TEXTURE, AREA, DIAGNOSIS, CONDITION = "21889-1", "10000-1", "10000-2", "10000-3", "254837009"


def patients() -> Table:
    """Some sixty patients of the builtin dataset."""
    cohort = CohortSpec.model_validate({"hospital": "north", "source": {"builtin": SHARD}})
    builtin = cohort.source.builtin
    assert builtin is not None
    found = BuiltinSource.named("north", builtin).extract(FEATURES)
    assert 50 < len(found) < 70
    return found.table


PATIENTS = patients()
ALL = tuple(zip(PATIENTS.ids, PATIENTS.values.tolist(), strict=True))
NUMBERS = {patient: 1000 + at for at, patient in enumerate(PATIENTS.ids)}
"""OMOP's persons are numbers."""


@dataclass(frozen=True)
class Written:
    """A cohort whose source was written, and what a process needs to find it."""

    source: dict[str, Any]
    columns: list[dict[str, Any]] = field(default_factory=list)
    places: Places = field(default_factory=Places)
    patient: str = "patient_id"
    ids: tuple[str, ...] = PATIENTS.ids

    @property
    def cohort(self) -> CohortSpec:
        mapping = {"patient": self.patient, "columns": self.columns}
        return CohortSpec.model_validate({"hospital": "north", "source": self.source, "mapping": mapping})

    def read(self) -> DataSource:
        return source_of(self.cohort, self.places)


TABLE_COLUMNS = [
    {"name": "mean radius", "column": "radius_cm", "unit": "cm"},
    {"name": "mean area", "column": "area", "unit": "cm2"},
    {"name": LABEL, "column": "diagnosis", "positive": "malignant"},
]
HEADER = ["note", "patient_id", "radius_cm", "mean texture", "area", "diagnosis"]


def table_rows() -> list[list[Any]]:
    """A table with other names, in other units, and with a text for a label."""
    return [
        ['Ünsinn, "quoted"\nand on', patient, radius / 10, texture, area / 100, "malignant" if label else "benign"]
        for patient, (radius, texture, area, label) in ALL
    ]


def csv_text(rows: list[list[Any]] | None = None, header: list[str] | None = None, delimiter: str = ",") -> str:
    """The table as text."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(HEADER if header is None else header)
    writer.writerows(table_rows() if rows is None else rows)
    return out.getvalue()


def parquet_bytes(rows: list[list[Any]] | None = None, **options: Any) -> bytes:
    """The table as Parquet."""
    columns = zip(*(table_rows() if rows is None else rows), strict=True)
    out = pa.BufferOutputStream()
    parquet.write_table(
        pa.table({name: list(values) for name, values in zip(HEADER, columns, strict=True)}), out, **options
    )
    return out.getvalue().to_pybytes()


def builtin(folder: Path) -> Written:
    return Written({"builtin": SHARD})


def csv_file(folder: Path) -> Written:
    (folder / "labs.csv").write_text(csv_text(), "utf-8")
    return Written({"csv": {"path": "labs.csv"}}, TABLE_COLUMNS, Places(folder))


def csv_folder(folder: Path) -> Written:
    """Two files, one of them compressed, in another encoding and with another delimiter."""
    (folder / "labs").mkdir()
    rows = table_rows()
    (folder / "labs" / "a.csv").write_text(csv_text(rows[:20], delimiter=";"), "latin-1")
    (folder / "labs" / "b.csv.gz").write_bytes(gzip.compress(csv_text(rows[20:], delimiter=";").encode("latin-1")))
    (folder / "labs" / "_SUCCESS").write_text("")
    source = {"path": "labs", "delimiter": ";", "encoding": "latin-1"}
    return Written({"csv": source}, TABLE_COLUMNS, Places(folder))


def parquet_file(folder: Path) -> Written:
    (folder / "labs.parquet").write_bytes(parquet_bytes(row_group_size=7))
    return Written({"parquet": {"path": "labs.parquet"}}, TABLE_COLUMNS, Places(folder))


def parquet_folder(folder: Path) -> Written:
    (folder / "labs").mkdir()
    rows = table_rows()
    (folder / "labs" / "part-0.parquet").write_bytes(parquet_bytes(rows[:31]))
    (folder / "labs" / "part-1.parquet").write_bytes(parquet_bytes(rows[31:], use_dictionary=True))
    return Written({"parquet": {"path": "labs/"}}, TABLE_COLUMNS, Places(folder))


QUERY = "SELECT *, '50 %' AS \"a:colon\" FROM labs ORDER BY area DESC"


def write_labs(engine: sa.Engine) -> None:
    """The table in a database."""
    labs = sa.Table(
        "labs",
        sa.MetaData(),
        *(sa.Column(name, sa.Double if name in {"radius_cm", "mean texture", "area"} else sa.Text) for name in HEADER),
    )
    labs.create(engine)
    with engine.begin() as connection:
        connection.execute(labs.insert(), [dict(zip(HEADER, row, strict=True)) for row in table_rows()])


def sqlite(folder: Path) -> Written:
    engine = sa.create_engine(f"sqlite:///{folder}/clinic.db")
    write_labs(engine)
    engine.dispose()
    source = {"url": "sqlite:///clinic.db", "query": QUERY}
    return Written({"sql": source}, TABLE_COLUMNS, Places(folder), ids=tuple(sorted(PATIENTS.ids)))


def in_postgresql(folder: Path, port: int, user: str, password: str, **source: Any) -> tuple[dict[str, Any], Places]:
    """A source of the database on that port, and the credentials for it."""
    secret = folder / "secrets" / "clinic-db"
    secret.mkdir(parents=True, exist_ok=True)
    (secret / "username").write_text(user)
    (secret / "password").write_text(f"{password}\n")
    chosen = {"url": f"postgresql://localhost:{port}/postgres"} | source
    return chosen, Places(credentials=folder / "secrets")


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


BUCKET = "clinic"


def in_bucket(folder: Path, endpoint: str, **objects: bytes) -> tuple[dict[str, Any], Places]:
    """Objects of these names (``labs__a_csv`` is ``labs/a.csv``) behind an S3 API, and the credentials for it."""
    secret = folder / "secrets" / "clinic-s3"
    secret.mkdir(parents=True, exist_ok=True)
    (secret / "accessKeyId").write_text("key")
    (secret / "secretAccessKey").write_text("a secret")
    store = fs.S3FileSystem(access_key="key", secret_key="a secret", endpoint_override=endpoint, region="us-east-1")
    for name, content in objects.items():
        with store.open_output_stream(f"{BUCKET}/{name.replace('__', '/').replace('_', '.')}") as out:
            out.write(content)
    return {"objectStore": {"endpoint": endpoint}}, Places(credentials=folder / "secrets")


LOCAL: dict[str, Callable[[Path], Written]] = {
    "builtin": builtin,
    "csv": csv_file,
    "csv folder": csv_folder,
    "parquet": parquet_file,
    "parquet folder": parquet_folder,
    "sqlite": sqlite,
    "fhir": fhir,
    "omop": omop,
}


def expected(written: Written) -> tuple[np.ndarray, np.ndarray]:
    """x and y in the order in which the source has its patients."""
    by_id = dict(zip(PATIENTS.ids, PATIENTS.values, strict=True)) | {
        str(NUMBERS[patient]): values for patient, values in zip(PATIENTS.ids, PATIENTS.values, strict=True)
    }
    values = np.array([by_id[patient] for patient in written.ids])
    return values[:, :-1], values[:, -1]
