"""When a table is read again, to which table a run is pinned, and what is kept of a look."""

import json
import logging
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from builders import AT
from consilia.errors import InvalidData, Unwritable
from consilia.experiment import Features, Model
from consilia.spec import CohortSpec
from consilia_agents.disk import Disk
from consilia_agents.in_memory import InMemory
from consilia_agents.looks import PIN, REPORT, Looks
from consilia_agents.sources.extract import Extract, Progress, untold
from private_hospital import COHORT, COLUMNS, private_spec

FEATURES = private_spec().features
MODEL = Model()


@dataclass
class Kept:
    """A table that a test changes; ``reads`` counts how often it was read."""

    fingerprint: str = "first"
    stamped: str | None = "1"
    last_label: float = 1.0
    shares: tuple[float, ...] = (0.5, 1.0)
    reads: int = 0
    seen: list[float | None] = field(default_factory=list)
    watch: Callable[[], float | None] = lambda: None

    def columns(self) -> tuple[str, ...]:
        return (*COLUMNS, "sick")

    def extract(self, features: Features, progress: Progress = untold) -> Extract:
        self.reads += 1
        for share in self.shares:
            progress(share)
            self.seen.append(self.watch())
        x = np.arange(40, dtype=np.float64).reshape(20, 2) / 4
        y = np.append(np.tile([0.0, 1.0], 10)[:-1], self.last_label)
        names = tuple(features.names)
        return Extract(tuple(f"p{i}" for i in range(20)), names, "sick", x[:, : len(names)], y, self.fingerprint)

    def stamp(self) -> str | None:
        return self.stamped


def backend_of(kept: Kept, looks: Looks) -> InMemory:
    def source_of(_: CohortSpec) -> Kept:
        return kept

    return InMemory(COHORT, source=source_of, looks=looks)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def looks(tmp_path: Path) -> Looks:
    looks = Looks(COHORT, tmp_path, clock=lambda: AT)
    looks.enter("uid-1", 1)
    return looks


def test_a_table_is_read_once_for_as_long_as_it_stays_as_it_is(kept: Kept, looks: Looks) -> None:
    backend = backend_of(kept, looks)
    assert backend.clear(FEATURES, MODEL) is backend.clear(FEATURES, MODEL)
    assert kept.reads == 1


def test_other_columns_and_other_units_are_read_anew_and_pinned_anew(kept: Kept, looks: Looks) -> None:
    backend = backend_of(kept, looks)
    backend.clear(FEATURES, MODEL)
    first, *rest = FEATURES.codebook
    others = [first.model_copy(update={"unit": "mm"}), *rest], [first]
    for reads, codebook in enumerate(others, 2):
        kept.fingerprint = f"of look {reads}"
        backend.clear(FEATURES.model_copy(update={"codebook": codebook}), MODEL)
        assert kept.reads == reads


def test_a_table_that_was_touched_and_is_the_same_goes_on(kept: Kept, looks: Looks) -> None:
    backend = backend_of(kept, looks)
    backend.clear(FEATURES, MODEL)
    kept.stamped = "2"
    backend.clear(FEATURES, MODEL)
    assert kept.reads == 2


@pytest.mark.parametrize("private", [False, True], ids=["clear", "private"])
def test_a_table_that_changed_in_a_run_is_refused_until_it_is_put_back(kept: Kept, looks: Looks, private: bool) -> None:
    backend = backend_of(kept, looks)
    ask = backend.private if private else backend.clear
    ask(FEATURES, MODEL)
    kept.stamped, kept.fingerprint = "2", "second"
    for _ in range(2):
        with pytest.raises(InvalidData, match="the table changed during run 1 of this federation: put it back"):
            ask(FEATURES, MODEL)
    kept.stamped, kept.fingerprint = "3", "first"
    ask(FEATURES, MODEL)
    assert kept.reads == 4


def test_another_run_takes_the_table_as_it_is_by_then(kept: Kept, looks: Looks) -> None:
    backend = backend_of(kept, looks)
    backend.clear(FEATURES, MODEL)
    kept.stamped, kept.fingerprint = "2", "second"
    looks.enter("uid-1", 2)
    backend.clear(FEATURES, MODEL)
    looks.enter("uid-2", 1)
    backend.clear(FEATURES, MODEL)
    assert kept.reads == 2


def test_where_only_reading_tells_another_run_reads_again_and_the_same_does_not(kept: Kept, looks: Looks) -> None:
    kept.stamped = None
    backend = backend_of(kept, looks)
    backend.clear(FEATURES, MODEL)
    backend.clear(FEATURES, MODEL)
    assert kept.reads == 1
    looks.enter("uid-1", 2)
    kept.fingerprint = "second"
    backend.clear(FEATURES, MODEL)
    assert kept.reads == 2


