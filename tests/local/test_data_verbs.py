"""`consilia data check` and `consilia data shard`, as they are typed."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from rich.console import Console

from builders import cohort
from consilia_local.cli import main
from consilia_local.data_check import Checked
from consilia_local.data_tables import checked_view

MANIFEST = """\
apiVersion: consilia.health/v1alpha1
kind: Federation
metadata: {name: trial}
spec:
  rounds: 2
  privacy: {epsilon: EPSILON}
  features:
    label: sick
    nominalRows: 40
    codebook:
      - {name: height, unit: m, min: 1, max: 3}
      - {name: weight, min: 20, max: 300}
  hospitals:
    - {name: north, cohort: {name: north}}
    - {name: south, cohort: {name: south}}
"""
COHORT = """\
---
apiVersion: consilia.health/v1alpha1
kind: Cohort
metadata: {name: NAME}
spec:
  hospital: NAME
  allowNonPrivate: true
  budget: {epsilon: 4.0}
  source: {csv: {path: NAME.csv}}
  mapping: {patient: id, columns: [{name: height, column: cm, unit: UNIT}]}
"""
Row = tuple[str, object, object, object]
PEOPLE: list[Row] = [(f"p{i}", 150 + i, 50 + i, i % 2) for i in range(20)]


def write(folder: Path, north: list[Row], epsilon: float = 0, unit: str = "cm") -> Path:
    for name, rows in (("north", north), ("south", PEOPLE)):
        with (folder / f"{name}.csv").open("w", newline="") as out:
            csv.writer(out).writerows([("id", "cm", "weight", "sick"), *rows])
    cohorts = COHORT.replace("NAME", "north").replace("UNIT", unit) + COHORT.replace("NAME", "south").replace(
        "UNIT", "cm"
    )
    file = folder / "trial.yaml"
    file.write_text(MANIFEST.replace("EPSILON", str(epsilon)) + cohorts)
    return file


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What was printed, on one line."""
    return lambda: " ".join("".join(capfd.readouterr()).split())


@pytest.mark.real
def test_good_tables_are_accepted_and_counted(tmp_path: Path, told: Callable[[], str]) -> None:
    rows = [*PEOPLE, ("p90", 160, "", 1), ("p91", 190, 600, 0)]
    assert main(["data", "check", str(write(tmp_path, rows))]) == 0
    said = told()
    assert "north · cohort north · csv · accepted" in said
    assert "22 rows · 22 patients · 21 usable · 11 of class 0, 10 of class 1" in said
    assert "cm (height) cm to m good" in said
    assert "weight – 1 1 rows left out, clipped" in said
    assert "south · cohort south · csv · accepted" in said


@pytest.mark.real
def test_a_table_that_is_refused_says_why_and_the_others_are_looked_at_all_the_same(
    tmp_path: Path, told: Callable[[], str]
) -> None:
    file = write(tmp_path, [*PEOPLE, ("p90", "tall", 60, 1)])
    assert main(["data", "check", str(file)]) == 1
    said = told()
    assert "north · cohort north · csv · not accepted" in said
    assert "has values that are no" in said
    assert "tall" not in said
    assert "south · cohort south · csv · accepted" in said


@pytest.mark.real
def test_a_private_run_that_would_go_on_silently_is_told_to_the_hospital(
    tmp_path: Path, told: Callable[[], str]
) -> None:
    assert main(["data", "check", str(write(tmp_path, PEOPLE, epsilon=1, unit="mm")), "--hospital", "north"]) == 1
    said = told()
    assert "a private run tells nobody of this: it goes on without the records that cannot be used" in said
    assert "south" not in said


@pytest.mark.real
def test_a_file_that_is_missing_is_told_by_its_name(tmp_path: Path, told: Callable[[], str]) -> None:
    file = write(tmp_path, PEOPLE)
    (tmp_path / "south.csv").unlink()
    assert main(["data", "check", str(file), "--hospital", "south"]) == 1
    assert "south.csv" in told()


def test_a_hospital_that_is_not_in_the_file_is_refused_with_those_that_are(
    tmp_path: Path, told: Callable[[], str]
) -> None:
    assert main(["data", "check", str(write(tmp_path, PEOPLE)), "--hospital", "west"]) == 2
    assert told() == '--hospital is "west", and trial has north, south: name one'


def column(name: str, **changes: object) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "name": name, "column": name, "unit": None, "kept": None, "bounds": None, "missing": 0, "unreadable": 0,
        "outOfBounds": 0, "impute": None, "objection": None,
    }  # fmt: skip
    return whole | changes


def drawn(columns: list[dict[str, Any]], **changes: object) -> str:
    report: dict[str, Any] = {
        "accepted": True, "objections": [], "rows": 9, "patients": 9, "withoutPatient": 0, "usable": 9,
        "labels": {"0": 4, "1": 5}, "columns": columns, "notes": [],
    }  # fmt: skip
    out = io.StringIO()
    Console(file=out, width=110).print(checked_view(Checked("north", cohort(), False, report | changes)))
    return " ".join(out.getvalue().split())


