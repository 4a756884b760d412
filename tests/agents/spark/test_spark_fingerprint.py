"""A table's fingerprint in Spark: of its records, and not of how they were divided or in which order they came."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from builders import cohort
from consilia.experiment import Features, Model
from consilia_agents.looks import Looks, Seen
from consilia_agents.sources.chosen import source_of
from consilia_agents.sources.places import Places
from consilia_agents.spark.backend import SparkBackend
from consilia_agents.spark.blocks import DIGESTS, Block, Keys, keys_of, summed_digest
from consilia_agents.spark.session import Session

FEATURES = Features.model_validate(
    {"label": "sick", "scaling": "federated", "codebook": [{"name": name} for name in ("a", "b")]}
)
COUNT = 400


def records(seed: int = 5) -> Block:
    draw = np.random.Generator(np.random.PCG64(seed))
    values = draw.normal(size=(COUNT, 3))
    values[7, 1] = np.nan
    keys: Keys = keys_of([f"p{number}" for number in range(COUNT)])
    return Block(values, keys, np.arange(COUNT), np.zeros(COUNT, bool), np.zeros(4, np.int64))


class TestDigest:
    def test_it_is_the_same_in_any_order_and_any_blocks(self) -> None:
        whole = records()
        shuffled = whole.take(np.random.Generator(np.random.PCG64(1)).permutation(COUNT))
        parts = [shuffled.take(np.arange(start, min(start + 37, COUNT))) for start in range(0, COUNT, 37)]
        assert sum(map(summed_digest, parts)) % DIGESTS == summed_digest(shuffled) == summed_digest(whole)

    def test_it_is_the_same_of_a_block_that_was_moved(self) -> None:
        whole = records()
        assert summed_digest(Block.unpack(whole.pack())) == summed_digest(whole)

    def test_it_changes_with_each_value_and_each_identity(self) -> None:
        whole = records()
        seen = {summed_digest(whole)}
        for row in range(0, COUNT, 41):
            for column in range(3):
                values = whole.values.copy()
                values[row, column] = np.nextafter(values[row, column], 9) if np.isfinite(values[row, column]) else 0.0
                seen.add(summed_digest(Block(values, whole.keys, whole.positions, whole.held, whole.unreadable)))
            keys = whole.keys.copy()
            keys[row, 1] ^= np.uint64(1)
            seen.add(summed_digest(Block(whole.values, keys, whole.positions, whole.held, whole.unreadable)))
        assert len(seen) == 1 + 10 * 4

    def test_values_that_are_exchanged_between_patients_or_columns_are_another_table(self) -> None:
        whole = records()
        seen = {summed_digest(whole)}
        patients = whole.values.copy()
        patients[[0, 1]] = patients[[1, 0]]
        columns = whole.values[:, [1, 0, 2]]
        for values in (patients, columns):
            seen.add(summed_digest(Block(values, whole.keys, whole.positions, whole.held, whole.unreadable)))
        seen.add(summed_digest(whole.take(np.arange(COUNT - 1))))
        seen.add(summed_digest(whole.take(np.append(np.arange(COUNT), 3))))
        assert len(seen) == 5


class Recorded(Looks):
    """Keeps the fingerprints of what was seen."""

    seen: list[str]

    def accept(self, seen: Seen) -> None:
        self.seen.append(seen.fingerprint)
        super().accept(seen)


def fingerprint(session: Session, folder: Path) -> str:
    of = cohort(engine="spark", source={"parquet": {"path": "tables"}})
    looks = Recorded(of)
    looks.seen = []
    SparkBackend(of, session, source=lambda spec: source_of(spec, Places(folder)), looks=looks).clear(FEATURES, Model())
    return looks.seen[-1]


@pytest.mark.real
def test_a_table_that_was_only_divided_and_sorted_anew_is_the_same(spark: Session, tmp_path: Path) -> None:
    draw = np.random.Generator(np.random.PCG64(2))
    columns: dict[str, Any] = {name: draw.normal(size=COUNT).tolist() for name in ("a", "b")}
    columns |= {"patient_id": [f"p{number}" for number in range(COUNT)], "sick": draw.integers(0, 2, COUNT).tolist()}
    table = pa.table(columns)

    def written(name: str, *parts: pa.Table, rows: int) -> str:
        (tmp_path / name / "tables").mkdir(parents=True)
        for number, part in enumerate(parts):
            parquet.write_table(part, tmp_path / name / "tables" / f"{number}.parquet", row_group_size=rows)
        return fingerprint(spark, tmp_path / name)

    first = written("whole", table, rows=COUNT)
    shuffled = table.take(draw.permutation(COUNT))
    assert written("in parts", *(shuffled.slice(start, 60) for start in range(0, COUNT, 60)), rows=17) == first
    edited = shuffled.set_column(0, "a", pa.array([*shuffled["a"].to_pylist()[:-1], 0.5]))
    assert written("edited", edited, rows=COUNT) != first
