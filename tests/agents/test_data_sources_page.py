"""The page on data sources: its fragments are cohorts, and its sentences are those that people are told."""

import gzip
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from consilia.errors import InvalidData
from consilia.experiment import Features
from consilia.spec import CohortSpec
from consilia_agents.sources.chosen import source_of
from consilia_agents.sources.places import Places
from written_tables import csv_text, parquet_bytes

PAGE = (Path(__file__).parents[2] / "docs" / "data-sources.md").read_text("utf-8")
FRAGMENTS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SENTENCES = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0].splitlines()
FEATURES = Features.model_validate(
    {"label": "malignant", "scaling": "federated", "codebook": [{"name": "mean radius", "unit": "mm"}]}
)
KINDS = {"csv", "parquet", "sql", "fhir", "omop"}


def spec_of(fragment: dict[str, Any]) -> CohortSpec:
    return CohortSpec.model_validate({"hospital": "north", "source": {"csv": {"path": "labs.csv"}}} | fragment)


def test_every_fragment_is_of_a_cohort_and_every_kind_has_one() -> None:
    specs = [spec_of(yaml.safe_load(text)) for text in FRAGMENTS]
    assert {spec.source.kind for spec in specs} == KINDS
    assert all(source_of(spec, Places(Path("data"), Path("credentials"))) for spec in specs)


def test_the_mapping_of_the_page_converts() -> None:
    features = Features.model_validate(
        {
            "label": "malignant",
            "scaling": "federated",
            "codebook": [{"name": "glucose", "unit": "mmol/L"}, {"name": "age", "unit": "a"}],
        }
    )
    spec = spec_of(yaml.safe_load(FRAGMENTS[0]))
    with pytest.raises(InvalidData, match=r'no file "labs\.csv"'):
        source_of(spec, Places(Path(__file__).parent)).extract(features)


def csv(folder: Path, content: str | bytes, name: str = "labs.csv", **mapping: Any) -> dict[str, Any]:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return {"source": {"csv": {"path": name}}, "mapping": mapping}


def parquet(folder: Path, content: bytes) -> dict[str, Any]:
    (folder / "labs.parquet").write_bytes(content)
    return {"source": {"parquet": {"path": "labs.parquet"}}}


def database(folder: Path, query: str, kind: str = "sql") -> dict[str, Any]:
    with sqlite3.connect(folder / "clinic.db") as connection:
        connection.execute("CREATE TABLE labs (patient_id, radius)")
    connection.close()
    url = {"url": "sqlite:///clinic.db"}
    return {"source": {kind: url | ({"query": query} if kind == "sql" else {})}}


def no_database(folder: Path) -> dict[str, Any]:
    fragment = database(folder, "SELECT * FROM labs")
    (folder / "clinic.db").write_text("no database " * 100)
    return fragment


def no_password(folder: Path) -> dict[str, Any]:
    (folder / "username").write_text("reader")
    source = {"url": "postgresql://db.example/clinic", "query": "SELECT 1"}
    return {"source": {"sql": source, "credentials": "clinic-db"}}


def empty_folder(folder: Path) -> dict[str, Any]:
    (folder / "labs").mkdir()
    return {"source": {"parquet": {"path": "labs"}}}


def link(folder: Path) -> dict[str, Any]:
    (folder / "linked.csv").symlink_to("/etc/hostname")
    return {"source": {"csv": {"path": "linked.csv"}}}


def bundle(folder: Path) -> dict[str, Any]:
    (folder / "export.ndjson").write_text('{"resourceType": "Bundle"}')
    columns = [{"name": name, "code": "1-8"} for name in ("mean radius", "malignant")]
    return {"source": {"fhir": {"path": "export.ndjson"}}, "mapping": {"columns": columns}}


RADIUS = [{"name": "mean radius", "column": "radius", "unit": "kg"}]
GOOD = "patient_id,mean radius,malignant\n"
REFUSED: list[Callable[[Path], dict[str, Any]]] = [
    lambda folder: {},
    empty_folder,
    link,
    lambda folder: csv(folder, ""),
    lambda folder: csv(folder, f"{GOOD}Jürgen,1,0\n".encode("latin-1")),
    lambda folder: csv(folder, b"PK\x03\x04" + bytes(900)),
    lambda folder: csv(folder, GOOD.replace(",", ";")),
    lambda folder: csv(folder, f'{GOOD}a,"1,0\n'),
    lambda folder: csv(folder, gzip.compress(csv_text().encode())[:-20], "labs.csv.gz"),
    lambda folder: parquet(folder, parquet_bytes()[:-20]),
    lambda folder: parquet(folder, b"text"),
    lambda folder: csv(folder, "patient_id,malignant\n"),
    lambda folder: csv(folder, "mean radius,malignant\n"),
    lambda folder: csv(folder, "patient_id,area,area,malignant\n", columns=[{"name": "mean radius", "column": "area"}]),
    lambda folder: csv(folder, GOOD, columns=RADIUS),
    no_password,
    no_database,
    lambda folder: database(folder, "DELETE FROM labs"),
    lambda folder: database(folder, "SELECT * FROM nowhere"),
    lambda folder: database(folder, "", "omop"),
    bundle,
]


@pytest.mark.parametrize(
    ("fragment_of", "sentence"),
    [pytest.param(fragment_of, said, id=said) for fragment_of, said in zip(REFUSED, SENTENCES, strict=True)],
)
def test_every_sentence_of_the_page_is_what_is_said(
    tmp_path: Path, fragment_of: Callable[[Path], dict[str, Any]], sentence: str
) -> None:
    spec = spec_of(fragment_of(tmp_path))
    if spec.source.omop is not None:
        columns = [{"name": name, "column": "year_of_birth"} for name in ("mean radius", "malignant")]
        spec = spec.model_copy(update={"mapping": type(spec.mapping).model_validate({"columns": columns})})
    with pytest.raises(InvalidData) as told:
        source_of(spec, Places(tmp_path, tmp_path)).extract(FEATURES)
    assert str(told.value) == sentence
