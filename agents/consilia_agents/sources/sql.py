"""What a query of a database gives, streamed by a cursor of the server's, one row a patient.

A database promises no order of its rows, so they are sorted by patient: two looks at the same rows are the same table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy.engine import Connection, CursorResult

from consilia.data_source import SqlSource
from consilia.errors import InvalidData
from consilia.experiment import Features
from consilia.spec import CohortSpec
from consilia_agents.sources.database import Database
from consilia_agents.sources.database_errors import postgresql_problem
from consilia_agents.sources.extract import Extract, Progress, untold
from consilia_agents.sources.mapped import Mapped
from consilia_agents.sources.places import Places
from consilia_agents.sources.records import Records, Share
from consilia_agents.sources.values import add_rows, no_identity, no_number

BATCH_ROWS = 5000
_GUESS_ROWS = 100_000
_EXPLAIN = "EXPLAIN (FORMAT JSON) "

_NO_NUMBERS = {
    17: "bytea",
    114: "json",
    1082: "date",
    1083: "time",
    1114: "timestamp",
    1184: "timestamptz",
    1186: "interval",
    2950: "uuid",
    3802: "jsonb",
}
"""PostgreSQL's types that no value of is a number, by their object identifiers (``pg_type.dat``)."""
_UUID = 2950
_NO_IDENTITIES = {oid: name for oid, name in _NO_NUMBERS.items() if oid != _UUID} | {
    700: "real",
    701: "double precision",
}


@dataclass(frozen=True)
class SqlQuery:
    """See :class:`consilia_agents.sources.extract.DataSource`."""

    cohort: CohortSpec
    source: SqlSource
    places: Places

    def columns(self) -> tuple[str, ...]:
        """See :class:`consilia_agents.sources.extract.DataSource`."""
        with self._database.reading() as connection, self._result(connection) as result:
            return tuple(result.keys())

    def extract(self, features: Features, progress: Progress = untold) -> Extract:
        """See :class:`consilia_agents.sources.extract.DataSource`."""
        mapped = Mapped.of(self.cohort, features)
        records, share = Records(mapped), Share(progress)
        with self._database.reading() as connection:
            expected = self._expected(connection)
            with self._result(connection) as result:
                self._require(mapped, result)
                names, done = list(result.keys()), 0
                for rows in result.partitions(BATCH_ROWS):
                    add_rows(records, mapped, names, rows)
                    done += len(rows)
                    share.tell(done, expected or done + _GUESS_ROWS)
        extract = records.extract(in_order_of_patients=True)
        share.finish()
        return extract

    def stamp(self) -> str | None:
        """See :class:`consilia_agents.sources.extract.DataSource`: only reading tells."""
        return None

    @property
    def _database(self) -> Database:
        return Database.of(self.cohort, self.source.url, self.places)

    def _result(self, connection: Connection) -> CursorResult[Any]:
        # Without parameters, so that a percent sign and a colon are the query's own.
        streamed = connection.execution_options(stream_results=True, max_row_buffer=BATCH_ROWS, no_parameters=True)
        result = streamed.exec_driver_sql(self.source.query)
        if not result.returns_rows:
            raise InvalidData(f"{self._database.named}: the query gives no rows: it must be one SELECT")
        return result

    def _expected(self, connection: Connection) -> int | None:
        """How many rows PostgreSQL thinks will come; None where nobody knows."""
        if self._database.sqlite:
            return None
        cursor: Any = connection.connection.cursor()
        try:
            # Binary, for what is asked for so is one statement and no more.
            cursor.execute(_EXPLAIN + self.source.query, binary=True)
            plan = cursor.fetchone()
        except psycopg.Error as error:
            raise postgresql_problem(self._database.named, error, len(_EXPLAIN)) from None
        finally:
            cursor.close()
        found = plan[0][0]
        if "Plan" not in found:  # "Utility Statement", a text: some commands can be explained too
            raise InvalidData(f"{self._database.named}: the query is no single SELECT; mend it")
        return max(1, int(found["Plan"]["Plan Rows"]))

    def _require(self, mapped: Mapped, result: CursorResult[Any]) -> None:
        names = list(result.keys())
        mapped.require(names, " in what source.sql.query gives")
        if self._database.sqlite:
            return
        description: Sequence[Any] = result.cursor.description if result.cursor is not None else ()
        types = {each[0]: each[1] for each in description}
        for column in mapped.columns:
            if types[column.column] in _NO_NUMBERS:
                raise no_number(column, _NO_NUMBERS[types[column.column]], mapped.hospital)
        kind = types[mapped.patient]
        if kind in _NO_IDENTITIES and kind != _UUID:
            raise no_identity(mapped.patient, _NO_IDENTITIES[kind], mapped.hospital)
