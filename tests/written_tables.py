"""The same patients written in every form that a source reads: files, databases, an object store."""

import csv
import gzip
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
