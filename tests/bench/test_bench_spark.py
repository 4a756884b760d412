"""What Spark costs: a small table through the whole bench, and what is said of its figures."""

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from bench.spark import COLUMNS, Hospital, Mllib, in_memory, main, told, write_table

MEBI = 2**20
FEW = Hospital(rows=1000, look=1.0, design=1.0, step=0.1, memory=200 * MEBI)
MANY = Hospital(rows=10_000, look=1.0, design=1.0, step=1.0, memory=201 * MEBI)


@pytest.mark.parametrize(
    ("many", "mllib", "step", "code"),
    [
        pytest.param(MANY, Mllib(0.5, 0.4), 1.0, 0, id="kept"),
        pytest.param(MANY, Mllib(0.3, None), 1.0, 1, id="slower than three passes"),
        pytest.param(Hospital(10_000, 1.0, 1.0, 1.0, 300 * MEBI), Mllib(0.5, 0.4), 1.0, 1, id="grows with the rows"),
        pytest.param(MANY, Mllib(0.5, 0.4), 1.6, 1, id="slower than NumPy in memory"),
    ],
)
def test_its_exit_code_says_whether_the_limits_are_kept(many: Hospital, mllib: Mllib, step: float, code: int) -> None:
    assert told(FEW, many, mllib, step, 1.0) == code


def test_its_table_is_the_same_each_time_and_has_both_classes(tmp_path: Path) -> None:
    tables = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_table(tmp_path / name, 1200)
        tables.append(parquet.read_table(tmp_path / name))
    assert tables[0].equals(tables[1])
    assert tables[0].num_rows == 1200
    assert set(np.unique(tables[0]["sick"])) == {0, 1}
    assert len(tables[0].column_names) == COLUMNS + 2


def test_a_step_in_memory_is_measured_beside_numpy() -> None:
    assert all(seconds > 0 for seconds in in_memory(2000))


@pytest.mark.real
def test_a_small_table_goes_through_it(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--rows", "20000", "--heap", "700m"]) in (0, 1), "how fast this machine is, is not asked here"
    said = capfd.readouterr().out
    for line in ("20,000 rows x 30", "step   ", "MLlib, a fit by its iterations", "in memory, 2,000 rows"):
        assert line in said
