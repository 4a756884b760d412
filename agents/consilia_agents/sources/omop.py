"""OMOP Common Data Model 5.4: persons, with their measurements by concept and their conditions, one row a person.

A feature is the number of the measurements of a concept, whether there is a condition of a concept, or a column of
``person``. A value below or above something (``operator_concept_id``) counts as missing, and no older one in its
place. A concept is that very one, not those below it. See https://ohdsi.github.io/CommonDataModel/cdm54.html.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from consilia.data_source import OmopSource
from consilia.errors import InvalidData
from consilia.experiment import Features
from consilia.spec import CohortSpec
from consilia_agents.sources.database import Database
from consilia_agents.sources.extract import Extract, Progress, untold
from consilia_agents.sources.mapped import Column, Mapped, own_unit
from consilia_agents.sources.moments import Chosen, moment
from consilia_agents.sources.places import Places
from consilia_agents.sources.records import Records, Share
from consilia_agents.sources.values import id_of, number_of, numbers_of_rows

BATCH_ROWS = 5000
EQUALS = {None, 0, 4172703}
"""The operators of a value that is the value itself (Athena: 4172703 is ``=``)."""
HIGHEST_CONCEPT = 2**31 - 1
"""Concepts are integers of 32 bits."""
UNIT_SPELT = "UCUM"
_MEASUREMENT = (
    "measurement_id",
    "person_id",
    "measurement_concept_id",
    "measurement_date",
    "measurement_datetime",
    "operator_concept_id",
    "value_as_number",
    "value_as_concept_id",
    "unit_concept_id",
    "unit_source_value",
)


@dataclass(frozen=True)
class OmopTables:
    """See :class:`consilia_agents.sources.extract.DataSource`."""

    cohort: CohortSpec
    source: OmopSource
    places: Places

    def columns(self) -> tuple[str, ...]:
        """What ``person`` has, and the concepts that the mapping names: which others there are, patients decide."""
        with self._database.reading() as connection:
            tables = _Tables(connection, self._database.named, self.source.db_schema)
            codes = (column.code for column in self.cohort.mapping.columns if column.code is not None)
            return (*tables.names("person"), *dict.fromkeys(codes))

    def extract(self, features: Features, progress: Progress = untold) -> Extract:
        """See :class:`consilia_agents.sources.extract.DataSource`."""
        mapped = Mapped.of(self.cohort, features)
        concepts = {column.name: _concept_of(mapped.hospital, column) for column in mapped.columns if column.code}
        share = Share(progress)
        with self._database.reading() as connection:
            tables = _Tables(connection, self._database.named, self.source.db_schema)
            reader = _Reader(mapped, concepts, tables)
            for done, step in enumerate((reader.read_persons, reader.read_measurements, reader.read_conditions)):
                step()
                share.tell(done + 1, 4)
        extract = reader.finish().extract(in_order_of_patients=True)
        share.finish()
        return extract

    def stamp(self) -> str | None:
        """See :class:`consilia_agents.sources.extract.DataSource`: only reading tells."""
        return None

    @property
    def _database(self) -> Database:
        return Database.of(self.cohort, self.source.url, self.places)


class _Tables:
    """The tables that are asked for, each with the columns that it has."""

    def __init__(self, connection: Connection, named: str, schema: str | None) -> None:
        self._connection = connection
        self._named = named
        self._schema = schema

    def names(self, table: str) -> tuple[str, ...]:
        """The columns of a table. Raises :class:`consilia.errors.InvalidData` where it is not there."""
        found = self._found(table)
        if not found:
            where = f' in schema "{self._schema}"' if self._schema else ""
            raise InvalidData(f"{self._named} has no table {table}{where}: it is no OMOP 5.4, or mend schema")
        return found

    def has(self, table: str) -> bool:
        """Whether it is there."""
        return bool(self._found(table))

    def of(self, table: str, columns: Sequence[str]) -> Any:
        """A table with these columns. Raises :class:`consilia.errors.InvalidData` where one of them is not there."""
        there = self.names(table)
        for column in columns:
            if column not in there:
                raise InvalidData(f"{self._named} has no column {column} in table {table}: it is no OMOP 5.4")
        return sa.table(table, *(sa.column(name) for name in columns), schema=self._schema)

    def rows(self, query: Any) -> Iterator[Any]:
        """What a query gives, in batches."""
        streamed = self._connection.execution_options(stream_results=True, max_row_buffer=BATCH_ROWS)
        with streamed.execute(query) as result:
            yield from result.partitions(BATCH_ROWS)

    def _found(self, table: str) -> tuple[str, ...]:
        inspector = sa.inspect(self._connection)
        if not inspector.has_table(table, schema=self._schema):
            return ()
        return tuple(column["name"] for column in inspector.get_columns(table, schema=self._schema))


class _Reader:
    def __init__(self, mapped: Mapped, concepts: dict[str, int], tables: _Tables) -> None:
        self._mapped = mapped
        self._concepts = concepts
        self._tables = tables
        self._records = Records(mapped)
        self._ids: list[str] = []
        self._rows: dict[Any, int] = {}
        self._columns: list[Any] = [[] for _ in mapped.columns]
        self._chosen = [Chosen(column.choose) for column in mapped.columns]

    def read_persons(self) -> None:
        """Everybody, and what is mapped of the table itself."""
        own = [(at, column) for at, column in enumerate(self._mapped.columns) if not column.code]
        there = self._tables.names("person")
        for _, column in own:
            if column.column not in there:
                raise InvalidData(
                    f'hospital {self._mapped.hospital} has no column "{column.column}" in table person: give '
                    f'"{column.name}" the code of a measurement\'s concept, or map the column'
                )
        names = list(dict.fromkeys(["person_id", *(column.column for _, column in own)]))
        person = self._tables.of("person", names)
        known = sa.select(person).where(person.c.person_id.is_not(None)).order_by(person.c.person_id)
        for rows in self._tables.rows(known):
            for row in rows:
                self._rows[row.person_id] = len(self._ids)
                self._ids.append(str(id_of(row.person_id, "person_id", self._mapped.hospital)))
            for at, column in own:
                place = names.index(column.column)
                values, unreadable = numbers_of_rows([row[place] for row in rows], column)
                self._records.count(column.name, unreadable)
                self._columns[at].append(values)

    def read_measurements(self) -> None:
        """The numbers of the concepts that are asked for, in the order of their keys."""
        asked: dict[int, list[int]] = {}
        for at, column in enumerate(self._mapped.columns):
            if column.code and not column.present:
                asked.setdefault(self._concepts[column.name], []).append(at)
        if not asked:
            return
        for rows in self._tables.rows(self._measurements(list(asked))):
            for row in rows:
                for at in asked[row.measurement_concept_id] if row.person_id in self._rows else ():
                    self._measured(at, row)

    def read_conditions(self) -> None:
        """Who has the conditions that are asked for."""
        asked: dict[int, list[int]] = {}
        for at, column in enumerate(self._mapped.columns):
            if column.present:
                asked.setdefault(self._concepts[column.name], []).append(at)
        if not asked:
            return
        condition = self._tables.of("condition_occurrence", ["person_id", "condition_concept_id"])
        query = sa.select(condition).where(condition.c.condition_concept_id.in_(list(asked))).distinct()
        for rows in self._tables.rows(query):
            for row in rows:
                for at in asked[row.condition_concept_id] if row.person_id in self._rows else ():
                    self._chosen[at].put(self._rows[row.person_id], 1.0, math.nan)

    def finish(self) -> Records:
        """All persons with their values."""
        columns = []
        for at, column in enumerate(self._mapped.columns):
            if not column.code:
                columns.append(np.concatenate([*self._columns[at], np.zeros(0)]))
            else:
                values = self._chosen[at].values(len(self._ids))
                self._records.bound(column.name, int(self._chosen[at].bounds(len(self._ids)).sum()))
                columns.append((values > 0).astype(np.float64) if column.present else values)
        self._records.add(self._ids, columns)
        return self._records

    def _measurements(self, concepts: list[int]) -> Any:
        names = ["measurement_id", "person_id", "measurement_concept_id", "measurement_date", "measurement_datetime"]
        names += [
            "operator_concept_id",
            "value_as_number",
            "value_as_concept_id",
            "unit_concept_id",
            "unit_source_value",
        ]
        found = self._tables.of("measurement", names)
        unit: Any = sa.literal(None)
        source: Any = found
        if self._tables.has("concept"):
            concept = self._tables.of("concept", ["concept_id", "concept_code", "vocabulary_id"])
            known = (concept.c.concept_id == found.c.unit_concept_id) & (concept.c.vocabulary_id == UNIT_SPELT)
            source, unit = found.outerjoin(concept, known), concept.c.concept_code
        return (
            sa.select(found, unit.label("unit_code"))
            .select_from(source)
            .where(found.c.measurement_concept_id.in_(concepts))
            .order_by(found.c.measurement_id)
        )

    def _measured(self, at: int, row: Any) -> None:
        column = self._mapped.columns[at]
        bound = row.value_as_number is not None and row.operator_concept_id not in EQUALS
        value = math.nan if bound else _value(column, row)
        if value is None:
            self._records.count(column.name)
        elif bound or not math.isnan(value):
            when = moment(row.measurement_datetime)
            self._chosen[at].put(
                self._rows[row.person_id], value, moment(row.measurement_date) if math.isnan(when) else when
            )


def _concept_of(hospital: str, column: Column) -> int:
    if not column.column.isascii() or not column.column.isdigit() or int(column.column) > HIGHEST_CONCEPT:
        raise InvalidData(
            f'hospital {hospital} maps "{column.name}" to code "{column.column}", and in OMOP a code is the number '
            "of a concept: look it up in Athena"
        )
    return int(column.column)


def _value(column: Column, row: Any) -> float | None:
    """The value of a measurement, converted: NaN where there is none, None where it is no number."""
    if row.value_as_number is None:
        if not row.value_as_concept_id:
            return math.nan
        return None if column.positive is None else float(str(row.value_as_concept_id) == column.positive)
    value = number_of(row.value_as_number, column)
    conversion = own_unit(column, row.unit_code or row.unit_source_value)
    if value is None or conversion is None:
        return None
    return conversion.of(value) if column.positive is None else value
