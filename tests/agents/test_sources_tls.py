"""TLS of a hospital's own servers, demanded and checked where it is asked for; a real PostgreSQL, a real S3 API."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from pyarrow import fs

from consilia.errors import InvalidData
from consilia.pki import Authority, make_authority
from consilia_agents.sources.places import Places
from refused_sources import refusal
from stores import PASSWORD, USER, postgresql, s3
from written_tables import (
    BUCKET,
    FEATURES,
    PATIENTS,
    QUERY,
    TABLE_COLUMNS,
    Written,
    csv_text,
    in_postgresql,
    write_labs,
)

pytestmark = pytest.mark.real


def fresh(name: str) -> Authority:
    return make_authority(name, datetime.now(UTC), days=30)


OWN, OTHER = fresh("the hospital"), fresh("somebody else")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with postgresql(OWN.issue(["localhost"], datetime.now(UTC))) as (address, port):
        engine = sa.create_engine(address.replace("postgresql://", "postgresql+psycopg://"))
        write_labs(engine)
        engine.dispose()
        yield port


@pytest.fixture(scope="module")
def plain_port() -> Iterator[int]:
    with postgresql() as (_, port):
        yield port


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with s3(BUCKET, OWN.issue(["localhost"], datetime.now(UTC))) as address:
        yield address


def in_server(folder: Path, port: int, mode: str = "", ca: bytes | None = None, host: str = "localhost") -> Written:
    source, places = in_postgresql(folder, port, USER, PASSWORD, query=QUERY)
    source["url"] = f"postgresql://{host}:{port}/postgres{mode}"
    if ca is not None:
        (folder / "secrets" / "clinic-db" / "ca.crt").write_bytes(ca)
    return Written({"sql": source, "credentials": "clinic-db"}, TABLE_COLUMNS, places)


ASKS_FOR_TLS = (
    'SELECT patient_id, CASE WHEN ssl THEN 1 ELSE 0 END AS radius_cm, "mean texture", area, diagnosis '
    "FROM labs, pg_stat_ssl WHERE pid = pg_backend_pid()"
)


@pytest.mark.parametrize(
    ("mode", "ca", "host"),
    [
        pytest.param("", OWN.cert_pem, "localhost", id="an authority alone"),
        pytest.param("?sslmode=verify-full", OWN.cert_pem, "localhost", id="all of it"),
        pytest.param("?sslmode=verify-ca", OWN.cert_pem, "127.0.0.1", id="whatever its name"),
        pytest.param("?sslmode=require", None, "localhost", id="whoever it is"),
        pytest.param("", None, "localhost", id="where there is TLS"),
    ],
)
def test_a_database_is_read_through_tls(tmp_path: Path, port: int, mode: str, ca: bytes | None, host: str) -> None:
    written = in_server(tmp_path, port, mode, ca, host)
    written.source["sql"]["query"] = ASKS_FOR_TLS
    found = written.read().extract(FEATURES)
    assert len(found) == len(PATIENTS)
    assert set(found.x[:, 0]) == {10.0}  # 1 cm in mm


@pytest.mark.parametrize(
    ("mode", "ca", "host", "said"),
    [
        pytest.param(
            "", OTHER.cert_pem, "localhost", " has a certificate that ran out, or that", id="another authority"
        ),
        pytest.param(
            "?sslmode=verify-ca", OTHER.cert_pem, "localhost", " has a certificate that ran out", id="another, by mode"
        ),
        pytest.param(
            "?sslmode=verify-full",
            OWN.cert_pem,
            "127.0.0.1",
            " has a certificate of another name than the source's url; mend either",
            id="another name",
        ),
        pytest.param("", b"no certificate", "localhost", ": ca.crt of the source's credentials is no", id="no PEM"),
    ],
)
def test_a_server_that_is_not_vouched_for_is_refused(
    tmp_path: Path, port: int, mode: str, ca: bytes, host: str, said: str
) -> None:
    sentence = refusal(in_server(tmp_path, port, mode, ca, host))
    assert sentence.startswith(f'hospital north: the database "postgres" at {host}:{port}{said}')


@pytest.mark.parametrize("mode", ["?sslmode=require", "?sslmode=verify-full"])
def test_a_server_without_tls_is_refused_where_it_is_demanded(tmp_path: Path, plain_port: int, mode: str) -> None:
    sentence = refusal(in_server(tmp_path, plain_port, mode, OWN.cert_pem))
    assert sentence.endswith(" offers no TLS, and the source demands it; have the server offer it")


def test_whoever_asks_to_verify_gives_an_authority(tmp_path: Path, port: int) -> None:
    assert refusal(in_server(tmp_path, port, "?sslmode=verify-full")) == (
        'hospital north: the key ca.crt of credentials "clinic-db" is missing: put it there'
    )


@pytest.mark.parametrize("blank", [b"", b"\n", b" \n\n"], ids=["empty", "a line's end", "blanks"])
@pytest.mark.parametrize("mode", ["", "?sslmode=verify-full"])
def test_an_authority_that_is_empty_does_not_let_through_whoever_answers(
    tmp_path: Path, plain_port: int, mode: str, blank: bytes
) -> None:
    said = 'hospital north: the key ca.crt of credentials "clinic-{}" is empty: put it there'
    assert refusal(in_server(tmp_path, plain_port, mode, blank)) == said.format("db")
    assert refusal(in_store(tmp_path, "https://localhost:1", blank)) == said.format("s3")


def in_store(folder: Path, store: str, ca: bytes | None) -> Written:
    secret = folder / "secrets" / "clinic-s3"
    secret.mkdir(parents=True)
    for key, value in (("accessKeyId", b"key"), ("secretAccessKey", b"a secret"), ("ca.crt", ca)):
        if value is not None:
            (secret / key).write_bytes(value)
    source: dict[str, Any] = {"path": f"s3://{BUCKET}/labs.csv", "objectStore": {"endpoint": store}}
    return Written({"csv": source, "credentials": "clinic-s3"}, TABLE_COLUMNS, Places(credentials=folder / "secrets"))


def test_a_store_is_read_through_tls_by_an_authority_of_the_hospitals_own(tmp_path: Path, store: str) -> None:
    written = in_store(tmp_path, store, OWN.cert_pem)
    put(tmp_path, store)
    assert len(written.read().extract(FEATURES)) == len(PATIENTS)


def put(tmp_path: Path, store: str) -> None:
    """The table into the store, as its owner."""
    system = fs.S3FileSystem(
        access_key="key",
        secret_key="a secret",
        endpoint_override=store,
        region="us-east-1",
        tls_ca_file_path=str(tmp_path / "secrets" / "clinic-s3" / "ca.crt"),
    )
    with system.open_output_stream(f"{BUCKET}/labs.csv") as out:
        out.write(pa.py_buffer(csv_text().encode()))


def test_a_bucket_that_anybody_may_read_is_read_through_tls_with_an_authority_alone(tmp_path: Path, store: str) -> None:
    written = in_store(tmp_path, store, OWN.cert_pem)
    put(tmp_path, store)
    for key in ("accessKeyId", "secretAccessKey"):
        (tmp_path / "secrets" / "clinic-s3" / key).unlink()
    assert len(written.read().extract(FEATURES)) == len(PATIENTS)


@pytest.mark.parametrize(
    ("ca", "name"),
    [
        pytest.param(OTHER.cert_pem, "localhost", id="another authority"),
        pytest.param(None, "localhost", id="no authority"),
        pytest.param(OWN.cert_pem, "127.0.0.1", id="another name"),
        pytest.param(b"no certificate", "localhost", id="no PEM"),
    ],
)
def test_a_store_that_is_not_vouched_for_is_refused(tmp_path: Path, store: str, ca: bytes | None, name: str) -> None:
    written = in_store(tmp_path, store.replace("localhost", name), ca)
    assert refusal(written, InvalidData).startswith(
        f"hospital north: the object store at {name}:{store.rpartition(':')[2]} has a certificate that nothing here"
    )
