"""OMOP databases that are not as they should be, and values that are no numbers."""

import math
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
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


BELOW = 4171756
OF_A_PATIENT = "mean radius: of 1 patient the value is only known to lie below or above something; taken as missing"


@pytest.mark.parametrize(
    ("choose", "expected"),
    [("latest", math.nan), ("earliest", 1.0), ("mean", math.nan)],
)
def test_no_older_number_stands_for_a_newer_bound(tmp_path: Path, choose: str, expected: float) -> None:
    written = written_clinical.omop(tmp_path)
    with sqlite3.connect(tmp_path / "omop.db") as connection:
        connection.execute(SET.format("operator_concept_id"), [BELOW])
    connection.close()
    columns = [written.columns[0] | {"choose": choose}, *written.columns[1:]]
    found = replace(written, columns=columns).read().extract(FEATURES)
    np.testing.assert_array_equal(found.x[0, 0], expected)
    assert found.unreadable == {}
    assert found.notes == ((OF_A_PATIENT,) if math.isnan(expected) else ())


def test_a_bound_that_gave_way_to_a_newer_number_is_none_to_tell_of(tmp_path: Path) -> None:
    written = written_clinical.omop(tmp_path)
    with sqlite3.connect(tmp_path / "omop.db") as connection:
        connection.execute("UPDATE measurement SET operator_concept_id = ? WHERE measurement_id = 1", [BELOW])
    connection.close()
    found = written.read().extract(FEATURES)
    assert not math.isnan(found.x[0, 0])
    assert found.notes == ()


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