def test_the_pin_outlives_the_process(kept: Kept, looks: Looks, tmp_path: Path) -> None:
    backend_of(kept, looks).clear(FEATURES, MODEL)
    again = Looks(COHORT, tmp_path)
    again.enter("uid-1", 1)
    kept.fingerprint = "second"
    with pytest.raises(InvalidData, match="the table changed during run 1"):
        backend_of(kept, again).clear(FEATURES, MODEL)
    again.enter("uid-1", 2)
    backend_of(kept, again).clear(FEATURES, MODEL)


def test_a_look_before_the_run_is_known_is_pinned_once_it_is(kept: Kept, tmp_path: Path) -> None:
    first = Looks(COHORT, tmp_path)
    first.enter("uid-1", None)
    backend = backend_of(kept, first)
    backend.clear(FEATURES, MODEL)
    assert not (tmp_path / PIN).exists()
    first.enter("uid-1", 1)
    backend.clear(FEATURES, MODEL)
    assert kept.reads == 1
    assert json.loads((tmp_path / PIN).read_text())["run"] == 1


def test_a_table_that_is_refused_is_not_pinned_and_may_be_mended(kept: Kept, looks: Looks) -> None:
    kept.last_label = 7.0
    backend = backend_of(kept, looks)
    with pytest.raises(InvalidData, match="neither 0 nor 1"):
        backend.clear(FEATURES, MODEL)
    kept.last_label, kept.fingerprint = 1.0, "second"
    assert backend.clear(FEATURES, MODEL).rows > 0


def test_a_private_run_refuses_nothing_that_a_patient_could_change_and_reports_it(
    kept: Kept, looks: Looks, tmp_path: Path
) -> None:
    kept.last_label = 7.0
    backend_of(kept, looks).private(FEATURES, MODEL)
    report = json.loads((tmp_path / REPORT).read_text())
    assert report["accepted"] is False
    assert 'label "sick" is neither 0 nor 1' in report["objections"][0]


def test_a_damaged_pin_pins_anew(kept: Kept, looks: Looks, tmp_path: Path) -> None:
    (tmp_path / PIN).write_text("[1, 2")
    backend_of(kept, looks).clear(FEATURES, MODEL)
    assert json.loads((tmp_path / PIN).read_text())["fingerprint"] == "first"


def test_the_report_is_the_hospitals_own_and_the_log_only_points_at_it(
    kept: Kept, looks: Looks, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        backend_of(kept, looks).clear(FEATURES, MODEL)
    path = tmp_path / REPORT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    report = json.loads(path.read_text())
    assert (report["at"], report["hospital"], report["accepted"]) == (AT, "north", True)
    assert (report["rows"], report["patients"], report["usable"]) == (20, 20, 20)
    assert report["labels"] == {"0": 10, "1": 10}
    assert [column["name"] for column in report["columns"]] == [*COLUMNS, "sick"]
    assert [record.getMessage() for record in caplog.records] == [
        f"a look at the table has ended; what it found is in {path}"
    ]


def test_a_disk_that_is_full_is_told(kept: Kept, tmp_path: Path) -> None:
    class Full(Disk):
        def write(self, file: int, data: bytes | memoryview) -> None:
            raise OSError(28, "No space left on device")

    looks = Looks(COHORT, tmp_path, Full())
    with pytest.raises(Unwritable, match=r"data-check\.json\.part cannot be used|data-check\.json cannot be used"):
        backend_of(kept, looks).clear(FEATURES, MODEL)


def test_the_share_that_was_read_is_known_while_it_is_read_in_whole_percents(kept: Kept, looks: Looks) -> None:
    kept.shares, kept.watch = (0.0, 0.4312, 1.2), lambda: looks.reading
    backend_of(kept, looks).clear(FEATURES, MODEL)
    assert kept.seen == [0.0, 0.43, 1.0]
    assert looks.reading is None


@pytest.mark.parametrize("private", [False, True], ids=["clear", "private"])
def test_statistics_take_a_table_whatever_its_labels_and_a_model_of_the_same_columns_looks_again(
    kept: Kept, looks: Looks, tmp_path: Path, private: bool
) -> None:
    kept.last_label = np.nan
    backend = backend_of(kept, looks)
    trainer = (backend.private if private else backend.clear)(FEATURES, None)
    report = json.loads((tmp_path / REPORT).read_text())
    assert (report["usable"], report["labels"], report["accepted"]) == (20, None, True)
    assert [column["name"] for column in report["columns"]] == list(COLUMNS)
    assert (backend.private if private else backend.clear)(FEATURES, None) is trainer
    (backend.private if private else backend.clear)(FEATURES, MODEL)
    assert json.loads((tmp_path / REPORT).read_text())["usable"] == 19
    assert kept.reads == 2
