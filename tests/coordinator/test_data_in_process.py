"""A federation one of whose hospitals keeps its table in a file, or behind a server: what everybody is told of it."""

import asyncio
import csv
import errno
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from consilia.errors import Unavailable
from consilia.experiment import Features
from consilia.privacy.entries import Released, decode
from consilia.protocol import RunSettings, Task
from consilia.spec import Cohort, FederationSpec
from consilia.status import Condition, FederationStatus
from consilia.vectors import FloatArray
from consilia_agents.disk import Disk
from consilia_agents.engine import Answer, CohortEngine
from consilia_agents.in_memory import InMemory
from consilia_agents.looks import Looks
from consilia_agents.sources.builtin import BuiltinSource
from consilia_agents.sources.chosen import source_of
from consilia_agents.sources.extract import DataSource, Extract, Progress, untold
from consilia_agents.sources.places import Places
from world import COHORTS, FEDERATION, HEARTBEAT_SECONDS, World, spec

FILE = "biopsies.csv"
OTHERS = sorted(set(COHORTS) - {"riverside"})
PRIVATE = {
    "privacy": {"epsilon": 1.0},
    "algorithm": {"dpFedSGD": {}},
    "quorum": 4,
    "features": FEDERATION.spec.features.to_json() | {"scaling": "codebook", "nominalRows": 455},
}


def of_a_file(**changes: object) -> Cohort:
    """Riverside's cohort, whose table is a file."""
    whole = COHORTS["riverside"].to_json()
    whole["spec"] |= {"source": {"csv": {"path": FILE}}} | changes
    return Cohort.model_validate(whole)


def _without_the_last(rows: list[list[str]]) -> None:
    rows.pop()


def write_table(folder: Path, change: Callable[[list[list[str]]], None] = lambda _: None) -> None:
    builtin = COHORTS["riverside"].spec.source.builtin
    assert builtin is not None
    extract = BuiltinSource.named("riverside", builtin).extract(FEDERATION.spec.features)
    names = [*extract.features, extract.label]
    pairs = zip(extract.ids, extract.table.values.tolist(), strict=True)
    rows = [[patient, *map(repr, values)] for patient, values in pairs]
    change(rows)
    folder.mkdir(exist_ok=True)
    part = folder / f"{FILE}.part"
    with part.open("w", newline="") as out:
        csv.writer(out).writerows([["patient_id", *names], *rows])
    part.replace(folder / FILE)


@dataclass
class Riverside:
    """Its process: an engine over its file, with what happens before the answer to the order ``at``, or to it."""

    folder: Path
    state: Path
    cohort: Cohort
    at: int = -1
    then: Callable[[], None] = lambda: None
    changed: Callable[[Answer], Answer] = lambda answer: answer
    name: str = "sklearn"
    asked: int = 0
    looks: Looks = field(init=False)

    def __post_init__(self) -> None:
        self.looks = Looks(self.cohort, self.state)
        source = partial(source_of, places=Places(self.folder))
        self.engine = CohortEngine(self.cohort, InMemory(self.cohort, source=source, looks=self.looks))

    def prepare(self, settings: RunSettings) -> None:
        self.engine.prepare(settings)

    def answer(
        self, task: Task, settings: RunSettings, parameters: FloatArray | None, scored: FloatArray | None
    ) -> Answer:
        self.asked += 1
        if self.asked == self.at:
            self.then()
        answer = self.engine.answer(task, settings, parameters, scored)
        return self.changed(answer) if self.asked == self.at else answer


def start(world: World, riverside: Riverside, federation: FederationSpec) -> None:
    world.conductor.desire(1, federation)
    world.cohorts = {**world.cohorts, "riverside": riverside.cohort}
    world.start_hospital("riverside", riverside, riverside.looks)
    for name in OTHERS:
        world.start_hospital(name)


def reason_of(status: FederationStatus, name: str = "riverside") -> str:
    return next(hospital.reason or "" for hospital in status.hospitals if hospital.name == name)


def phase_of(status: FederationStatus, name: str = "riverside") -> str:
    return next(hospital.phase for hospital in status.hospitals if hospital.name == name)


def data_accepted(status: FederationStatus) -> Condition:
    return next(condition for condition in status.conditions if condition.type == "DataAccepted")


async def test_a_hospital_with_a_file_is_one_like_any_other(world: World, tmp_path: Path) -> None:
    write_table(tmp_path / "data")
    start(world, Riverside(tmp_path / "data", tmp_path / "state", of_a_file()), FEDERATION.spec)
    status = await world.complete()
    assert data_accepted(status).status == "True"
    assert status.connected == 5


