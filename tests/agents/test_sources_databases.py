"""Databases that are not as they should be: SQLite, and a real PostgreSQL; each is one sentence, without a password."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa

from consilia.errors import ConsiliaError, InvalidData, Unavailable
from consilia_agents.sources.places import Places
from ports import free_port
from refused_sources import SECRET, refusal, sentence_of
from stores import PASSWORD, USER, postgresql
from written_tables import FEATURES, PATIENTS, QUERY, TABLE_COLUMNS, Written, in_postgresql, sqlite, write_labs

DATABASE = 'hospital north: the database "clinic.db"'


def asked(written: Written, query: str) -> Written:
    """The same source with another query."""
    return replace(written, source=written.source | {"sql": written.source["sql"] | {"query": query}})


@pytest.fixture
def clinic(tmp_path: Path) -> Written:
    return sqlite(tmp_path)


ALL = "SELECT * FROM labs ORDER BY area"
QUERIES = [
    pytest.param("SELEC * FROM labs", ": the query is no single SELECT", id="no SQL"),
    pytest.param("SELECT * FROM nowhere", ": the query names a table that there is not", id="no such table"),
    pytest.param("SELECT Zaphod FROM labs", ": the query names a column that there is not", id="no such column"),
    pytest.param(
        "SELECT twist(note) FROM labs", ": the query names a function that there is not", id="no such function"
    ),
    pytest.param("SELECT 1; SELECT 2", ": the query is no single SELECT", id="two"),
    pytest.param(f"SELECT json('{SECRET}')", ": the query fails on a value", id="a value that is no JSON"),
    pytest.param("SELECT abs(-9223372036854775808)", ": the query fails on a value", id="a value too large"),
    pytest.param(
        "SELECT *, CAST(x'fc' AS TEXT) AS more FROM labs", ": the query fails on a value", id="a text in latin-1"
    ),
]
WRITES = [
    pytest.param("DELETE FROM labs", id="rows"),
    pytest.param("DROP TABLE labs", id="a table"),
    pytest.param("CREATE TABLE more (x int)", id="another table"),
    pytest.param("INSERT INTO labs (note) VALUES ('x') RETURNING note", id="with an answer"),
]


@pytest.mark.parametrize(("query", "said"), QUERIES)
def test_a_query_that_sqlite_does_not_understand_is_refused(clinic: Written, query: str, said: str) -> None:
    assert refusal(asked(clinic, query)).startswith(DATABASE + said)


@pytest.mark.parametrize(
    "query",
    [
        *WRITES,
        pytest.param("ATTACH DATABASE 'other.db' AS other", id="another file"),
        pytest.param("PRAGMA journal_mode = DELETE", id="how it is kept"),
    ],
)
def test_a_query_that_writes_is_refused_by_sqlite(clinic: Written, query: str, tmp_path: Path) -> None:
    before = (tmp_path / "clinic.db").read_bytes()
    assert refusal(asked(clinic, query)) == f"{DATABASE}: the query does more than read; take out what writes"
    assert (tmp_path / "clinic.db").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["clinic.db"]


def test_a_query_that_returns_nothing_is_a_table_without_records(clinic: Written) -> None:
    found = asked(clinic, "SELECT * FROM labs WHERE note = 'nobody'").read().extract(FEATURES)
    assert (len(found), found.x.shape) == (0, (0, 3))
    with pytest.raises(InvalidData, match="hospital north has no rows: there is nothing to learn from"):
        found.table.select(FEATURES.names, FEATURES.label, "hospital north")


def test_a_file_that_is_not_there_or_no_database_is_named(clinic: Written, tmp_path: Path) -> None:
    (tmp_path / "clinic.db").write_text("name,age\nZaphod,42\n" * 100)
    assert refusal(clinic) == f"{DATABASE} is no SQLite database, or damaged; copy it anew"
    (tmp_path / "clinic.db").unlink()
    assert refusal(clinic) == 'hospital north has no file "clinic.db": put it there, or mend the source\'s path'


def test_a_file_outside_of_the_data_folder_is_refused(clinic: Written, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "clinic.db").symlink_to(tmp_path / "clinic.db")
    assert 'path "clinic.db" leaves the data folder' in refusal(replace(clinic, places=Places(tmp_path / "data")))


@pytest.mark.real  # SQLite waits for 5 s
def test_a_file_that_another_process_writes_is_read_again_later(clinic: Written, tmp_path: Path) -> None:
    writer = sqlite3.connect(tmp_path / "clinic.db")
    try:
        writer.execute("BEGIN EXCLUSIVE")
        assert refusal(clinic, Unavailable) == f"{DATABASE} is locked by another process; it is read again later"
    finally:
        writer.close()


def test_values_that_are_no_numbers_are_counted(clinic: Written) -> None:
    query = (
        "SELECT patient_id, 'Zaphod' AS radius_cm, ' 3.5 ' AS \"mean texture\", x'00' AS area, NULL AS diagnosis "
        "FROM labs "
        "UNION ALL SELECT NULL, 1.0, 1, 1.0, 'benign'"
    )
    found = asked(clinic, query).read().extract(FEATURES)
    size = len(PATIENTS)
    assert found.unreadable == {"mean radius": size, "mean area": size, "patient_id": 1}
    assert len(found) == size
    assert found.x[:, 1].tolist() == [3.5] * size
    assert np.isnan(found.y).all()


def test_identities_with_a_fraction_are_refused(clinic: Written) -> None:
    query = 'SELECT 1.5 AS patient_id, radius_cm, "mean texture", area, diagnosis FROM labs'
    assert 'column "patient_id" is of type float, and patients are told apart by texts or whole' in refusal(
        asked(clinic, query)
    )


def test_another_order_of_the_rows_is_the_same_table_in_a_database(clinic: Written) -> None:
    forth, back = (asked(clinic, f"{ALL} {way}").read().extract(FEATURES) for way in ("ASC", "DESC"))
    assert forth.fingerprint == back.fingerprint
    assert forth.ids == back.ids


@pytest.mark.parametrize("missing", ["username", "password"])
def test_a_credential_that_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    source, places = in_postgresql(tmp_path, free_port(), "reader", SECRET, query="SELECT 1")
    (tmp_path / "secrets" / "clinic-db" / missing).unlink()
    written = Written({"sql": source, "credentials": "clinic-db"}, TABLE_COLUMNS, places)
    assert refusal(written) == f'hospital north: the key {missing} of credentials "clinic-db" is missing: put it there'


def test_a_source_without_credentials_says_what_it_asks_for(tmp_path: Path) -> None:
    source, places = in_postgresql(tmp_path, free_port(), "reader", SECRET, query="SELECT 1")
    written = Written({"sql": source}, TABLE_COLUMNS, places)
    assert "the source asks for username: name a Secret with it in source.credentials" in refusal(written)
    unset = Written({"sql": source, "credentials": "clinic-db"}, TABLE_COLUMNS)
    assert "this process has no folder of them: set CONSILIA_CREDENTIALS" in refusal(unset)


def test_credentials_may_be_in_the_folder_itself_as_a_mounted_secret_is(tmp_path: Path) -> None:
    source, _ = in_postgresql(tmp_path, free_port(), "reader", SECRET, query="SELECT 1")
    places = Places(credentials=tmp_path / "secrets" / "clinic-db")
    written = Written({"sql": source, "credentials": "clinic-db"}, TABLE_COLUMNS, places)
    assert "does not answer" in refusal(written, Unavailable)


def test_a_server_that_is_down_or_of_no_known_name_may_come_back(tmp_path: Path) -> None:
    port = free_port()
    source, places = in_postgresql(tmp_path, port, "reader", SECRET, query="SELECT 1")
    down = Written({"sql": source, "credentials": "clinic-db"}, TABLE_COLUMNS, places)
    assert refusal(down, Unavailable) == (
        f'hospital north: the database "postgres" at localhost:{port} does not answer; see whether it is up, and '
        "whether egress lets connections through"
    )
    unknown = replace(down, source=down.source | {"sql": source | {"url": "postgresql://nowhere.invalid/clinic"}})
    assert refusal(unknown, Unavailable).startswith(
        'hospital north: the database "clinic" at nowhere.invalid: nobody knows that host'
    )


# A real PostgreSQL.


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    with postgresql() as (address, port):
        engine = sa.create_engine(address.replace("postgresql://", "postgresql+psycopg://"))
        write_labs(engine)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE SEQUENCE numbers")
            for name, does in (("writes", "DELETE FROM labs"), ("raises", f"RAISE EXCEPTION '{SECRET}'")):
                body = f"BEGIN {does}; RETURN 1; END"
                connection.exec_driver_sql(f"CREATE FUNCTION {name}() RETURNS int LANGUAGE plpgsql AS $$ {body} $$")
            connection.exec_driver_sql("CREATE TABLE secrets (patient_id text)")
            connection.exec_driver_sql("CREATE ROLE reader LOGIN PASSWORD 'reads'")
            connection.exec_driver_sql("GRANT SELECT ON labs TO reader")
        engine.dispose()
        yield address, port


def in_server(
    folder: Path, server: tuple[str, int], query: str = QUERY, user: str = USER, password: str = PASSWORD, **source: Any
) -> Written:
    made, places = in_postgresql(folder, server[1], user, password, query=query, **source)
    return Written({"sql": made, "credentials": "clinic-db"}, TABLE_COLUMNS, places)


LABS = 'patient_id, radius_cm, "mean texture", area, diagnosis FROM labs'


@pytest.mark.real
@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param("SELEC * FROM labs", ": the query is no single SELECT at character 1; mend it", id="no SQL"),
        pytest.param(
            "SELECT * FROM nowhere", ": the query names a table that there is not at character 15", id="no table"
        ),
        pytest.param(
            "SELECT Zaphod FROM labs", ": the query names a column that there is not at character 8", id="no column"
        ),
        pytest.param(
            "SELECT twist(note) FROM labs", ": the query names a function that there is not", id="no function"
        ),
        pytest.param("SELECT 1; SELECT 2", ": the query is no single SELECT", id="two"),
        pytest.param(
            "CREATE TABLE IF NOT EXISTS labs AS SELECT 1", ": the query is no single SELECT", id="makes nothing"
        ),
        pytest.param("REFRESH MATERIALIZED VIEW labs", ": the query is no single SELECT", id="makes anew"),
        pytest.param("EXECUTE prepared", ": the query is no single SELECT", id="what is prepared"),
        pytest.param(
            f"SELECT set_config('transaction_read_only', 'off', true), {LABS}", ": the query writes", id="may write"
        ),
        pytest.param(f"SELECT writes(), {LABS}", ": the query writes", id="writes in a function"),
        pytest.param(
            f"SELECT raises(), {LABS}",
            ": a function that the query calls raises an error of its own (P0001); mend either",
            id="a function's own error",
        ),
        pytest.param(
            "SELECT 1; COMMIT; DROP TABLE labs", ": the query is no single SELECT", id="two, one of which writes"
        ),
        pytest.param("DELETE FROM labs", ": the query is no single SELECT", id="deletes"),
        pytest.param(
            "WITH gone AS (DELETE FROM labs RETURNING *) SELECT * FROM gone",
            ": the query is no plain SELECT",
            id="deletes and reads",
        ),
        pytest.param(
            f"SELECT nextval('numbers'), {LABS}",
            ": the query writes, and it is run to read alone",
            id="writes a sequence",
        ),
        pytest.param(
            f"SELECT '{SECRET}'::int AS n, {LABS}",
            ": the query fails on a value (22P02)",
            id="a value that is no number",
        ),
        pytest.param(
            f"SELECT 1 / (area * 0)::int AS n, {LABS}", ": the query fails on a value (22012)", id="a division by zero"
        ),
    ],
)
def test_a_query_that_postgresql_refuses_is_one_sentence(
    tmp_path: Path, server: tuple[str, int], query: str, said: str
) -> None:
    sentence = refusal(in_server(tmp_path, server, query))
    assert sentence.startswith(f'hospital north: the database "postgres" at localhost:{server[1]}{said}')
    with psycopg.connect(server[0]) as connection:
        assert connection.execute("SELECT count(*), (SELECT NOT is_called FROM numbers) FROM labs").fetchone() == (
            len(PATIENTS),
            True,
        )


@pytest.mark.real
@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param(
            'SELECT now() AS "mean texture", patient_id, radius_cm, area, diagnosis FROM labs',
            'column "mean texture" is of type timestamptz, and "mean texture" is a number',
            id="a time",
        ),
        pytest.param(
            'SELECT area AS patient_id, radius_cm, "mean texture", area, diagnosis FROM labs',
            'column "patient_id" is of type double precision, and patients are told apart by texts or whole numbers',
            id="identities with a fraction",
        ),
        pytest.param(
            "SELECT *, area FROM labs", 'has the column "area" 2 times in what source.sql.query gives', id="one twice"
        ),
    ],
)
def test_a_type_is_refused_before_the_first_row(tmp_path: Path, server: tuple[str, int], query: str, said: str) -> None:
    assert said in refusal(in_server(tmp_path, server, f"{query} WHERE false"))


@pytest.mark.real
@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        pytest.param(
            {"password": SECRET},
            InvalidData,
            " does not let in whom the source's credentials name",
            id="a wrong password",
        ),
        pytest.param(
            {"user": "nobody"}, InvalidData, " does not let in whom the source's credentials name", id="an unknown user"
        ),
        pytest.param(
            {"user": "reader", "password": "reads", "query": "SELECT * FROM secrets"},
            InvalidData,
            ": the source's credentials may not read what is asked for; grant SELECT on the tables",
            id="no right",
        ),
    ],
)
def test_whoever_is_not_let_in_is_told_so(
    tmp_path: Path, server: tuple[str, int], change: dict[str, str], kind: type[ConsiliaError], said: str
) -> None:
    sentence = refusal(in_server(tmp_path, server, **change), kind)
    assert sentence.startswith(f'hospital north: the database "postgres" at localhost:{server[1]}{said}')
    assert not any(word in sentence for word in (PASSWORD, "nobody", "secrets"))


@pytest.mark.real
def test_a_database_that_does_not_exist_is_named(tmp_path: Path, server: tuple[str, int]) -> None:
    written = in_server(tmp_path, server, url=f"postgresql://localhost:{server[1]}/nowhere")
    assert refusal(written) == (
        f'hospital north: the database "nowhere" at localhost:{server[1]} is not there; mend the source\'s url'
    )


@pytest.mark.real
def test_a_user_who_may_read_reads(tmp_path: Path, server: tuple[str, int]) -> None:
    found = in_server(tmp_path, server, user="reader", password="reads").read().extract(FEATURES)
    assert len(found) == len(PATIENTS)


@pytest.mark.real
def test_a_connection_that_is_cut_while_rows_come_is_one_sentence_and_read_again_later(
    tmp_path: Path, server: tuple[str, int]
) -> None:
    query = (
        "SELECT g::text AS patient_id, 1.0 AS radius_cm, 2 AS \"mean texture\", 3.0 AS area, 'benign' AS diagnosis "
        "FROM generate_series(1, 200000) g"
    )
    source = in_server(tmp_path, server, query).read()
    shares: list[float] = []

    def cut(share: float) -> None:
        if not shares:
            with psycopg.connect(server[0], autocommit=True) as other:
                ended = (
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'consilia'"
                )
                assert other.execute(ended).fetchall() == [(True,)]
        shares.append(share)

    with pytest.raises(Unavailable) as told:
        source.extract(FEATURES, cut)
    assert sentence_of(told.value).startswith(
        f'hospital north: the database "postgres" at localhost:{server[1]} broke off'
    )
    assert 0 < shares[0] < 0.1
    shares[:] = [0.0]
    found = source.extract(FEATURES, shares.append)
    assert len(found) == 200_000
    assert shares == sorted(shares)
    assert len(shares) > 20


@pytest.mark.real
def test_times_that_python_has_not_do_not_matter_where_nobody_asks_for_them(
    tmp_path: Path, server: tuple[str, int]
) -> None:
    query = f"SELECT 'infinity'::date AS until, '0044-03-15 BC'::timestamp AS since, '24:00'::time AS at, {LABS}"
    assert len(in_server(tmp_path, server, query).read().extract(FEATURES)) == len(PATIENTS)


@pytest.mark.real
def test_texts_come_in_utf_8_whatever_the_account_is_set_to(tmp_path: Path, server: tuple[str, int]) -> None:
    with psycopg.connect(server[0]) as connection:
        connection.execute("ALTER ROLE reader SET client_encoding = 'latin1'")
    query = f"SELECT '\u2192 ' || patient_id AS patient_id, {LABS.removeprefix('patient_id, ')}"
    found = in_server(tmp_path, server, query, user="reader", password="reads").read().extract(FEATURES)
    assert all(patient.startswith("\u2192 ") for patient in found.ids)


@pytest.mark.real
def test_a_query_that_takes_too_long_for_the_server_says_so(tmp_path: Path, server: tuple[str, int]) -> None:
    with psycopg.connect(server[0]) as connection:
        connection.execute("CREATE ROLE hasty LOGIN PASSWORD 'reads'")
        connection.execute("ALTER ROLE hasty SET statement_timeout = '50ms'")
        connection.execute("GRANT SELECT ON labs TO hasty")
    slow = in_server(tmp_path, server, f"SELECT pg_sleep(60)::text, {LABS}", user="hasty", password="reads")
    assert refusal(slow, Unavailable).endswith(
        " cancelled the query, as it took too long or somebody asked; it is read again later"
    )
