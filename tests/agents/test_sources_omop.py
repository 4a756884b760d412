"""OMOP databases that are not as they should be, and values that are no numbers."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import written_clinical
from refused_sources import refusal
from written_tables import FEATURES

SET = "UPDATE measurement SET {} = ? WHERE measurement_id = 2"


@pytest.mark.parametrize("table", ["person", "measurement", "condition_occurrence"])
def test_a_database_without_a_table_of_omop_is_refused(tmp_path: Path, table: str) -> None:
    written = written_clinical.omop(tmp_path)
    with sqlite3.connect(tmp_path / "omop.db") as connection:
        connection.execute(f"DROP TABLE {table}")
    connection.close()
    assert refusal(written) == (
        f'hospital north: the database "omop.db" has no table {table}: it is no OMOP 5.4, or mend schema'
    )


def test_an_omop_without_a_column_is_refused(tmp_path: Path) -> None:
    written = written_clinical.omop(tmp_path)
    with sqlite3.connect(tmp_path / "omop.db") as connection:
        connection.execute("ALTER TABLE measurement DROP COLUMN unit_source_value")
    connection.close()
    assert "has no column unit_source_value in table measurement" in refusal(written)


@pytest.mark.parametrize("code", ["718-7", "9" * 30])
def test_a_code_of_omop_is_a_number(tmp_path: Path, code: str) -> None:
    written = written_clinical.omop(tmp_path)
    columns = [{"name": "mean radius", "code": code}, *written.columns[1:]]
    assert f'maps "mean radius" to code "{code}", and in OMOP a code is the number of a concept' in refusal(
        replace(written, columns=columns)
    )


@pytest.mark.parametrize(
    ("change", "unreadable"),
    [
        pytest.param({"unit_concept_id": 0, "unit_source_value": "kg"}, 1, id="a unit that does not convert"),
        pytest.param({"unit_concept_id": 0, "unit_source_value": "furlongish"}, 1, id="a unit that nobody knows"),
        pytest.param({"operator_concept_id": 4171756}, 0, id="below something"),
        pytest.param({"value_as_number": None, "value_as_concept_id": 45884084}, 1, id="a concept"),
        pytest.param({"value_as_number": None}, 0, id="nothing"),
    ],
)
def test_a_measurement_that_is_no_number_is_counted_and_an_older_one_stands(
    tmp_path: Path, change: dict[str, Any], unreadable: int
) -> None:
    written = written_clinical.omop(tmp_path)
    with sqlite3.connect(tmp_path / "omop.db") as connection:
        for name, value in change.items():
            connection.execute(SET.format(name), [value])
    connection.close()
    found = written.read().extract(FEATURES)
    assert found.unreadable == ({"mean radius": unreadable} if unreadable else {})
    assert found.x[0, 0] == 1.0


def test_columns_of_person_and_concepts_as_values_may_be_features(tmp_path: Path) -> None:
    written = written_clinical.omop(tmp_path)
    with sqlite3.connect(tmp_path / "omop.db") as connection:
        connection.execute(
            "UPDATE measurement SET value_as_number = NULL, value_as_concept_id = 9191 + person_id % 2 "
            "WHERE measurement_concept_id = ?",
            [written_clinical.OMOP_TEXTURE],
        )
    connection.close()
    columns = [
        {"name": "mean radius", "column": "year_of_birth"},
        {"name": "mean texture", "code": str(written_clinical.OMOP_TEXTURE), "positive": "9191"},
        *written.columns[2:],
    ]
    found = replace(written, columns=columns).read().extract(FEATURES)
    assert set(found.x[:, 0]) == {1950.0}
    assert found.x[:, 1].tolist() == [float(int(patient) % 2 == 0) for patient in found.ids]
