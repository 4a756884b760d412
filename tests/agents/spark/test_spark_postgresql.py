"""A query behind JDBC of a real PostgreSQL: the records that memory reads, nothing written, a sentence a failure."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

import written_tables
from builders import cohort
from consilia.errors import ConsiliaError, InvalidData, Unavailable
from consilia.experiment import Features, Model
from consilia_agents.backend import Trainer
from consilia_agents.in_memory import InMemory
from consilia_agents.sources.chosen import source_of
from consilia_agents.sources.places import Places
from consilia_agents.spark.backend import SparkBackend
from consilia_agents.spark.session import DRIVERS, Session
from ports import free_port
from stores import PASSWORD, USER, postgresql

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DRIVERS.exists(), reason=f"{DRIVERS} is not there: make test installs it on Debian"),
]
FEATURES = Features.model_validate(
    {"label": "sick", "scaling": "federated", "codebook": [{"name": "a", "unit": "cm"}, {"name": "b"}]}
)
MAPPING = {
    "patient": "id",
    "columns": [{"name": "a", "column": "a_mm", "unit": "mm"}, {"name": "sick", "positive": "yes"}],
}
COUNT = 60
LABS = "SELECT * FROM labs ORDER BY id"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[sa.Engine, int]]:
    with postgresql() as (address, port), closing_engine(address) as engine:
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE labs (id INT, a_mm NUMERIC(8, 2), b DOUBLE PRECISION, sick TEXT)"))
            connection.execute(
                sa.text(
                    "INSERT INTO labs SELECT n, n + 0.5, n / 7.0, CASE WHEN n % 3 = 0 THEN 'no' ELSE 'yes' END "
                    "FROM generate_series(1, :count) n"
                ),
                {"count": COUNT},
            )
            # What writes as soon as it is read.
            connection.execute(sa.text("CREATE TABLE seen (id INT)"))
            connection.execute(
                sa.text(
                    "CREATE FUNCTION noted(n INT) RETURNS INT LANGUAGE plpgsql AS "
                    "$$ BEGIN INSERT INTO seen VALUES (n); RETURN n; END $$"
                )
            )
        yield engine, port


@pytest.fixture
def port(server: tuple[sa.Engine, int]) -> int:
    return server[1]


@contextmanager
def closing_engine(address: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(address.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.NullPool)
    try:
        yield engine
    finally:
        engine.dispose()


def places_of(folder: Path, port: int, password: str = PASSWORD, user: str = USER) -> Places:
    return written_tables.in_postgresql(folder, port, user, password)[1]


def spark_backend(spark: Session, places: Places, port: int, query: str = LABS, **source: Any) -> SparkBackend:
    jdbc = {"url": f"jdbc:postgresql://localhost:{port}/postgres", "query": query} | source
    return SparkBackend(cohort(engine="spark", source=_of("jdbc", jdbc), **_REST), spark, places=places)


def in_memory(places: Places, port: int) -> InMemory:
    sql = {"url": f"postgresql://localhost:{port}/postgres", "query": LABS}
    return InMemory(cohort(source=_of("sql", sql), **_REST), source=lambda spec: source_of(spec, places))


_REST: dict[str, Any] = {"mapping": MAPPING, "holdout": {"fraction": 0.2}}


def _of(kind: str, source: dict[str, Any]) -> dict[str, Any]:
    return {kind: source, "credentials": "clinic-db"}


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({}, id="whole"),
        pytest.param({"partitionColumn": "id", "lowerBound": 0, "upperBound": COUNT, "partitions": 3}, id="in parts"),
    ],
)
def test_spark_reads_of_postgresql_what_memory_does(
    spark: Session, tmp_path: Path, port: int, parts: dict[str, Any]
) -> None:
    places = places_of(tmp_path, port)
    trainers: list[Trainer] = [
        spark_backend(spark, places, port, **parts).clear(FEATURES, Model()),
        in_memory(places, port).clear(FEATURES, Model()),
    ]
    assert trainers[0].rows == trainers[1].rows
    np.testing.assert_allclose(trainers[0].moments(), trainers[1].moments(), rtol=1e-9)


@pytest.mark.parametrize(
    ("password", "query", "kind", "said"),
    [
        pytest.param("wrong", LABS, InvalidData, "refuses the user or the password", id="password"),
        pytest.param(PASSWORD, "SELECT * FROM nothing", InvalidData, "refuses source.jdbc.query", id="no table"),
        pytest.param(
            PASSWORD, "SELECT id, a_mm, b, sick FROM labs WHERE id < 0", InvalidData, "has no rows", id="no rows"
        ),
    ],
)
def test_what_postgresql_refuses_is_told_in_one_sentence(
    spark: Session, tmp_path: Path, port: int, password: str, query: str, kind: type[ConsiliaError], said: str
) -> None:
    of = spark_backend(spark, places_of(tmp_path, port, password), port, query)
    with pytest.raises(kind, match=said) as refused:
        of.clear(FEATURES, Model())
    assert password not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_query_that_writes_writes_nothing(spark: Session, tmp_path: Path, server: tuple[sa.Engine, int]) -> None:
    engine, port = server
    writing = "SELECT noted(id) AS id, a_mm, b, sick FROM labs"
    with pytest.raises(ConsiliaError, match="may only read") as refused:
        spark_backend(spark, places_of(tmp_path, port), port, writing).clear(FEATURES, Model())
    assert "noted" not in str(refused.value)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM seen")).scalar_one() == 0


def test_a_postgresql_that_is_not_there_is_asked_again_later(spark: Session, tmp_path: Path) -> None:
    nobody = free_port()
    of = spark_backend(spark, places_of(tmp_path, nobody), nobody)
    with pytest.raises(Unavailable, match="does not answer"):
        of.clear(FEATURES, Model())
