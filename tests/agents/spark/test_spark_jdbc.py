"""A query behind JDBC, read by Spark: of Derby, which comes with Spark, and of PostgreSQL where its driver is here."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from py4j.protocol import Py4JError, Py4JNetworkError

from builders import cohort
from consilia.errors import ConsiliaError, InvalidData, Unavailable
from consilia.experiment import Features, Model
from consilia_agents.findings import Findings
from consilia_agents.holdout import Holdout
from consilia_agents.sources.mapped import Mapped
from consilia_agents.sources.places import Places
from consilia_agents.spark.backend import SparkBackend
from consilia_agents.spark.blocks import SHIFT
from consilia_agents.spark.jdbc import JdbcQuery
from consilia_agents.spark.reading import block_of
from consilia_agents.spark.rows import Look, Rows
from consilia_agents.spark.session import Session

pytestmark = pytest.mark.real
FEATURES = Features.model_validate(
    {"label": "SICK", "scaling": "federated", "codebook": [{"name": "a", "unit": "cm"}, {"name": "B"}]}
)
MAPPING = {
    "patient": "ID",
    "columns": [{"name": "a", "column": "A_MM", "unit": "mm"}, {"name": "SICK", "positive": "yes"}],
}
COUNT = 60


@pytest.fixture(scope="module")
def derby(spark: Session, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database within Spark's Java, with a table of patients."""
    url = f"jdbc:derby:{tmp_path_factory.mktemp('derby') / 'clinic'}"
    connection = spark.context()._jvm.java.sql.DriverManager.getConnection(f"{url};create=true")
    statement = connection.createStatement()
    statement.execute("CREATE TABLE labs (id INT, a_mm DECIMAL(8, 2), b DOUBLE, sick VARCHAR(8), born DATE)")
    for number in range(COUNT):
        sick = "yes" if number % 3 else "no"
        row = f"({number}, {number}.50, {number / 7}, '{sick}', CURRENT_DATE)"
        statement.execute(f"INSERT INTO labs VALUES {row}")  # noqa: S608 - numbers of this test
    connection.close()
    return url


def backend(spark: Session, folder: Path, url: str, query: str = "SELECT * FROM labs", **source: Any) -> SparkBackend:
    jdbc = {"url": url, "query": query} | source
    of = cohort(engine="spark", source={"jdbc": jdbc}, mapping=MAPPING, holdout={"fraction": 0.2})
    return SparkBackend(of, spark, places=Places(folder))


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({}, id="whole"),
        pytest.param({"partitionColumn": "ID", "lowerBound": 0, "upperBound": COUNT, "partitions": 3}, id="in parts"),
    ],
)
def test_a_query_is_read_in_the_federations_units(
    spark: Session, tmp_path: Path, derby: str, parts: dict[str, Any]
) -> None:
    trainer = backend(spark, tmp_path, derby, **parts).clear(FEATURES, Model())
    moments = trainer.moments()
    assert moments[0] == trainer.rows < COUNT
    both = trainer.sides
    assert both.training + both.held == COUNT
    # In cm: a tenth of the number in mm, which is that of the row and a half.
    np.testing.assert_allclose(moments[1], (moments[2] * 7 + 0.5 * trainer.rows) / 10, rtol=1e-12)


def test_a_lost_part_is_not_read_again_as_if_the_database_could_not_have_changed(
    spark: Session, tmp_path: Path, derby: str
) -> None:
    of = backend(spark, tmp_path, derby)
    trainer = of.clear(FEATURES, Model())
    moments = trainer.moments()
    rows = of._loaded.rows  # type: ignore[union-attr]
    spark.run(lambda: rows.read.unpersist(blocking=True))  # as an executor's end would
    with pytest.raises(Unavailable, match="the table is read and looked at again"):
        trainer.moments()
    again = of.clear(FEATURES, Model())
    assert again is not trainer
    assert again.moments().tobytes() == moments.tobytes()


def refusal(of: SparkBackend) -> str:
    with pytest.raises(ConsiliaError) as refused:
        of.clear(FEATURES, Model())
    return str(refused.value)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param("SELECT * FROM nothing", "refuses source.jdbc.query: try it", id="no table"),
        pytest.param("SELECT id, b, sick FROM labs", 'has no column "A_MM" in what source.jdbc', id="column"),
        pytest.param(
            "SELECT id, a_mm, born AS b, sick FROM labs", 'column "B" in what source.jdbc.query gives is of type date',
            id="type",
        ),
        pytest.param("SELECT b AS id, a_mm, b, sick FROM labs", 'column "ID" in .* is of type double', id="identity"),
        pytest.param("SELECT * FROM labs WHERE id < 0", "has no rows", id="no rows"),
        pytest.param("SELECT 1 AS id, a_mm, b, sick FROM labs", "some patients have several rows", id="doubles"),
    ],
)  # fmt: skip
def test_a_query_that_cannot_be_used_is_refused_in_one_sentence(
    spark: Session, tmp_path: Path, derby: str, query: str, said: str
) -> None:
    with pytest.raises(InvalidData, match=said):
        backend(spark, tmp_path, derby, query).clear(FEATURES, Model())


class Ended:
    """A session whose Spark ends while it is asked for a query."""

    def __init__(self, gone: bool, error: Exception) -> None:
        self.gone = gone
        self._error = error

    def sql(self) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("gone", "error"),
    [
        pytest.param(False, Py4JNetworkError("Answer from Java side is empty"), id="Java was killed"),
        pytest.param(True, Py4JError("Cannot call methods on a stopped SparkContext"), id="Spark stopped by itself"),
    ],
)
def test_the_end_of_spark_is_not_told_as_a_querys(tmp_path: Path, gone: bool, error: Exception) -> None:
    of = cohort(engine="spark", source={"jdbc": {"url": "jdbc:derby:clinic", "query": "SELECT 1"}}, mapping=MAPPING)
    assert of.spec.source.jdbc is not None
    query = JdbcQuery(of.spec, of.spec.source.jdbc, Places(tmp_path))
    mapped, holdout = Mapped.of(of.spec, FEATURES), Holdout("north", "north", 0.2)
    with pytest.raises(type(error)) as told:
        query.read(Ended(gone, error), mapped, holdout)  # type: ignore[arg-type]
    assert told.value is error


def test_all_of_a_database_is_kept_before_any_of_it_is_looked_at(spark: Session, tmp_path: Path) -> None:
    """What gets lost until then is read anew; what gets lost later is not."""
    names = [column.name for column in Mapped.of(cohort(mapping=MAPPING).spec, FEATURES).columns]

    def read(number: int, _: Any) -> Any:
        (tmp_path / str(number)).touch()
        identity = [f"{number}"]
        nothing = [0] * (len(names) + 1)
        yield block_of(identity, np.ones((1, len(names))), Holdout("north", "n", 0.0), number << SHIFT, nothing).pack()

    def looked(_: Any) -> list[Look]:
        found = Findings(len(list(tmp_path.iterdir())), 0, {}, {}, {}, None, 0)
        return [Look(found, 0, 0, 0)]

    context = spark.context()
    rows = Rows(spark, context.parallelize(range(6), 6).mapPartitionsWithIndex(read), once=True)
    try:
        assert rows.look(looked).findings.rows == 6 * 6  # type: ignore[arg-type]
    finally:
        rows.release()


def test_a_database_without_a_driver_is_refused_with_where_to_get_one(spark: Session, tmp_path: Path) -> None:
    assert "has no driver among Spark's jars" in refusal(backend(spark, tmp_path, "jdbc:nosuch://localhost/clinic"))