@pytest.mark.parametrize("private", [False, True], ids=["clear", "private"])
async def test_a_table_that_is_edited_in_a_run_takes_its_hospital_out_with_the_reason(
    world: World, tmp_path: Path, private: bool
) -> None:
    data = tmp_path / "data"
    write_table(data)
    budget = {"budget": {"epsilon": 4.0}} if private else {}
    riverside = Riverside(data, tmp_path / "state", of_a_file(**budget), at=4)
    riverside.then = lambda: write_table(data, _without_the_last)
    federation = FederationSpec.model_validate(FEDERATION.spec.to_json() | PRIVATE) if private else spec(quorum=4)
    if private:
        world.cohorts = {
            name: Cohort.model_validate(
                cohort.to_json() | {"spec": cohort.spec.to_json() | {"budget": {"epsilon": 4.0}}}
            )
            for name, cohort in world.cohorts.items()
        }
    start(world, riverside, federation)
    status = await world.complete()
    assert phase_of(status) == "Refused"
    assert reason_of(status) == (
        "the table changed during run 1 of this federation: put it back as it was, or start a new run"
    )
    assert data_accepted(status).status == "False"
    assert data_accepted(status).message == f"riverside: {reason_of(status)}"
    assert status.round == federation.rounds
    if private:
        ledger = (world.folder / "riverside" / "ledger" / "ledger.jsonl").read_bytes()
        spent = [entry for entry in decode(ledger, "ledger") if isinstance(entry, Released)]
        assert len(spent) == 3  # what was spent stays spent


