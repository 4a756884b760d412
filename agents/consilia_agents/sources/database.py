"""A database that is read and nothing else: PostgreSQL in a read-only transaction, SQLite by a file opened read-only.

What a server or a driver says may quote a query's values, an address or a password, so it is looked at and never passed
on: each failure is a sentence of ours, by its SQLSTATE where there is one.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import sqlalchemy
from psycopg.types.string import TextLoader
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from consilia.errors import ConsiliaError
from consilia.spec import CohortSpec
from consilia_agents.sources.database_errors import postgresql_problem, sqlite_problem
from consilia_agents.sources.files import no_such_file
from consilia_agents.sources.places import AUTHORITY, Credentials, Places

CONNECT_SECONDS = 10
VERIFYING = {"verify-ca", "verify-full"}
SILENT_SECONDS = 60
"""After so long without a sign of the server's machine, the connection is given up."""

_TIMES = ("date", "time", "timetz", "timestamp", "timestamptz", "interval")
_PRAGMAS = {"table_info", "table_xinfo", "table_list", "database_list", "read_uncommitted"}
"""What SQLAlchemy asks with; none of them writes."""
_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_READS |= {sqlite3.SQLITE_TRANSACTION}


@dataclass(frozen=True)
class Database:
    """The database of a cohort's source, named without a user and a password."""

    hospital: str
    url: URL
    credentials: Credentials
    places: Places

    @classmethod
    def of(cls, cohort: CohortSpec, url: str, places: Places) -> "Database":
        """The database at ``url``."""
        credentials = Credentials(cohort.hospital, cohort.source.credentials, places)
        return cls(cohort.hospital, make_url(url), credentials, places)

    @property
    def sqlite(self) -> bool:
        """Whether it is a file."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def named(self) -> str:
        """As sentences call it."""
        if self.sqlite:
            return f'hospital {self.hospital}: the database "{self.url.database}"'
        port = f":{self.url.port}" if self.url.port else ""
        return f'hospital {self.hospital}: the database "{self.url.database}" at {self.url.host}{port}'

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in a transaction that sees one state of the database, and can read alone.

        Raises :class:`consilia.errors.InvalidData` for what is decided and :class:`consilia.errors.Unavailable` for
        what may come back.
        """
        engine = self._engine()
        try:
            with engine.connect() as plain:
                yield plain.execution_options(**self._options)
        except (DBAPIError, psycopg.Error, sqlite3.Error) as error:
            raise self.problem(error) from None
        finally:
            engine.dispose()

    def problem(self, error: Exception) -> ConsiliaError:
        """What an error of the driver's means."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(cause, psycopg.Error):
            return postgresql_problem(self.named, cause)
        if isinstance(cause, sqlite3.Error):
            return sqlite_problem(self.named, cause)
        raise error

    @property
    def _options(self) -> dict[str, Any]:
        if self.sqlite:
            return {}
        return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

    @property
    def _tls(self) -> dict[str, str]:
        """Of libpq: TLS where the server offers it, unless the url demands it or there is an authority to check."""
        told = self.url.query.get("sslmode")
        authority = self.credentials.file(AUTHORITY)
        if authority is None and told in VERIFYING:
            self.credentials.required(AUTHORITY)
        if told is None and authority is None:
            return {}
        mode = {"sslmode": str(told or "verify-full"), "gssencmode": "disable"}  # Kerberos would do instead of TLS
        return mode | ({"sslrootcert": authority} if authority is not None else {})

    def _engine(self) -> Any:
        if self.sqlite:
            file = self.places.inside(self.hospital, self.url.database or "")
            if not file.is_file():
                raise no_such_file(self.hospital, self.url.database or "")
            return sqlalchemy.create_engine("sqlite://", creator=lambda: _opened(file), poolclass=NullPool)
        url = URL.create(
            "postgresql+psycopg",
            self.credentials.required("username"),
            self.credentials.required("password"),
            self.url.host,
            self.url.port,
            self.url.database,
        )
        settings = {
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "consilia",
            # Before any transaction, so that none of this connection's writes.
            "options": "-c default_transaction_read_only=on -c datestyle=ISO",
            "client_encoding": "UTF8",
            "keepalives_idle": SILENT_SECONDS // 2,
            "keepalives_interval": SILENT_SECONDS // 6,
            "keepalives_count": 3,
            "tcp_user_timeout": SILENT_SECONDS * 1000,
            **self._tls,
        }
        engine = sqlalchemy.create_engine(url, connect_args=settings, poolclass=NullPool)
        sqlalchemy.event.listen(engine, "connect", _with_times_as_texts)
        return engine


def _with_times_as_texts(connection: Any, _: Any) -> None:
    """Python has no infinity of times, nor years before Christ: a column that nobody asks for may have them."""
    for kind in _TIMES:
        connection.adapters.register_loader(kind, TextLoader)


def _opened(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, check_same_thread=False)
    connection.set_authorizer(_reads_alone)
    return connection


def _reads_alone(action: int, first: str | None, *_: str | None) -> int:
    """SQLite's authorizer: a file opened read-only could still attach one that is not."""
    reads = action in _READS or (action == sqlite3.SQLITE_PRAGMA and first in _PRAGMAS)
    return sqlite3.SQLITE_OK if reads else sqlite3.SQLITE_DENY
