"""The vectors of a run: where they travel, which answers are admitted, and what may be thrown away."""

import math
from pathlib import Path

import numpy as np
import pytest

from builders import HOSPITALS, accepted, answered, federation_spec, ordered
from consilia.errors import InvalidData, InvalidMessage
from consilia.journal import History, RoundCommitted
from consilia.protocol import Update, VectorRef, pack, unpack
from consilia.rounds import Exchange
from consilia_coordinator.blobs import BlobStore
from consilia_coordinator.learning import Learning
from consilia_coordinator.objectives import objectives_of
from serving import DIGEST, IDENTITY, LongObjective

EXCHANGE = Exchange(1, 1, 1, "train", frozenset(HOSPITALS), received=frozenset(HOSPITALS))


class Desk:
    """A learning side with the store and the history that it reads."""

    def __init__(self, folder: Path, size: int) -> None:
        self.blobs = BlobStore(folder)
        self.history = History()
        self.learning = Learning(self.blobs, self.history, lambda _spec, _run: LongObjective(size))

    def start(self) -> None:
        self.history.add([accepted(), ordered(1)])
        self.learning.start(self.history.runs[1].spec, 1)

    def receive(self, values: dict[str, float], rows: dict[str, int] | None = None) -> None:
        """Everybody's answer: a vector of one value."""
        for hospital, value in values.items():
            vector = self.store(np.full(self.learning.length("train"), value))
            self.history.add([answered(hospital, (rows or {}).get(hospital, 10), vector=vector)])

    def store(self, vector: np.ndarray) -> VectorRef:
        return pack(vector) if len(vector) <= 2048 else self.blobs.put(vector)

    def admit(self, vector: VectorRef) -> None:
        """As an answer to an order to train is looked at."""
        self.learning.admit("train", Update(order=DIGEST, rows=10, vector=vector))
        if not vector.inline:
            self.learning.admit_blob("north", "train", 10, vector)

    def values(self, reference: VectorRef | None) -> list[float]:
        assert reference is not None
        if reference.inline:
            return unpack(reference).tolist()
        return np.concatenate([part.copy() for part in self.blobs.reader(reference.sha256)()]).tolist()


@pytest.fixture(params=[2048, 2049], ids=["2048 values, inline", "2049 values, a blob"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    desk = Desk(tmp_path, request.param)
    desk.start()
    return desk


def test_parameters_travel_in_the_message_up_to_16_kib_and_as_a_blob_above(desk: Desk) -> None:
    size = desk.learning.length("train")
    reference = desk.learning.parameters("train")
    assert reference is not None
    assert reference.inline is (size == 2048)
    assert desk.values(reference) == [0.0] * size
    assert desk.learning.parameters("moments") is None
    assert desk.learning.longest == size


def test_answers_are_combined_by_rows_wherever_they_are(desk: Desk) -> None:
    desk.receive({"south": 4.0, "north": 1.0}, {"north": 30, "south": 10})
    result = desk.learning.combine(desk.history.runs[1], EXCHANGE)
    assert desk.values(result.parameters) == [1.75] * desk.learning.length("train")


def test_only_those_who_answered_the_exchange_are_combined(desk: Desk) -> None:
    desk.receive({"south": 4.0, "north": 1.0})
    only_north = Exchange(1, 1, 1, "train", frozenset(HOSPITALS), received=frozenset({"north"}))
    assert desk.values(desk.learning.combine(desk.history.runs[1], only_north).parameters)[0] == 1.0


def test_a_good_answer_is_admitted(desk: Desk) -> None:
    vector = desk.store(np.ones(desk.learning.length("train")))
    desk.admit(vector)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf], ids=str)
def test_a_value_that_is_not_finite_is_refused_wherever_it_is(desk: Desk, bad: float) -> None:
    values = np.ones(desk.learning.length("train"))
    values[-1] = bad
    vector = desk.store(values)
    with pytest.raises(InvalidMessage, match="NaN"):
        desk.admit(vector)


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_vector_of_another_length_is_refused(desk: Desk, difference: int) -> None:
    size = desk.learning.length("train")
    with pytest.raises(InvalidMessage, match=f"vector has {size + difference} values; train has {size}"):
        desk.learning.admit("train", Update(order=DIGEST, rows=10, vector=pack(np.ones(size + difference))))


