"""A query of a database behind JDBC, read by Spark: in parts, where the source names a column to divide it by.

The driver's class is one of Java's, in Spark's jars. What it says may quote rows, so only its kind is told.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.errors import PySparkException

from consilia.data_source import JdbcSource
from consilia.errors import ConsiliaError, InvalidData, Unavailable
from consilia.spec import CohortSpec
from consilia_agents.holdout import Holdout
from consilia_agents.sources.mapped import Mapped
from consilia_agents.sources.places import Credentials, Places
from consilia_agents.sources.records import Records
from consilia_agents.sources.values import add_rows, no_identity, no_number
from consilia_agents.spark.blocks import SHIFT
from consilia_agents.spark.failures import text_of
from consilia_agents.spark.reading import drained
from consilia_agents.spark.session import Session

FETCH_ROWS = 10_000
DRIVERS = {"postgresql": "org.postgresql.Driver", "derby": "org.apache.derby.iapi.jdbc.AutoloadedDriver"}
_NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "boolean", "string", "void")
_IDENTITIES = ("tinyint", "smallint", "int", "bigint", "decimal", "string", "void")


@dataclass(frozen=True)
class JdbcQuery:
    """See :class:`consilia_agents.sources.extract.DataSource`, as far as Spark needs one."""

    cohort: CohortSpec
    source: JdbcSource
    places: Places

    def stamp(self) -> str | None:
        """Only reading tells."""
        return None

    def read(self, session: Session, mapped: Mapped, holdout: Holdout) -> Any:
        """The rows as an RDD of blocks, to be read. So far the database is only asked for the types of its columns."""
        try:
            table = self._table(session.sql())
        except (Py4JError, PySparkException) as error:
            if isinstance(error, Py4JNetworkError) or session.gone:
                raise  # nothing of the database: the session tells what it is
            raise self._problem(error) from error
        where = " in what source.jdbc.query gives"
        mapped.require(table.columns, where)
        # Two columns of a table may be of one name, but not of those that are needed.
        kinds = dict(table.dtypes)
        for column in mapped.columns:
            if kinds[column.column].partition("(")[0] not in _NUMBERS:
                raise no_number(column, kinds[column.column], mapped.hospital, where)
        if kinds[mapped.patient].partition("(")[0] not in _IDENTITIES:
            raise no_identity(mapped.patient, kinds[mapped.patient], mapped.hospital, where)
        chosen = table.select(*(table[_quoted(name)] for name in mapped.needed))
        return chosen.rdd.mapPartitionsWithIndex(RowReader(mapped, holdout))

    def _table(self, sql: Any) -> Any:
        source = self.source
        options = {
            "url": source.url,
            "dbtable": f"({source.query}) consilia",
            "fetchsize": str(FETCH_ROWS),
            "numPartitions": str(source.partitions),
            "driver": DRIVERS.get(source.url.split(":")[1], ""),
        }
        if source.partition_column is not None:
            options["partitionColumn"] = source.partition_column
            options["lowerBound"], options["upperBound"] = str(source.lower_bound), str(source.upper_bound)
        credentials = Credentials(self.cohort.hospital, self.cohort.source.credentials, self.places)
        if credentials.secret is not None:
            options["user"], options["password"] = credentials.required("username"), credentials.required("password")
        if options["url"].startswith("jdbc:postgresql:"):
            # Said in the very transaction that the query is read in: Spark opens it before, and commits it at its end.
            options["sessionInitStatement"] = "SET TRANSACTION READ ONLY"
        reader = sql.read.format("jdbc")
        for name, value in options.items():
            if value:
                reader = reader.option(name, value)
        return reader.load()

    def _problem(self, error: Exception) -> ConsiliaError:
        said = text_of(error)
        database = f"hospital {self.cohort.hospital}: the database of source.jdbc"
        if "ClassNotFoundException" in said or "No suitable driver" in said:
            return InvalidData(
                f"{database} has no driver among Spark's jars: on Debian, apt-get install libpostgresql-jdbc-java"
            )
        if any(word in said for word in ("password authentication failed", "no password was provided", 'role "')):
            return InvalidData(f"{database} refuses the user or the password: mend the Secret in source.credentials")
        if any(
            word in said for word in ("Connection refused", "UnknownHost", "connection attempt failed", "timed out")
        ):
            return Unavailable(
                f"{database} does not answer: see whether it is up, and whether egress lets connections through"
            )
        if "does not exist" in said and 'database "' in said:
            return InvalidData(f"{database} is not there: mend the name at the end of source.jdbc.url")
        return InvalidData(f"{database} refuses source.jdbc.query: try it with the database's own client")


@dataclass(frozen=True)
class RowReader:
    """What a worker does with the rows that it is given."""

    mapped: Mapped
    holdout: Holdout

    def __call__(self, number: int, rows: Iterable[Any]) -> Iterator[bytes]:
        """A partition's records."""
        mapped, position, records = self.mapped, number << SHIFT, Records(self.mapped)
        for batch in _batches(rows):
            add_rows(records, mapped, mapped.needed, batch)
            whole = drained(records, mapped, self.holdout, position)
            position += len(whole)
            yield from whole.packed()


def _batches(rows: Iterable[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) == FETCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
