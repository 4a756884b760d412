"""Where a cohort's rows come from, and which of its columns is which feature: the hospital's own half of the data.

A source says where; the mapping says what each column, code or concept means and in which unit it is kept. A password
is in neither: a source names a Secret. Everything is read, nothing is ever written.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from consilia import patterns
from consilia.document import Document
from consilia.experiment import FeatureName, require_unique
from consilia.pod import Url

ColumnName = Annotated[str, Field(min_length=1, max_length=256)]
ObjectName = Annotated[str, Field(pattern=patterns.SUBDOMAIN, max_length=253)]
DataPath = Annotated[str, Field(pattern=patterns.DATA_PATH, max_length=1024)]
Query = Annotated[str, Field(min_length=1, max_length=16384)]
SchemaName = Annotated[str, Field(pattern=patterns.SQL_NAME, max_length=63)]

_PASSWORD = re.compile("(?i)(password|passwd|pwd)[0-9]?=")
"""As drivers take one in a url."""
_SCHEME = re.compile(r"^[a-z0-9+]+://")


def _goes_up(path: str) -> bool:
    return ".." in path.split("/")


class BuiltinSource(Document):
    """One shard of a public dataset that comes with Consilia, as if it were a hospital's own."""

    dataset: Literal["breast-cancer"] = Field(description="Breast Cancer Wisconsin (569 rows, 30 features).")
    shard: int = Field(ge=0, le=499, description="Which of the shards, from 0.")
    of: int = Field(ge=1, le=500, description="How many shards there are.")
    alpha: float = Field(0.5, gt=0, le=1e6, description="Dirichlet concentration over the label: small means skewed.")
    seed: int = Field(42, ge=0, le=2**32 - 1, description="Seed of the test split and of the shards.")

    @model_validator(mode="after")
    def _shard_exists(self) -> Self:
        if self.shard >= self.of:
            raise ValueError(f"shard {self.shard} does not exist: of {self.of} shards the last is {self.of - 1}")
        return self


class ObjectStore(Document):
    """How a path that begins with s3:// is reached."""

    endpoint: Url | None = Field(None, description="The server's address. Default: Amazon's own.")
    region: Annotated[str, Field(pattern=patterns.LABEL, max_length=63)] = Field(
        "us-east-1", description="The region that requests are signed for."
    )


class _Files(Document):
    """What all sources of files have in common."""

    path: DataPath = Field(
        description="A file, or a folder whose files of this kind are read together in the order of their names; "
        "within the claim, or beside the manifest on one machine. Or s3://bucket/key."
    )
    claim: ObjectName | None = Field(
        None,
        description="The PersistentVolumeClaim with the files, in the cohort's namespace; it is mounted read-only. "
        "On one machine there are no claims, and it says nothing.",
    )
    object_store: ObjectStore | None = Field(None, description="How a path that begins with s3:// is reached.")

    @property
    def remote(self) -> bool:
        """Whether the path is of an object store."""
        return _SCHEME.match(self.path) is not None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.remote and self.claim is not None:
            raise ValueError(f'path "{self.path}" is of an object store, and claim names a volume: leave one out')
        if self.object_store is not None and not self.remote:
            raise ValueError(f'objectStore is given, and path "{self.path}" does not begin with s3://: leave one out')
        if _goes_up(self.path):
            raise ValueError(f'path "{self.path}" goes up by "..": name it from the folder on that holds the data')
        return self


class CsvSource(_Files):
    """Tables in comma-separated text with a header (RFC 4180), one row a patient."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = Field(
        ",", description="What stands between two values."
    )
    encoding: Annotated[str, Field(pattern=patterns.ENCODING, max_length=32)] = Field(
        "utf-8", description="The text's encoding, such as utf-8 or latin-1."
    )
    decimal: Literal[".", ","] = Field(
        ".", description="What stands before the decimals of a number. With a comma, points within numbers are refused."
    )

    @model_validator(mode="after")
    def _numbers_stay_whole(self) -> Self:
        if self.decimal == self.delimiter:
            raise ValueError(f'decimal "{self.decimal}" is the delimiter as well: give the two that the file has')
        return self


class ParquetSource(_Files):
    """Tables in Apache Parquet, one row a patient."""


class _Database(Document):
    """What sources that SQLAlchemy reads have in common."""

    url: Annotated[str, Field(pattern=patterns.DATABASE_URL, max_length=512)] = Field(
        description="The database as SQLAlchemy names it, postgresql://host:5432/name or sqlite:///file, without a "
        "user and a password. A PostgreSQL may be followed by ?sslmode=require, verify-ca or verify-full, to demand "
        "TLS; the last two check its certificate against ca.crt of the credentials."
    )
    claim: ObjectName | None = Field(
        None, description="For SQLite: the PersistentVolumeClaim with the file, in the cohort's namespace."
    )

    @model_validator(mode="after")
    def _one_database(self) -> Self:
        if self.claim is not None and not self.url.startswith("sqlite:"):
            raise ValueError(f'claim names a volume, and url "{self.url}" is no file of SQLite: leave claim out')
        if _goes_up(self.url):
            raise ValueError(f'url "{self.url}" goes up by "..": name the file from the folder on that holds the data')
        return self


class SqlSource(_Database):
    """What a query of a database gives, one row a patient."""

    query: Query = Field(description="One SELECT. It is run in a transaction that can read alone.")


class JdbcSource(Document):
    """What a query of a database gives, one row a patient, read by Spark's executors in parallel."""

    url: Annotated[str, Field(pattern=patterns.JDBC_URL, max_length=512)] = Field(
        description="The database as JDBC names it, jdbc:postgresql://host:5432/name, without a user and a password."
    )
    query: Query = Field(description="One SELECT.")
    partition_column: ColumnName | None = Field(
        None, description="A column of whole numbers by which the rows are divided among executors."
    )
    lower_bound: int | None = Field(None, description="Of that column: where the first part ends, about.")
    upper_bound: int | None = Field(None, description="Of that column: where the last part begins, about.")
    partitions: int = Field(1, ge=1, le=10_000, description="How many parts are read side by side.")

    @model_validator(mode="after")
    def _no_password(self) -> Self:
        if _PASSWORD.search(self.url):
            raise ValueError("url holds a password: put username and password into the Secret that credentials names")
        return self

    @model_validator(mode="after")
    def _parts_are_told(self) -> Self:
        told = [each is not None for each in (self.partition_column, self.lower_bound, self.upper_bound)]
        if any(told) and not all(told):
            raise ValueError("partitionColumn, lowerBound and upperBound go together: give all three or none")
        if self.partitions > 1 and not any(told):
            raise ValueError(f"{self.partitions} partitions need partitionColumn, lowerBound and upperBound")
        if self.lower_bound is not None and self.upper_bound is not None and self.upper_bound <= self.lower_bound:
            raise ValueError(
                f"upperBound {self.upper_bound} is at or below lowerBound {self.lower_bound}: swap or mend them"
            )
        return self


