"""Data sources: the conformance suite over all of them, with the same patients, and the builtin source."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

import written_clinical
import written_sources
import written_tables
from builders import features_of
from consilia import dataset
from consilia.errors import InvalidData
from consilia.experiment import Features
from consilia.spec import CohortSpec
from consilia_agents.sources.builtin import BuiltinSource
from consilia_agents.sources.chosen import source_of
from consilia_agents.sources.places import Places
from stores import PASSWORD, USER, postgresql, s3
from written_sources import LOCAL
from written_tables import BUCKET, FEATURES, LABEL, PATIENTS, Written

REAL = ("postgresql", "omop in postgresql", "csv in s3", "parquet in s3", "fhir in s3")
CASES = [
    *(pytest.param(name, id=name) for name in LOCAL),
    *(pytest.param(name, id=name, marks=pytest.mark.real) for name in REAL),
]
ORDERED = {"sqlite", "postgresql", "omop", "omop in postgresql"}
"""Databases, whose records are in the order of their patients."""


@pytest.fixture(scope="module")
def written_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator["WrittenOf"]:
    """The patients in a form, written when it is first asked for; servers are up until the module is done."""
    with ExitStack() as servers:
        yield WrittenOf(tmp_path_factory, servers)


class WrittenOf:
    def __init__(self, folders: pytest.TempPathFactory, servers: ExitStack) -> None:
        self._folders = folders
        self._servers = servers
        self._written: dict[str, Written] = {}
        self._port: int | None = None
        self._endpoint: str | None = None

    def __call__(self, form: str) -> Written:
        if form not in self._written:
            folder = self._folders.mktemp(form.replace(" ", "-"))
            self._written[form] = LOCAL[form](folder) if form in LOCAL else self._served(form, folder)
        return self._written[form]

    def _served(self, form: str, folder: Path) -> Written:
        match form:
            case "postgresql":
                source, places = written_tables.in_postgresql(
                    folder, self.port, USER, PASSWORD, query=written_tables.QUERY
                )
                source = {"sql": source, "credentials": "clinic-db"}
                return Written(source, written_tables.TABLE_COLUMNS, places, ids=tuple(sorted(PATIENTS.ids)))
            case "omop in postgresql":
                source, places = written_tables.in_postgresql(folder, self.port, USER, PASSWORD, schema="cdm")
                source = {"omop": source, "credentials": "clinic-db"}
                return Written(source, written_clinical.OMOP_COLUMNS, places, ids=written_clinical.OMOP_IDS)
            case "csv in s3":
                text = written_tables.csv_text().encode()
                store, places = written_tables.in_bucket(folder, self.endpoint, labs_csv=text)
                source = {"csv": {"path": f"s3://{BUCKET}/labs.csv"} | store}
                columns = written_tables.TABLE_COLUMNS
            case "parquet in s3":
                rows = written_tables.table_rows()
                parts = {"labs__a_parquet": rows[:30], "labs__b_parquet": rows[30:]}
                content = {name: written_tables.parquet_bytes(part) for name, part in parts.items()}
                store, places = written_tables.in_bucket(folder, self.endpoint, **content)
                source = {"parquet": {"path": f"s3://{BUCKET}/labs"} | store}
                columns = written_tables.TABLE_COLUMNS
            case _:
                resources = [each for kind in written_clinical.fhir_resources() for each in kind]
                text = written_clinical.ndjson(resources).encode()
                store, places = written_tables.in_bucket(folder, self.endpoint, export__all_ndjson=text)
                source = {"fhir": {"path": f"s3://{BUCKET}/export"} | store}
                columns = written_clinical.FHIR_COLUMNS
        return Written(source | {"credentials": "clinic-s3"}, columns, places)

    @property
    def port(self) -> int:
        if self._port is None:
            address, self._port = self._servers.enter_context(postgresql())
            engine = sa.create_engine(address.replace("postgresql://", "postgresql+psycopg://"))
            written_tables.write_labs(engine)
            with engine.begin() as connection:
                connection.execute(sa.schema.CreateSchema("cdm"))
            written_clinical.write_omop(engine, "cdm")
            engine.dispose()
        return self._port

    @property
    def endpoint(self) -> str:
        if self._endpoint is None:
            self._endpoint = self._servers.enter_context(s3(BUCKET))
        return self._endpoint


@pytest.mark.parametrize("form", CASES)
class TestEverySource:
    def test_the_same_patients_have_the_same_values_whatever_they_are_kept_in(self, written_of: WrittenOf, form: str):
        written = written_of(form)
        read = written.read().extract(FEATURES)
        x, y = written_sources.expected(written)
        assert read.ids == written.ids
        np.testing.assert_allclose(read.x, x, rtol=1e-12, atol=0)
        np.testing.assert_array_equal(read.y, y)
        assert (read.features, read.label) == (tuple(FEATURES.names), LABEL)
        assert (read.unreadable, read.notes) == ({}, ())

    def test_records_have_the_named_columns_in_the_named_order(self, written_of: WrittenOf, form: str):
        source = written_of(form).read()
        turned = FEATURES.model_copy(update={"codebook": FEATURES.codebook[::-1]})
        one, other = source.extract(FEATURES), source.extract(turned)
        np.testing.assert_array_equal(one.x, other.x[:, ::-1])
        assert one.x.shape == (len(one), 3)
        assert one.x.dtype == one.y.dtype == np.float64
        assert other.features == tuple(FEATURES.names[::-1])

    def test_two_looks_give_the_same_records_identities_and_fingerprint(self, written_of: WrittenOf, form: str):
        first, second = (written_of(form).read().extract(FEATURES) for _ in range(2))
        assert first.ids == second.ids
        assert len(set(first.ids)) == len(first)
        np.testing.assert_array_equal(first.x, second.x)
        assert first.fingerprint == second.fingerprint

    @pytest.mark.parametrize("missing", ["feature", "label"])
    def test_a_missing_column_is_refused_by_its_name(self, written_of: WrittenOf, form: str, missing: str):
        codebook = [{"name": "mean mood"}] if missing == "feature" else [{"name": "mean radius"}]
        label = LABEL if missing == "feature" else "mean mood"
        features = Features.model_validate({"label": label, "scaling": "federated", "codebook": codebook})
        written = written_of(form)
        columns = [{key: value for key, value in each.items() if key != "unit"} for each in written.columns]
        bare = Written(written.source, columns, written.places)
        with pytest.raises(InvalidData, match='hospital north has no column "mean mood"'):
            bare.read().extract(features)

    def test_the_share_that_was_read_grows_to_the_whole(self, written_of: WrittenOf, form: str):
        shares: list[float] = []
        written_of(form).read().extract(FEATURES, shares.append)
        assert shares == sorted(set(shares))
        assert shares[-1] == 1.0

    def test_a_table_that_stays_keeps_its_stamp_and_databases_have_none(self, written_of: WrittenOf, form: str):
        source = written_of(form).read()
        assert source.stamp() == source.stamp()
        assert (source.stamp() is None) == (form in ORDERED)

    def test_its_columns_are_those_that_the_mapping_may_name(self, written_of: WrittenOf, form: str):
        written = written_of(form)
        there = written.read().columns()
        assert {column.get("code") or column["column"] for column in written.columns} <= set(there)


def test_another_order_value_label_or_patient_is_another_fingerprint(tmp_path: Path) -> None:
    def told(rows: list[list[object]]) -> str:
        (tmp_path / "labs.csv").write_text(written_tables.csv_text(rows), "utf-8")
        source = Written({"csv": {"path": "labs.csv"}}, written_tables.TABLE_COLUMNS, Places(tmp_path))
        return source.read().extract(FEATURES).fingerprint

    rows = written_tables.table_rows()
    first, second, *rest = rows
    changed = [
        [second, first, *rest],
        [[*first[:2], first[2] + 1e-9, *first[3:]], second, *rest],
        [[*first[:5], "benign" if first[5] == "malignant" else "malignant"], second, *rest],
        [[first[0], "somebody else", *first[2:]], second, *rest],
        [second, *rest],
    ]
    assert len({told(each) for each in [rows, *changed]}) == 6
    assert told([["another note", *row[1:]] for row in rows]) == told(rows), "what is not read is not in it"


def test_a_builtin_table_may_be_mapped_as_any_other():
    features = Features.model_validate(
        {"label": LABEL, "scaling": "federated", "codebook": [{"name": "size", "unit": "cm"}]}
    )
    columns = [{"name": "size", "column": "mean radius", "unit": "mm"}]
    read = Written({"builtin": written_tables.SHARD}, columns).read().extract(features)
    np.testing.assert_allclose(read.x[:, 0], PATIENTS.values[:, 0] / 10, rtol=1e-15)


def test_a_source_that_spark_reads_alone_says_so():
    jdbc = {"url": "jdbc:postgresql://db.example/clinic", "query": "SELECT 1"}
    cohort = CohortSpec.model_validate({"hospital": "north", "engine": "spark", "source": {"jdbc": jdbc}})
    with pytest.raises(InvalidData, match=r"hospital north: source\.jdbc is read by Spark alone: say engine: spark"):
        source_of(cohort)


def test_a_cohort_says_which_shard_it_is():
    builtin = {"dataset": "breast-cancer", "shard": 3, "of": 7, "alpha": 2.0, "seed": 9}
    cohort = CohortSpec.model_validate({"hospital": "east", "source": {"builtin": builtin}})
    assert source_of(cohort) == BuiltinSource("east", "breast-cancer", 3, 7, 2.0, 9)


def test_no_hospital_holds_a_public_test_row():
    public = set(dataset.split(dataset.load("breast-cancer"), 42).test.ids)
    sources = [BuiltinSource("any", "breast-cancer", i, 5, 0.5, 42) for i in range(5)]
    assert not public & {patient for one in sources for patient in one.extract(features_of(one.columns()[0])).ids}
