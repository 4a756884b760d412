"""Where an MLflow server keeps its runs and its artifacts: in a folder, or in a PostgreSQL and behind an S3 API.

The database's address holds a password, so it comes from a file and is quoted nowhere. The S3 API's credentials are
boto3's business: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and AWS_DEFAULT_REGION in the environment.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from consilia.errors import InvalidSetting, Unavailable

CONNECT_SECONDS = 10
"""How long a database may take to let us in."""

SHAPE = "it must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with / ? # @ and : of a password percent-encoded"

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")

_S3 = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s?#]*)?")


@dataclass(frozen=True)
class Stores:
    """``database`` is an address as SQLAlchemy knows them, ``artifacts`` a folder or an ``s3://`` address."""

    database: str
    artifacts: str

    @classmethod
    def of(cls, folder: Path, database_file: Path | None, artifacts: str | None) -> "Stores":
        """In ``folder``, but for what is given. Raises :class:`InvalidSetting`."""
        kept = folder.resolve()
        if artifacts is not None and not _S3.fullmatch(artifacts):
            raise InvalidSetting(
                f"MLflow's artifacts cannot go to {artifacts!r}: it must be s3://BUCKET or s3://BUCKET/FOLDER"
            )
        return cls(
            database=f"sqlite:///{kept / 'mlflow.db'}" if database_file is None else _address(database_file),
            artifacts=artifacts or str(kept / "artifacts"),
        )

    def require(self) -> None:
        """See that the database lets us in, before the seconds of import. Raises :class:`Unavailable`."""
        if self.database.startswith("sqlite:"):
            return
        import psycopg  # noqa: PLC0415 - only an image that may need it has it

        try:
            psycopg.connect(self.database, connect_timeout=CONNECT_SECONDS).close()
        except psycopg.ProgrammingError:
            raise InvalidSetting(
                f"the address of MLflow's database has a part that PostgreSQL does not know; {SHAPE}"
            ) from None
        except psycopg.OperationalError as error:
            # Of an address that could be taken apart, libpq tells host, port, user and cause, and never the password.
            raise Unavailable(f"MLflow's database does not let it in: {' '.join(str(error).split())}") from None


def _address(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"the address of MLflow's database cannot be read from {file}: {error}") from error
    if not _is_postgresql(text):
        # The text is not quoted: whatever it is, somebody took it for an address with a password.
        raise InvalidSetting(f"{file} holds no address of a PostgreSQL: {SHAPE}")
    # Without a driver's name SQLAlchemy takes its default, which is the one that is here.
    return "postgresql://" + text.partition("://")[2]


def _is_postgresql(text: str) -> bool:
    try:
        parts = urlsplit(text)
        # Reading the port tells a password that cuts the address in two.
        return parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0 and len(parts.path) > 1
    except ValueError:
        return False