class FhirSource(_Files):
    """FHIR R4 resources as a Bulk Data export writes them (NDJSON): Patient, Observation, Condition; one row a
    patient."""


class OmopSource(_Database):
    """Tables of the OMOP Common Data Model 5.4 in a database: person, measurement, condition_occurrence; one row a
    person."""

    db_schema: SchemaName | None = Field(
        None, alias="schema", description="The schema that holds the tables. Default: the database's own."
    )


KINDS = ("builtin", "csv", "parquet", "sql", "jdbc", "fhir", "omop")
"""The sources there are, by the names of their fields."""


class Source(Document):
    """Where a cohort's rows come from: exactly one of these."""

    builtin: BuiltinSource | None = Field(None, description="One shard of a public dataset that comes with Consilia.")
    csv: CsvSource | None = Field(None, description="Comma-separated text.")
    parquet: ParquetSource | None = Field(None, description="Apache Parquet.")
    sql: SqlSource | None = Field(None, description="A query of a database.")
    jdbc: JdbcSource | None = Field(None, description="A query of a database, read by Spark (engine: spark).")
    fhir: FhirSource | None = Field(None, description="FHIR R4 resources as NDJSON.")
    omop: OmopSource | None = Field(None, description="A database in the OMOP Common Data Model.")
    credentials: ObjectName | None = Field(
        None,
        description="The Secret with what the source asks for, in the cohort's namespace: username and password, or "
        "accessKeyId, secretAccessKey and, where there is one, sessionToken; with either, ca.crt, the authority that "
        "the server's certificate has to be of. On one machine: the folder of that name under CONSILIA_CREDENTIALS.",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise ValueError(f"a source is one of {', '.join(KINDS)}, and {found} is given: name one")
        return self

    @property
    def kind(self) -> str:
        """Which of :data:`KINDS` it is."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def claim(self) -> str | None:
        """The PersistentVolumeClaim that it reads, if it reads one."""
        chosen = getattr(self, self.kind)
        return getattr(chosen, "claim", None)

    @property
    def reads_files(self) -> bool:
        """Whether it reads files of a file system: of a claim, or beside the manifest on one machine."""
        if self.files is not None:
            return not self.files.remote
        database = self.sql or self.omop
        return database is not None and database.url.startswith("sqlite:")

    @property
    def files(self) -> CsvSource | ParquetSource | FhirSource | None:
        """The source of files that it is, if it is one."""
        return self.csv or self.parquet or self.fhir


class ColumnMapping(Document):
    """How the hospital keeps one feature, or the label."""

    name: FeatureName = Field(description="The feature's name in the federation, or the label's.")
    column: ColumnName | None = Field(None, description="The table's column. Default: of the same name.")
    code: Annotated[str, Field(pattern=patterns.CODE, max_length=64)] | None = Field(
        None, description="In FHIR the code of the Observations, LOINC's by default; in OMOP the measurement's concept."
    )
    unit: Annotated[str, Field(pattern=patterns.UNIT, max_length=64)] | None = Field(
        None,
        description="The unit of the values as they are kept; they are converted to the federation's. Default: that.",
    )
    molar_mass: float | None = Field(
        None, gt=0, le=1e7, description="Grams a mole, to convert between mass and amount (mg/dL to mmol/L)."
    )
    impute: float | None = Field(
        None,
        description="A public value, in the federation's unit, in place of one that is missing. Default: the row is "
        "left out.",
    )
    positive: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None,
        description="The text, or the number, that means 1; any other that is there means 0. For a label, or a "
        "feature, that is kept as one of two words.",
    )
    present: bool = Field(
        False, description="For the label, in FHIR and OMOP: 1 where the patient has a condition of this code, else 0."
    )
    choose: Literal["latest", "earliest", "mean"] = Field(
        "latest", description="In FHIR and OMOP: which of several values of a patient counts."
    )


class TableMapping(Document):
    """Which of the hospital's columns is which feature."""

    patient: ColumnName = Field(
        "patient_id", description="The column that tells patients apart. It decides who is held out and never leaves."
    )
    columns: list[ColumnMapping] = Field(
        default_factory=list, max_length=2001, description="Features that are not kept as the federation names them."
    )

    @model_validator(mode="after")
    def _mapped_once(self) -> Self:
        require_unique([column.name for column in self.columns], "columns", "feature")
        return self

    def of(self, name: str) -> ColumnMapping:
        """The mapping of a feature or the label; its own name where nothing is said of it."""
        found = next((column for column in self.columns if column.name == name), None)
        return found or ColumnMapping(name=name)
