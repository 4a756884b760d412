"""Spark's backend: the same table, findings, refusals and rows as in memory, from files and from all else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from builders import cohort
from consilia.errors import InvalidData
from consilia.experiment import Features, Model
from consilia.features import FeatureMap
from consilia.privacy.keystream import Keystream
from consilia.privacy.noise_plan import Ask, NoisePlan
from consilia.privacy.statistics_plan import StatisticsPlan
from consilia.spec import Cohort, CohortSpec
from consilia.statistics_sums import Axes
from consilia_agents.in_memory import InMemory
from consilia_agents.looks import Looks, Seen
from consilia_agents.sources.chosen import source_of
from consilia_agents.sources.extract import DataSource
from consilia_agents.sources.places import Places
from consilia_agents.spark.backend import SparkBackend
from consilia_agents.spark.session import Session

pytestmark = pytest.mark.real
MODEL = Model()
FEATURES = Features.model_validate(
    {
        "label": "sick",
        "scaling": "codebook",
        "nominalRows": 500,
        "codebook": [{"name": name, "min": 0, "max": 10, "unit": "cm"} for name in ("a", "b")],
    }
)
MAP = FeatureMap.from_codebook(FEATURES)
PLAN = NoisePlan.of(Ask(epsilon=2.0, delta=1e-5, clip=0.7, rounds=5, hospitals=3, nominal_rows=300))
W = np.array([0.5, -1.0, 0.25])


class RecordedLooks(Looks):
    """Keeps what was seen."""

    def __init__(self, of: Cohort) -> None:
        super().__init__(of)
        self.seen: list[Seen] = []

    def accept(self, seen: Seen) -> None:
        self.seen.append(seen)
        super().accept(seen)


class Site:
    """Both backends of one cohort, over the files of one folder."""

    def __init__(self, folder: Path, session: Session, **spec: Any) -> None:
        self.cohort = cohort(holdout={"fraction": 0.3}, **spec)
        places = Places(folder)

        def source(of: CohortSpec) -> DataSource:
            return source_of(of, places)

        def words() -> Keystream:
            return Keystream(bytes(range(32)))

        self.looks = [RecordedLooks(self.cohort) for _ in range(2)]
        self.memory = InMemory(self.cohort, words=words, source=source, looks=self.looks[0])
        self.spark = SparkBackend(self.cohort, session, words=words, source=source, looks=self.looks[1])

    def findings(self) -> None:
        """Both saw the same."""
        assert self.looks[1].seen[-1].findings == self.looks[0].seen[-1].findings


def table(count: int = 300, seed: int = 3) -> dict[str, list[Any]]:
    draw = np.random.Generator(np.random.PCG64(seed))
    return {
        "patient_id": [f"p{seed}/{number}" for number in range(count)],
        "a": draw.uniform(-1, 12, count).tolist(),
        "b_mm": draw.uniform(0, 100, count).tolist(),
        "sick": draw.integers(0, 2, count).tolist(),
    }


MAPPING = {"columns": [{"name": "b", "column": "b_mm", "unit": "mm"}]}
SOURCES = [
    pytest.param({"parquet": {"path": "tables"}}, id="parquet"),
    pytest.param({"csv": {"path": "tables"}}, id="csv"),
]


def write(folder: Path, source: dict[str, Any], name: str, columns: dict[str, list[Any]]) -> None:
    (folder / "tables").mkdir(exist_ok=True)
    if "csv" in source:
        csv.write_csv(pa.table(columns), folder / "tables" / f"{name}.csv")
    else:
        # Row groups smaller than a part, of which there are several in a file.
        parquet.write_table(pa.table(columns), folder / "tables" / f"{name}.parquet", row_group_size=100)


@pytest.mark.parametrize("source", SOURCES)
def test_files_of_a_folder_are_read_as_in_memory(spark: Session, tmp_path: Path, source: dict[str, Any]) -> None:
    for name, seed in (("1", 3), ("2", 4)):
        write(tmp_path, source, name, table(seed=seed))
    site = Site(tmp_path, spark, engine="spark", source=source, mapping=MAPPING)
    mine, theirs = site.spark.clear(FEATURES, MODEL), site.memory.clear(FEATURES, MODEL)
    site.findings()
    assert mine.rows == theirs.rows
    np.testing.assert_allclose(mine.moments(), theirs.moments(), rtol=1e-12)
    assert mine.evaluate(MAP, W).model_dump() == pytest.approx(theirs.evaluate(MAP, W).model_dump())


def spoilt() -> dict[str, list[Any]]:
    """Some of everything that a private run must bear without a word."""
    columns = table()
    columns["a"][5], columns["b_mm"][7] = None, None
    columns["a"] = [None if each is None else str(each) for each in columns["a"]]
    columns["a"][9], columns["a"][11] = "Zaphod", "inf"
    columns["sick"][13] = 7
    for number in (40, 41, 299):
        columns["patient_id"][number] = columns["patient_id"][3]
    columns["patient_id"][50] = None
    return columns


def test_statistics_count_records_whatever_their_labels_as_in_memory(spark: Session, tmp_path: Path) -> None:
    columns = spoilt() | {"sick": [None, 1, *[7] * 298]}
    write(tmp_path, {"csv": {}}, "1", columns)
    site = Site(tmp_path, spark, engine="spark", source={"csv": {"path": "tables"}}, mapping=MAPPING)
    mine, theirs = site.spark.private(FEATURES, None), site.memory.private(FEATURES, None)
    site.findings()
    found = site.looks[1].seen[-1].findings
    assert (found.rows, found.labels, found.usable) == (299, None, 292)
    planned = StatisticsPlan.of(Ask(2.0, 1e-5, 1.0, 1, 3, 300, reserve=0), 2).statistics
    axes = Axes.of(FEATURES, 8)
    assert mine.statistics(axes, planned).tobytes() == theirs.statistics(axes, planned).tobytes()


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("impute", [None, 4.0], ids=["dropped", "imputed"])
def test_a_private_run_sends_to_the_last_bit_what_it_does_from_memory_of_whatever_the_table_holds(
    spark: Session, tmp_path: Path, source: dict[str, Any], impute: float | None
) -> None:
    write(tmp_path, source, "1", spoilt())
    mapping = {"columns": [*MAPPING["columns"], {"name": "a", "impute": impute}]}
    site = Site(tmp_path, spark, engine="spark", source=source, mapping=mapping)
    mine, theirs = site.spark.private(FEATURES, MODEL), site.memory.private(FEATURES, MODEL)
    site.findings()
    assert PLAN.evaluate is not None
    assert mine.train(MAP, None, W, PLAN.train).tobytes() == theirs.train(MAP, None, W, PLAN.train).tobytes()
    assert mine.evaluate(MAP, W, PLAN.evaluate).tobytes() == theirs.evaluate(MAP, W, PLAN.evaluate).tobytes()


def refusal(of: Any) -> str:
    with pytest.raises(InvalidData) as refused:
        of(FEATURES, MODEL)
    return str(refused.value)


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param(spoilt(), id="values"),
        pytest.param(table() | {"sick": [0] * 300}, id="one class"),
        pytest.param({name: values for name, values in table().items() if name != "a"}, id="no such column"),
        pytest.param(table(0), id="no rows"),
    ],
)
def test_a_table_is_refused_in_the_words_of_rows_in_memory(
    spark: Session, tmp_path: Path, columns: dict[str, list[Any]]
) -> None:
    source = {"parquet": {"path": "tables"}}
    write(tmp_path, source, "1", columns)
    site = Site(tmp_path, spark, engine="spark", source=source, mapping=MAPPING)
    said = refusal(site.spark.clear)
    assert said == refusal(site.memory.clear)
    assert "Zaphod" not in said


def test_a_file_that_breaks_off_is_refused_by_the_worker_that_reads_it_in_the_same_words(
    spark: Session, tmp_path: Path
) -> None:
    source = {"csv": {"path": "tables"}}
    write(tmp_path, source, "1", table())
    path = tmp_path / "tables" / "1.csv"
    path.write_bytes(path.read_bytes()[:2000] + b'"p,\xff\xfe\xfd\n')
    site = Site(tmp_path, spark, engine="spark", source=source, mapping=MAPPING)
    assert refusal(site.spark.clear) == refusal(site.memory.clear)


def test_a_table_that_changed_is_read_again(spark: Session, tmp_path: Path) -> None:
    source = {"parquet": {"path": "tables"}}
    write(tmp_path, source, "1", table())
    site = Site(tmp_path, spark, engine="spark", source=source, mapping=MAPPING)
    first = site.spark.clear(FEATURES, MODEL)
    assert site.spark.clear(FEATURES, MODEL) is first
    write(tmp_path, source, "1", table(310))
    assert site.spark.clear(FEATURES, MODEL).rows > first.rows
    assert len({seen.fingerprint for seen in site.looks[1].seen}) == 2


def test_another_look_at_the_same_table_has_the_same_fingerprint(spark: Session, tmp_path: Path) -> None:
    source = {"parquet": {"path": "tables"}}
    write(tmp_path, source, "1", table())
    prints = set()
    for _ in range(2):
        site = Site(tmp_path, spark, engine="spark", source=source, mapping=MAPPING)
        site.spark.clear(FEATURES, MODEL)
        prints.add(site.looks[1].seen[-1].fingerprint)
    assert len(prints) == 1


def test_a_table_of_hundreds_of_columns_is_computed_as_in_memory(spark: Session, tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(400)]
    draw = np.random.Generator(np.random.PCG64(9))
    columns: dict[str, list[Any]] = {name: draw.uniform(0, 10, 150).tolist() for name in names}
    columns |= {"patient_id": list(map(str, range(150))), "sick": draw.integers(0, 2, 150).tolist()}
    write(tmp_path, {}, "1", columns)
    features = Features.model_validate(
        {"label": "sick", "scaling": "federated", "codebook": [{"name": name} for name in names]}
    )
    site = Site(tmp_path, spark, engine="spark", source={"parquet": {"path": "tables"}})
    mine, theirs = site.spark.clear(features, MODEL), site.memory.clear(features, MODEL)
    feature_map = FeatureMap.from_moments(names, theirs.moments())
    w = draw.normal(size=401)
    assert mine.evaluate(feature_map, w).model_dump() == pytest.approx(theirs.evaluate(feature_map, w).model_dump())


def test_a_builtin_dataset_is_handed_to_spark_from_memory(spark: Session, tmp_path: Path) -> None:
    features = Features.model_validate(
        {"label": "malignant", "scaling": "federated", "codebook": [{"name": "mean radius"}, {"name": "mean area"}]}
    )
    site = Site(tmp_path, spark, engine="spark")
    mine, theirs = site.spark.clear(features, MODEL), site.memory.clear(features, MODEL)
    site.findings()
    np.testing.assert_array_equal(mine.moments(), theirs.moments())


def kept(session: Session) -> set[int]:
    """Which tables, or what was made of them, Spark keeps, also of other tests."""
    return set(session.context()._jsc.getPersistentRDDs().keys())


def test_a_table_that_is_refused_again_and_again_is_not_kept(spark: Session, tmp_path: Path) -> None:
    source = {"parquet": {"path": "tables"}}
    write(tmp_path, source, "1", table() | {"sick": [0] * 300})
    write(tmp_path, source, "2", table())  # everybody twice, so that it is also divided by patients
    site = Site(tmp_path, spark, engine="spark", source=source, mapping=MAPPING)
    before = kept(spark)
    for _ in range(2):
        refusal(site.spark.clear)
    assert kept(spark) <= before


def test_a_table_that_was_looked_at_is_let_go_of_before_the_next_look(spark: Session, tmp_path: Path) -> None:
    source = {"parquet": {"path": "tables"}}
    write(tmp_path, source, "1", table())
    site = Site(tmp_path, spark, engine="spark", source=source, mapping=MAPPING)
    before = kept(spark)
    first = site.spark.clear(FEATURES, MODEL)  # held, so that nothing else lets go of it
    first.moments()
    there = kept(spark) - before
    assert there
    spark.lost += 1  # a part of them
    site.spark.clear(FEATURES, MODEL).moments()
    again = kept(spark) - before
    assert len(again) == len(there)
    assert not again & there


def test_what_was_noted_of_a_table_that_is_handed_to_spark_is_in_the_report(spark: Session, tmp_path: Path) -> None:
    code = {"coding": [{"system": "http://loinc.org", "code": "1"}]}
    seen = {"resourceType": "Observation", "status": "final", "code": code, "subject": {"reference": "Patient/p"}}
    below = seen | {"valueQuantity": {"value": 5, "comparator": "<"}}
    lines = [{"resourceType": "Patient", "id": "p", "birthDate": "1970"}, below]
    (tmp_path / "all.ndjson").write_text("".join(f"{json.dumps(line)}\n" for line in lines) + "{\n")
    mapping = {"columns": [{"name": "a", "code": "1"}, {"name": "b", "column": "birthYear"},
                           {"name": "sick", "code": "2", "present": True}]}  # fmt: skip
    site = Site(tmp_path, spark, engine="spark", source={"fhir": {"path": "all.ndjson"}}, mapping=mapping)
    assert refusal(site.spark.clear) == refusal(site.memory.clear)
    site.findings()
    notes = site.looks[1].seen[-1].notes
    assert notes == site.looks[0].seen[-1].notes
    assert len(notes) == 2


def test_the_progress_of_a_first_pass_is_told(spark: Session, tmp_path: Path) -> None:
    source = {"parquet": {"path": "tables"}}
    write(tmp_path, source, "1", table())
    told: list[float] = []

    class Told(Looks):
        def progress(self, share: float) -> None:
            told.append(share)

    site = Site(tmp_path, spark, engine="spark", source=source, mapping=MAPPING)
    backend = SparkBackend(
        site.cohort, spark, source=lambda of: source_of(of, Places(tmp_path)), looks=Told(site.cohort)
    )
    backend.clear(FEATURES, MODEL)
    assert told[-1] == 1.0
    assert all(0 <= share <= 1 for share in told)


def test_a_file_that_is_not_there_is_refused_in_the_same_words(spark: Session, tmp_path: Path) -> None:
    site = Site(tmp_path, spark, engine="spark", source={"parquet": {"path": "nowhere.parquet"}})
    assert refusal(site.spark.private) == refusal(site.memory.private)
