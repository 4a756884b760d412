"""Records gathered in batches: their memory, their order, and what a progress is told."""

import tracemalloc

import numpy as np
import pytest

from consilia.spec import CohortSpec
from consilia_agents.sources.mapped import Mapped
from consilia_agents.sources.records import Records, Share
from written_tables import FEATURES

COHORT = CohortSpec.model_validate({"hospital": "north", "source": {"csv": {"path": "labs.csv"}}})
MAPPED = Mapped.of(COHORT, FEATURES)


def batch(start: int, size: int) -> tuple[list[str | None], list[np.ndarray]]:
    values = np.arange(start, start + size, dtype=float)
    return [f"p{at:07d}" for at in range(start, start + size)], [values, values, values, values % 2]


def test_a_table_takes_twice_its_size_while_it_is_gathered_and_its_size_afterwards() -> None:
    records, size = Records(MAPPED), 4096
    batches = [batch(at * size, size) for at in range(50)]
    tracemalloc.start()
    for ids, columns in batches:
        records.add(ids, columns)
    extract = records.extract()
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    table = extract.x.nbytes + extract.y.nbytes + 8 * len(extract)  # and where its identities are
    assert now < 1.6 * table
    assert peak < 2.6 * table


def test_a_table_whose_records_are_told_beforehand_takes_its_size_and_a_batch() -> None:
    size, many = 4096, 50
    records = Records(MAPPED, size * many)
    batches = [batch(at * size, size) for at in range(many)]
    tracemalloc.start()
    for ids, columns in batches:
        records.add(ids, columns)
    extract = records.extract()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.6 * (extract.x.nbytes + extract.y.nbytes + 8 * len(extract))
    assert extract.x[:, 0].tolist() == list(range(size * many))


@pytest.mark.parametrize("expected", [0, 1, 3, 4, 9])
def test_a_wrong_number_of_expected_records_changes_nothing_of_the_table(expected: int) -> None:
    records = Records(MAPPED, expected)
    for start, size in ((0, 2), (2, 2), (4, 1)):
        records.add(*batch(start, size))
    found = records.extract()
    assert found.x[:, 2].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert found.y.tolist() == [0.0, 1.0, 0.0, 1.0, 0.0]
    assert found.ids == tuple(f"p{at:07d}" for at in range(5))


def test_records_of_a_source_without_an_order_are_sorted_by_patient_and_equal_ones_stay_in_turn() -> None:
    records = Records(MAPPED)
    records.add(["b", "a"], [np.array([1.0, 2.0])] * 4)
    records.add(["c", "a", None], [np.array([3.0, 4.0, 5.0])] * 4)
    found = records.extract(in_order_of_patients=True)
    assert found.ids == ("a", "a", "b", "c")
    assert found.x[:, 0].tolist() == found.y.tolist() == [2.0, 4.0, 1.0, 3.0]
    assert found.unreadable == {"patient_id": 1}


def test_nothing_at_all_is_a_table_of_the_same_shape() -> None:
    found = Records(MAPPED).extract()
    assert (found.x.shape, found.y.shape, found.ids) == ((0, 3), (0,), ())


def test_a_share_never_shrinks_and_is_whole_only_at_the_end() -> None:
    told: list[float] = []
    share = Share(told.append)
    for done, of in ((1, 4), (1, 5), (3, 4), (9, 4), (1, 0)):
        share.tell(done, of)
    share.finish()
    assert told == [0.25, 0.75, 0.999, 1.0]


def test_values_that_are_bounds_are_missing_and_counted_in_the_notes() -> None:
    records = Records(MAPPED)
    records.bound("mean radius", 3)
    records.bound("mean texture", 0)
    extract = records.extract()
    assert extract.unreadable == {}
    assert extract.notes == (
        "mean radius: of 3 patients the value is only known to lie below or above something; taken as missing",
    )