def test_an_answer_without_its_vector_is_refused_and_a_vector_that_nobody_asked_for_too(desk: Desk) -> None:
    with pytest.raises(InvalidMessage, match="the answer to train has no vector"):
        desk.learning.admit("train", Update(order=DIGEST, rows=10))
    with pytest.raises(InvalidMessage, match="vector has 3 values; evaluate has 0"):
        desk.learning.admit("evaluate", Update(order=DIGEST, rows=10, vector=pack(np.ones(3))))
    desk.learning.admit("evaluate", Update(order=DIGEST, rows=10))


def test_a_blob_that_did_not_arrive_or_has_another_size_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 2049)
    desk.start()
    vector = pack(np.ones(2049))
    with pytest.raises(InvalidMessage, match="has not arrived: upload it, then answer again"):
        desk.learning.admit_blob("north", "train", 10, vector)
    there = desk.blobs.put(np.ones(2050))
    with pytest.raises(InvalidMessage, match="does not have the 2049 values it should"):
        desk.learning.admit_blob("north", "train", 10, VectorRef(sha256=there.sha256, length=2049))


def test_after_a_crash_answers_whose_blob_is_damaged_are_forgotten_and_the_others_kept(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 2049)
    desk.start()
    desk.receive({"north": 1.0, "south": 2.0})
    torn = desk.history.runs[1].updates["south"].vector
    assert torn is not None
    desk.blobs.path(torn.sha256).write_bytes(b"torn")
    desk.learning.forget_torn(desk.history.runs[1])
    assert list(desk.history.runs[1].updates) == ["north"]


def test_answers_of_a_round_are_thrown_away_when_its_model_is_committed(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 2049)
    desk.start()
    desk.receive({"north": 1.0, "south": 2.0})
    result = desk.learning.combine(desk.history.runs[1], EXCHANGE)
    desk.history.add(
        [
            RoundCommitted(
                at="",
                run=1,
                round=1,
                task="train",
                seconds=1,
                contributors=list(HOSPITALS),
                parameters=result.parameters,
            )
        ]
    )
    desk.learning.collect_garbage()
    assert result.parameters is not None
    assert [path.name for path in tmp_path.iterdir()] == [result.parameters.sha256]


def test_the_settings_of_a_run_change_when_its_moments_are_known(tmp_path: Path) -> None:
    features = {"label": "malignant", "scaling": "federated", "codebook": [{"name": "mean radius"}]}
    history = History()
    learning = Learning(BlobStore(tmp_path), history, objectives_of(IDENTITY))
    history.add([accepted(spec=federation_spec(features=features)), ordered(0, "moments")])
    before = learning.settings()
    assert before.feature_map is None
    history.add([answered(name, vector=pack(np.array([10.0, 150.0, 2300.0]))) for name in HOSPITALS])
    exchange = Exchange(1, 0, 1, "moments", frozenset(HOSPITALS), received=frozenset(HOSPITALS))
    total = learning.combine(history.runs[1], exchange).parameters
    history.add(
        [
            RoundCommitted(
                at="", run=1, round=0, task="moments", seconds=1, contributors=list(HOSPITALS), parameters=total
            )
        ]
    )
    after = learning.settings()
    assert after.digest != before.digest
    assert after.feature_map is not None
    assert after.feature_map.offset == (15.0,)
    assert after is learning.settings()


def test_a_spec_that_the_evaluation_data_cannot_serve_is_refused_before_it_starts(tmp_path: Path) -> None:
    learning = Learning(BlobStore(tmp_path), History(), objectives_of(IDENTITY))
    features = {"label": "malignant", "codebook": [{"name": "shoe size", "min": 0, "max": 9}]}
    spec = federation_spec(features=features, evaluation={"builtin": {"dataset": "breast-cancer"}})
    with pytest.raises(InvalidData, match="shoe size"):
        learning.require_possible(spec, 1)


def test_before_any_run_there_is_nothing_to_answer(tmp_path: Path) -> None:
    learning = Learning(BlobStore(tmp_path), History(), objectives_of(IDENTITY))
    with pytest.raises(InvalidMessage, match="no run has been asked for yet"):
        learning.length("train")
    with pytest.raises(InvalidMessage, match="no run has been asked for yet"):
        learning.settings()


def test_what_a_hospital_began_to_send_and_gave_up_is_thrown_away(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 2049)
    first, second = desk.learning.blobs.put(np.ones(2049)), desk.learning.blobs.put(np.zeros(2049) + 2)
    desk.learning.spool("north", first.sha256)
    desk.learning.spool("south", second.sha256)
    desk.learning.spool("north", second.sha256)
    assert not desk.learning.blobs.has(first.sha256)
    assert desk.learning.blobs.has(second.sha256)