async def test_a_table_that_is_put_back_brings_its_hospital_in_again(world: World, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_table(data)
    riverside = Riverside(data, tmp_path / "state", of_a_file(), at=4)
    riverside.then = lambda: write_table(data, _without_the_last)
    start(world, riverside, FEDERATION.spec)
    await world.until(lambda status: phase_of(status) == "Refused")
    write_table(data)
    status = await world.complete()
    assert reason_of(status) == ""
    assert data_accepted(status).status == "True"


async def test_a_table_that_was_edited_is_good_for_a_new_run(world: World, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_table(data)
    start(world, Riverside(data, tmp_path / "state", of_a_file()), FEDERATION.spec)
    await world.complete()
    write_table(data, _without_the_last)
    world.conductor.desire(2, FEDERATION.spec)
    status = await world.until(lambda status: status.run == 2 and status.phase == "Complete")
    assert status.connected == 5


async def test_a_hospital_whose_table_changed_in_a_run_is_in_the_next_with_it(world: World, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_table(data)
    riverside = Riverside(data, tmp_path / "state", of_a_file(), at=4)
    riverside.then = lambda: write_table(data, _without_the_last)
    start(world, riverside, spec(quorum=4))
    assert phase_of(await world.complete()) == "Refused"
    world.conductor.desire(2, FEDERATION.spec)
    status = await world.until(lambda status: status.run == 2 and status.phase == "Complete")
    assert status.connected == 5
    assert data_accepted(status).status == "True"


async def test_a_hospital_whose_answer_was_refused_in_a_run_is_in_the_next(world: World, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_table(data)
    riverside = Riverside(data, tmp_path / "state", of_a_file(), at=4)
    riverside.changed = lambda answer: replace(answer, vector=np.full(3, 0.5))
    start(world, riverside, spec(quorum=4))
    status = await world.complete()
    assert phase_of(status) == "Refused"
    assert "3 values" in reason_of(status)
    world.conductor.desire(2, FEDERATION.spec)
    status = await world.until(lambda status: status.run == 2 and status.phase == "Complete")
    assert (status.connected, phase_of(status)) == (5, "Ready")


def _empty(rows: list[list[str]]) -> None:
    for row in rows:
        row[3] = ""


async def test_a_verdict_against_a_table_names_hospital_and_column(world: World, tmp_path: Path) -> None:
    write_table(tmp_path / "data", _empty)
    start(world, Riverside(tmp_path / "data", tmp_path / "state", of_a_file()), FEDERATION.spec)
    status = await world.until(lambda status: status.phase == "Blocked" and status.connected == 4)
    assert data_accepted(status).reason == "DataRefused"
    assert data_accepted(status).message.startswith(f'riverside: column "{FEDERATION.spec.features.names[2]}" is empty')


class Away:
    """A source whose server does not answer, until it is up."""

    def __init__(self, source: DataSource) -> None:
        self._source = source
        self.up = False
        self.tried = 0

    def columns(self) -> tuple[str, ...]:
        return self._source.columns()

    def extract(self, features: Features, progress: Progress = untold) -> Extract:
        self.tried += 1
        progress(0.5)
        if not self.up:
            raise Unavailable("hospital riverside: the server db.riverside does not answer: start it")
        return self._source.extract(features, progress)

    def stamp(self) -> str | None:
        return None


async def test_a_source_that_does_not_answer_is_told_at_once_and_tried_again(world: World, tmp_path: Path) -> None:
    write_table(tmp_path / "data")
    cohort = of_a_file()
    away = Away(source_of(cohort.spec, Places(tmp_path / "data")))
    riverside = Riverside(tmp_path / "data", tmp_path / "state", cohort)
    riverside.engine = CohortEngine(cohort, InMemory(cohort, source=lambda _: away, looks=riverside.looks))
    start(world, riverside, FEDERATION.spec)
    status = await world.until(lambda status: phase_of(status) == "Refused" and status.connected == 4)
    assert reason_of(status) == "the server db.riverside does not answer: start it"
    assert (data_accepted(status).status, data_accepted(status).reason) == ("Unknown", "SourceUnavailable")
    assert next(each.problem for each in status.hospitals if each.name == "riverside") == "SourceUnavailable"
    before = away.tried
    await world.until(lambda _: away.tried > before)
    away.up = True
    assert (await world.complete()).connected == 5


class FullDisk(Disk):
    """There is no room, until some is made."""

    full = True

    def write(self, file: int, data: bytes | memoryview) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(file, data)


async def test_a_full_disk_is_told_as_that_and_not_as_data_that_are_refused(world: World, tmp_path: Path) -> None:
    write_table(tmp_path / "data")
    riverside, disk = Riverside(tmp_path / "data", tmp_path / "state", of_a_file()), FullDisk()
    riverside.looks = Looks(riverside.cohort, tmp_path / "state", disk)
    source = partial(source_of, places=Places(tmp_path / "data"))
    riverside.engine = CohortEngine(riverside.cohort, InMemory(riverside.cohort, source=source, looks=riverside.looks))
    start(world, riverside, FEDERATION.spec)
    status = await world.until(lambda status: phase_of(status) == "Refused" and status.connected == 4)
    assert "(No space left on device)" in reason_of(status)
    assert next(each.problem for each in status.hospitals if each.name == "riverside") == "DiskUnwritable"
    assert (data_accepted(status).status, data_accepted(status).reason) == ("Unknown", "DiskUnwritable")
    disk.full = False
    assert (await world.complete()).connected == 5


async def test_a_federation_goes_on_with_its_quorum_without_a_source_that_is_away(world: World, tmp_path: Path) -> None:
    write_table(tmp_path / "data")
    cohort = of_a_file()
    away = Away(source_of(cohort.spec, Places(tmp_path / "data")))
    riverside = Riverside(tmp_path / "data", tmp_path / "state", cohort)
    riverside.engine = CohortEngine(cohort, InMemory(cohort, source=lambda _: away, looks=riverside.looks))
    start(world, riverside, spec(quorum=4))
    status = await world.complete()
    assert phase_of(status) == "Refused"


async def test_the_share_that_a_hospital_has_read_is_shown_until_it_has_read_all(world: World, tmp_path: Path) -> None:
    write_table(tmp_path / "data")
    cohort = of_a_file()
    source = source_of(cohort.spec, Places(tmp_path / "data"))
    seen: list[float | None] = []

    class Slow(Away):
        def extract(self, features: Features, progress: Progress = untold) -> Extract:
            progress(0.43)
            shown.wait(20)
            return source.extract(features, progress)

    shown = threading.Event()
    riverside = Riverside(tmp_path / "data", tmp_path / "state", cohort)
    riverside.engine = CohortEngine(cohort, InMemory(cohort, source=lambda _: Slow(source), looks=riverside.looks))
    start(world, riverside, FEDERATION.spec)

    def reading(status: FederationStatus) -> float | None:
        return next(each.reading for each in status.hospitals if each.name == "riverside")

    seen.append(reading(await world.until(lambda status: reading(status) is not None)))
    shown.set()
    seen.append(reading(await world.complete()))
    assert seen == [0.43, None]


async def test_a_hospital_that_is_refused_is_shown_as_that_while_it_looks_again(world: World, tmp_path: Path) -> None:
    write_table(tmp_path / "data")
    cohort = of_a_file()
    source = source_of(cohort.spec, Places(tmp_path / "data"))
    again, shown = threading.Event(), threading.Event()

    class SlowThenAway(Away):
        def extract(self, features: Features, progress: Progress = untold) -> Extract:
            self.tried += 1
            progress(0.43)
            if self.tried > 1:
                again.set()
                shown.wait(20)
            raise Unavailable("hospital riverside: the server db.riverside does not answer: start it")

    away = SlowThenAway(source)
    riverside = Riverside(tmp_path / "data", tmp_path / "state", cohort)
    riverside.engine = CohortEngine(cohort, InMemory(cohort, source=lambda _: away, looks=riverside.looks))
    start(world, riverside, FEDERATION.spec)
    await world.until(lambda status: phase_of(status) == "Refused" and again.is_set())
    await world.until(lambda _: world.conductor.roster.member("riverside").reading == 0.43)
    status = await world.until(lambda _: True)
    assert phase_of(status) == "Refused"
    assert next(each.reading for each in status.hospitals if each.name == "riverside") is None
    # However often its heart beats, it looks once at a time, and again only half a minute (here: a beat) after.
    beats = world.conductor.roster.member("riverside").heard
    await world.until(lambda _: world.conductor.roster.member("riverside").heard > beats + 20 * HEARTBEAT_SECONDS)
    checks = [task for task in asyncio.all_tasks() if "_check_data" in repr(task.get_coro())]
    shown.set()
    assert len(checks) == 1
