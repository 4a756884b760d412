"""Which entries a record is, and which of them MLflow lacks."""

from collections.abc import Callable

import pytest

from consilia.status import HospitalMetrics, MetricErrors, Metrics, RoundRecord
from consilia_coordinator.tracking.entries import LIMIT, Batch, Book, Entry, entries_of

AT = "2026-11-24T12:00:00.250+00:00"
MILLISECONDS = 1795521600250

Make = Callable[..., RoundRecord]


def bare(**changes: object) -> RoundRecord:
    plain = {"run": 1, "round": 4, "at": AT, "seconds": 0.5, "participants": ["a", "b"]}
    return RoundRecord.model_validate({**plain, **changes})


def values(record: RoundRecord) -> dict[str, float]:
    return {entry.key: entry.value for entry in entries_of(record)}


ROUND = {"round/seconds": 0.5, "round/hospitals": 2.0}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        pytest.param(bare(), ROUND, id="no public evaluation data"),
        pytest.param(
            bare(metrics=Metrics(accuracy=0.9, loss=0.2, precision=0.8, recall=0.7, auc=0.95)),
            {
                "global/accuracy": 0.9,
                "global/loss": 0.2,
                "global/precision": 0.8,
                "global/recall": 0.7,
                "global/auc": 0.95,
                **ROUND,
            },
            id="global scores",
        ),
        pytest.param(
            bare(hospitals={"a": HospitalMetrics(rows=10)}), ROUND, id="a hospital that has not scored: rows stay here"
        ),
        pytest.param(
            bare(hospitals={"b": HospitalMetrics(accuracy=1), "a": HospitalMetrics(loss=0.1)}),
            {"a/loss": 0.1, "b/accuracy": 1.0, **ROUND},
            id="hospitals' scores, undefined ones left out",
        ),
        pytest.param(
            bare(metrics=Metrics(loss=0.5), hospitals={"global": HospitalMetrics(loss=0.1)}),
            {"global/loss": 0.5, "hospital global/loss": 0.1, **ROUND},
            id="a hospital called global",
        ),
        pytest.param(
            bare(
                hospitals={
                    "a": HospitalMetrics(accuracy=0.9, errors=MetricErrors(accuracy=0.03), hidden=["recall"]),
                    "b": HospitalMetrics(hidden=["accuracy"]),
                },
                epsilons={"b": 0.5, "a": 0.25},
            ),
            {
                "a/accuracy": 0.9,
                "a/accuracy_error": 0.03,
                "a/epsilon_spent": 0.25,
                "b/epsilon_spent": 0.5,
                "round/epsilon_spent": 0.5,
                **ROUND,
            },
            id="a private run: error bars, and what it has cost",
        ),
    ],
)
def test_a_record_becomes_entries(record: RoundRecord, expected: dict[str, float]) -> None:
    assert values(record) == expected


def test_an_entry_carries_its_round_and_the_time_of_its_commit() -> None:
    assert set(entries_of(bare())) == {
        Entry("round/seconds", 0.5, 4, MILLISECONDS),
        Entry("round/hospitals", 2.0, 4, MILLISECONDS),
    }


def follow(book: Book, records: list[RoundRecord], *, ended: bool = False) -> list[Batch]:
    batches = book.missing(records, ended=ended)
    for batch in batches:
        book.note(batch)
    return batches


def test_a_round_is_one_batch(record: Make) -> None:
    (batch,) = follow(Book(), [record(1)])
    assert set(batch.entries) == set(entries_of(record(1)))


def test_what_was_logged_is_not_logged_again(record: Make) -> None:
    book = Book()
    follow(book, [record(1)])
    assert follow(book, [record(1)]) == []


def test_a_record_that_is_published_again_adds_only_what_changed(record: Make) -> None:
    book = Book()
    follow(book, [record(1, scored=False)])
    (batch,) = follow(book, [record(1)])
    assert {entry.key for entry in batch.entries} == {"north/accuracy", "north/loss", "south/accuracy", "south/loss"}


def test_a_corrected_value_is_logged_once_more(record: Make) -> None:
    book = Book()
    follow(book, [record(1)])
    corrected = record(1).model_copy(update={"metrics": record(1).metrics.model_copy(update={"loss": 0.5})})
    (batch,) = follow(book, [corrected])
    assert [(entry.key, entry.value) for entry in batch.entries] == [("global/loss", 0.5)]


def test_rounds_that_piled_up_share_a_batch_in_the_order_of_rounds(record: Make) -> None:
    (batch,) = follow(Book(), [record(number) for number in (3, 1, 2)])
    assert [entry.step for entry in batch.entries] == sorted(entry.step for entry in batch.entries)
    assert {entry.step for entry in batch.entries} == {1, 2, 3}


def test_a_round_settles_two_rounds_later(record: Make) -> None:
    book = Book()
    follow(book, [record(1), record(2), record(3), record(4, scored=False)])
    assert book.settled == 2
    assert set(book.logged) == {3, 4}


def test_everything_settles_with_the_run(record: Make) -> None:
    book = Book()
    follow(book, [record(1), record(2)], ended=True)
    assert (book.settled, book.logged) == (2, {})


def test_a_run_that_ends_with_nothing_left_to_log_settles_too(record: Make) -> None:
    book = Book()
    follow(book, [record(1), record(2)])
    assert follow(book, [record(1), record(2)], ended=True) == [Batch((), 2)]


def test_logging_resumes_after_what_is_settled(record: Make) -> None:
    batches = follow(Book(settled=2), [record(number) for number in (1, 2, 3)])
    assert {entry.step for batch in batches for entry in batch.entries} == {3}


def test_nothing_becomes_unsettled_again(record: Make) -> None:
    book = Book(settled=4)
    follow(book, [record(5)])
    assert book.settled == 4


@pytest.mark.parametrize(
    ("hospitals", "rounds"),
    [
        pytest.param(2, 300, id="many small rounds"),
        pytest.param(250, 7, id="rounds of half a batch"),
        pytest.param(500, 3, id="rounds that fit in no batch"),
        pytest.param(1200, 2, id="rounds of several batches"),
    ],
)
def test_no_batch_is_above_what_mlflow_takes_and_nothing_is_lost(hospitals: int, rounds: int, record: Make) -> None:
    names = tuple(f"h{place:04}" for place in range(hospitals))
    records = [record(number, hospitals=names) for number in range(1, rounds + 1)]
    book = Book()
    batches = follow(book, records)
    assert max(len(batch.entries) for batch in batches) <= LIMIT
    logged = [entry for batch in batches for entry in batch.entries]
    assert logged == [entry for each in records for entry in entries_of(each)]


def test_a_cut_batch_settles_nothing_that_is_still_to_be_logged(record: Make) -> None:
    names = tuple(f"h{place:04}" for place in range(400))
    records = [record(number, hospitals=names) for number in range(1, 8)]
    remaining = [entry for each in records for entry in entries_of(each)]
    for batch in Book().missing(records, ended=True):
        remaining = remaining[len(batch.entries) :]
        assert all(entry.step > batch.settled for entry in remaining)
    assert remaining == []