def test_of_many_columns_only_those_are_shown_of_which_there_is_something_to_tell() -> None:
    said = drawn([column(f"c{i}") for i in range(30)] + [column("odd", missing=3, impute=2.5)])
    assert "odd – 3 imputed: 2.5" in said
    assert "30 more columns: nothing missing" in said
    assert "c7" not in said


def test_what_others_wrote_steers_no_terminal() -> None:
    assert "\x1b" not in drawn([column("\x1b[2Jc")], notes=["\x1b[31mred"])


# Shards.


def table(folder: Path, delimiter: str = ",", positive: str = "1", negative: str = "0") -> Path:
    file = folder / "all.csv"
    rows = [[f"p{i}", f"{i / 3:.17g}", positive if i % 3 == 0 else negative] for i in range(60)]
    with file.open("w", newline="") as out:
        csv.writer(out, delimiter=delimiter).writerows([["id", "a, b", "sick"], *rows])
    return file


def cells_of(path: Path, delimiter: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text()), delimiter=delimiter))


def shards(folder: Path, delimiter: str = ",") -> list[list[list[str]]]:
    paths = sorted(folder.glob("shard-*.csv"), key=lambda path: int(path.stem.partition("-")[2]))
    return [cells_of(path, delimiter) for path in paths]


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_every_row_is_in_one_shard_as_it_was(tmp_path: Path, delimiter: str, told: Callable[[], str]) -> None:
    file, into = table(tmp_path, delimiter), tmp_path / "deep" / "shards"
    asked = ["data", "shard", str(file), "--into", str(into), "--label", "sick", "--delimiter", delimiter]
    assert main([*asked, "--shards", "3"]) == 0
    cut = shards(into, delimiter)
    header, *rows = cells_of(file, delimiter)
    assert [each[0] for each in cut] == [header] * 3
    assert sorted(row for each in cut for row in each[1:]) == sorted(rows)
    for each in cut:
        assert {row[2] for row in each[1:]} == {"0", "1"}
    assert f"{into / 'shard-1.csv'}: {len(cut[0]) - 1} rows" in told()


def test_the_same_cut_is_the_same_and_another_seed_another(tmp_path: Path) -> None:
    def made(name: str, *more: str) -> list[list[list[str]]]:
        into = tmp_path / name
        asked = ["data", "shard", str(table(tmp_path)), "--into", str(into), "--label", "sick", "--shards", "3", *more]
        assert main(asked) == 0
        return shards(into)

    assert made("one") == made("two")
    assert made("one") != made("three", "--seed", "7")
    even = made("four", "--alpha", "100000")
    assert {len(each) - 1 for each in even} <= {19, 20, 21}


def test_a_label_of_words_needs_the_word_that_means_1(tmp_path: Path, told: Callable[[], str]) -> None:
    file = table(tmp_path, positive="yes", negative="no")
    asked = ["data", "shard", str(file), "--into", str(tmp_path / "x"), "--label", "sick"]
    assert main(asked) == 2
    assert 'column "sick" holds other values than 0 and 1: say which text means 1, with --positive' in told()
    assert main([*asked, "--positive", "yes"]) == 0
    assert main([*asked, "--positive", "maybe"]) == 2


def test_parquet_becomes_csv(tmp_path: Path) -> None:
    file = tmp_path / "all.parquet"
    parquet.write_table(pa.table({"id": list(range(20)), "sick": [i % 2 for i in range(20)], "x": [None] * 20}), file)
    assert main(["data", "shard", str(file), "--into", str(tmp_path), "--label", "sick", "--shards", "2"]) == 0
    assert sorted(row[0] for each in shards(tmp_path) for row in each[1:]) == sorted(map(str, range(20)))


@pytest.mark.parametrize(
    ("text", "asked", "said"),
    [
        pytest.param("", [], "is empty: it has no header", id="empty"),
        pytest.param("id,ill\n1,0\n", [], 'has no column "sick": it has id, ill', id="no such column"),
        pytest.param(
            "id,sick\n1,0,9\n2\n3,1\n",
            [],
            "2 rows with another number of cells than the header, which has 2: rows 1, 2",
            id="uneven",
        ),
        pytest.param("id,sick\n1,0\n2,1\n", ["--shards", "3"], "3 shards are too many", id="too many shards"),
        pytest.param('id,sick\n"1,0\n', [], "is no CSV", id="a quote that is open"),
    ],
)
def test_a_table_that_cannot_be_cut_is_refused(
    tmp_path: Path, text: str, asked: list[str], said: str, told: Callable[[], str]
) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    assert main(["data", "shard", str(file), "--into", str(tmp_path / "x"), "--label", "sick", *asked]) == 2
    assert said in told()
