"""A hospital's noised sums: right but for their noise, bounded in one patient, whatever the table holds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilia.dataset import Rows
from consilia.errors import InvalidMessage
from consilia.features import RADIUS, FeatureMap
from consilia.metrics import score
from consilia.model import predict_proba, sigmoid
from consilia.privacy.dp_fedsgd import Centre, private_rows
from consilia.privacy.keystream import Keystream
from consilia.privacy.noise_plan import LARGEST_LOSS, LOSS_WEIGHT, Ask, NoisePlan, Planned
from consilia.status import Metrics
from consilia.vectors import FloatArray
from consilia_agents.holdout import Sides
from consilia_agents.private_trainer import PrivateTrainer

KEY = bytes(range(32))
NAMES = ("a", "b", "c")
MAP = FeatureMap(
    scaling="codebook", names=NAMES, offset=(0.0, 0.0, -5.0), scale=(10.0, 1.0, 10.0), roots=(False, True, False)
)
PLAN = NoisePlan.of(Ask(epsilon=2.0, delta=1e-5, clip=0.7, rounds=5, hospitals=3, nominal_rows=300))
CENTRE = Centre(centre=(0.25, -0.5, 1.0))
W = np.array([0.5, -1.0, 2.0, 0.25])
NOBODY = Rows((), np.zeros((0, 3)), np.zeros(0))


def rows(count: int, *more: tuple[float, ...]) -> Rows:
    draw = np.random.Generator(np.random.PCG64(count))
    x = np.vstack([draw.uniform(-2, 12, (count, 3)), np.array([each[:3] for each in more]).reshape(-1, 3)])
    y = np.concatenate([draw.integers(0, 2, count).astype(np.float64), [each[3] for each in more]])
    return Rows(tuple(f"patient/{number}" for number in range(len(y))), x, y)


def trainer(train: Rows = NOBODY, holdout: Rows = NOBODY) -> PrivateTrainer:
    """With the same words for every release, which only a test may."""
    return PrivateTrainer(Sides(train, holdout), lambda: Keystream(KEY))


def planned(of: Planned | None) -> Planned:
    assert of is not None
    return of


def noise_of(of: Planned, size: int) -> FloatArray:
    noise: FloatArray = of.noise.draw(size, Keystream(KEY)) * of.noise.grid
    return noise


def clipped_gradients(z: FloatArray, y: FloatArray) -> FloatArray:
    """Abadi et al. 2016, line by line."""
    total = np.zeros(z.shape[1])
    for row, label in zip(z, y, strict=True):
        gradient = (float(sigmoid(np.array([row @ W]))[0]) - label) * row
        total += gradient * min(1.0, 0.7 / float(np.linalg.norm(gradient)))
    return total


@pytest.mark.parametrize("centre", [None, CENTRE], ids=["plain", "centred"])
def test_training_sends_the_clipped_gradients_sum_and_the_plans_noise(centre: Centre | None) -> None:
    data = rows(200)
    z = private_rows(MAP, data.x)
    sent = trainer(data).train(MAP, centre, W, PLAN.train)
    expected = clipped_gradients(z if centre is None else centre.rows(z), data.y)
    np.testing.assert_allclose(sent - noise_of(PLAN.train, 4), expected, atol=1e-5)


def test_the_centre_is_the_rows_sum_and_the_plans_noise() -> None:
    data = rows(200)
    centre = planned(PLAN.centre)
    sent = trainer(data).centre(MAP, centre)
    np.testing.assert_allclose(sent - noise_of(centre, 4), private_rows(MAP, data.x).sum(axis=0), atol=1e-5)


def test_an_evaluation_counts_the_holdouts_cells_with_the_plans_noise() -> None:
    data = rows(200)
    evaluate = planned(PLAN.evaluate)
    noise = noise_of(evaluate, 5) * [1, 1, 1, 1, LARGEST_LOSS / LOSS_WEIGHT]
    sent = trainer(holdout=data).evaluate(MAP, W, evaluate) - noise
    probability = predict_proba(private_rows(MAP, data.x), W)
    predicted, positive = probability >= 0.5, data.y == 1
    cells = [predicted & positive, predicted & ~positive, ~predicted & ~positive, ~predicted & positive]
    np.testing.assert_allclose(sent[:4], [cell.sum() for cell in cells], atol=1e-5)
    loss = np.minimum(-np.log(np.where(positive, probability, 1 - probability)), LARGEST_LOSS)
    np.testing.assert_allclose(sent[4], loss.sum(), atol=1e-4)


@pytest.mark.parametrize("kind", ["centre", "train", "evaluate"])
def test_every_release_has_words_of_its_own(kind: str) -> None:
    mine = PrivateTrainer(Sides(rows(20), rows(20)))
    sent = [release(mine, kind) for _ in range(3)]
    assert len({vector.tobytes() for vector in sent}) == 3


def release(of: PrivateTrainer, kind: str) -> FloatArray:
    match kind:
        case "centre":
            return of.centre(MAP, planned(PLAN.centre))
        case "train":
            return of.train(MAP, CENTRE, W, PLAN.train)
        case _:
            return of.evaluate(MAP, W, planned(PLAN.evaluate))


BOUNDS = {"centre": RADIUS, "train": 0.7, "evaluate": float(np.hypot(1, LOSS_WEIGHT))}
ANY = st.floats(width=64)
RECORD = st.tuples(ANY, ANY, ANY, st.one_of(st.sampled_from([0.0, 1.0, 7.0, 0.5, np.nan]), ANY))


@pytest.mark.parametrize("kind", sorted(BOUNDS))
@given(record=RECORD, count=st.integers(0, 40))
def test_one_patient_more_changes_a_sum_by_at_most_its_sensitivity(
    kind: str, record: tuple[float, ...], count: int
) -> None:
    def sent(data: Rows) -> FloatArray:
        return release(trainer(data, data), kind)

    change = sent(rows(count, record)) - sent(rows(count))
    if kind == "evaluate":
        change[-1] *= LOSS_WEIGHT / LARGEST_LOSS
    assert np.linalg.norm(change) <= BOUNDS[kind]


def test_another_patient_moves_nobody_who_is_on_the_edge_to_another_cell() -> None:
    """The logit of the last patient is rounding alone: whatever its last bit says, it says so in any company."""
    columns = 30
    feature_map = FeatureMap(
        scaling="codebook",
        names=tuple(f"c{number}" for number in range(columns)),
        offset=(0.0,) * columns,
        scale=(1.0,) * columns,
        roots=(False,) * columns,
    )
    evaluate = planned(PLAN.evaluate)
    draw = np.random.Generator(np.random.PCG64(5))
    for count in range(2, 60):
        x = draw.uniform(0, 1, (count, columns))
        whole = Rows(tuple(map(str, range(count))), x, np.ones(count))
        w = draw.normal(size=columns + 1)
        edge = private_rows(feature_map, x[-1:])[0]
        w[-1] = -(edge[:-1] @ w[:-1]) / edge[-1]
        cells = [
            trainer(holdout=data).evaluate(feature_map, w, evaluate)[:4]
            for data in (whole, whole.take(np.arange(1, count)))
        ]
        assert np.abs(cells[0] - cells[1]).sum() == 1.0, f"{count} patients"


@pytest.mark.parametrize("kind", sorted(BOUNDS))
@pytest.mark.parametrize(
    "record",
    [
        pytest.param((np.nan, 1.0, 1.0, 1.0), id="a value that is missing"),
        pytest.param((np.inf, 1.0, 1.0, 1.0), id="infinity"),
        pytest.param((1.0, 1.0, 1.0, 7.0), id="a label that is none"),
        pytest.param((1.0, 1.0, 1.0, np.nan), id="a label that is missing"),
    ],
)
def test_a_record_that_is_not_usable_counts_as_zeros(kind: str, record: tuple[float, ...]) -> None:
    mine, theirs = rows(30), rows(30, record)
    expected = release(trainer(mine, mine), kind)
    sent = release(trainer(theirs, theirs), kind)
    if kind == "centre" and np.isfinite(record[:3]).all():
        assert np.linalg.norm(sent - expected) <= RADIUS, "its values are usable, and labels are not summed"
    else:
        np.testing.assert_array_equal(sent, expected)


@pytest.mark.parametrize("kind", sorted(BOUNDS))
def test_a_side_without_patients_sends_noise_alone(kind: str) -> None:
    sent = release(trainer(), kind)
    of = PLAN.planned[kind]  # type: ignore[index]
    noise = noise_of(of, sent.size)
    if kind == "evaluate":
        noise[-1] *= LARGEST_LOSS / LOSS_WEIGHT
    np.testing.assert_array_equal(sent, noise)


def test_exact_scores_are_of_the_usable_holdout_patients() -> None:
    usable = rows(60)
    odd = rows(60, (np.nan, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 7.0), (1.0, np.inf, 1.0, 0.0), (1.0, 1.0, 1.0, np.nan))
    expected = score(usable.y, predict_proba(private_rows(MAP, usable.x), W)).model_dump()
    assert trainer(holdout=usable).score(MAP, W).model_dump() == pytest.approx(expected)
    assert trainer(holdout=odd).score(MAP, W).model_dump() == pytest.approx(expected)
    assert trainer().score(MAP, W) == Metrics()


def test_another_map_or_centre_is_used_as_soon_as_it_comes() -> None:
    other = MAP.model_copy(update={"offset": (1.0, 0.0, -5.0)})
    mine = trainer(rows(40), rows(40))

    def everything(of: PrivateTrainer, feature_map: FeatureMap, centre: Centre | None) -> list[Any]:
        return [of.train(feature_map, centre, W, PLAN.train).tolist(), of.score(feature_map, W)]

    for feature_map, centre in ((MAP, None), (MAP, CENTRE), (other, CENTRE), (other, None), (MAP, None)):
        fresh = trainer(rows(40), rows(40))
        assert everything(mine, feature_map, centre) == everything(fresh, feature_map, centre)


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda mine: mine.train(MAP, None, W[1:], PLAN.train), id="train"),
        pytest.param(lambda mine: mine.evaluate(MAP, W[1:], planned(PLAN.evaluate)), id="evaluate"),
        pytest.param(lambda mine: mine.score(MAP, W[1:]), id="score"),
    ],
)
def test_parameters_of_another_length_are_refused(ask: Callable[[PrivateTrainer], object]) -> None:
    with pytest.raises(InvalidMessage, match="the parameters have 3 values: the feature map needs 4"):
        ask(trainer(rows(5), rows(5)))


@pytest.mark.parametrize("w", [np.full(4, 1e300), np.array([np.nan, 0.0, 0.0, 0.0]), np.full(4, -np.inf)])
def test_whatever_the_parameters_are_what_is_sent_is_bounded(w: FloatArray) -> None:
    """They are public: it is the run's loss, and no patient's."""
    data = rows(30)
    sums = trainer(data).train(MAP, None, w, PLAN.train) - noise_of(PLAN.train, 4)
    assert np.linalg.norm(sums) <= 30 * 0.7
    assert np.isfinite(trainer(holdout=data).evaluate(MAP, w, planned(PLAN.evaluate))).all()
    trainer(holdout=data).score(MAP, w)
