"""Every kind of model, learned by a federation: what scikit-learn finds on all rows together; with noise, near it."""

from collections.abc import Callable
from itertools import count, pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge

from builders import federation_spec, private_spec
from consilia.aggregation import Update, chunks
from consilia.dataset import Rows
from consilia.errors import InvalidData, InvalidMessage
from consilia.features import FeatureMap
from consilia.metrics import score
from consilia.model import Family, Linear, Softmax, Work, family_of
from consilia.privacy.keystream import Keystream
from consilia.privacy.scores import scores_of
from consilia.protocol import PrivacyTerms
from consilia.spec import FederationSpec
from consilia.status import Metrics
from consilia.vectors import FloatArray
from consilia_agents.holdout import Sides
from consilia_agents.private_trainer import PrivateTrainer
from consilia_agents.trainers import SklearnTrainer
from consilia_coordinator.objective import Progress, SpecObjective
from consilia_coordinator.private_objective import PrivateObjective
from consilia_coordinator.tracking.export import to_pipeline

HOSPITALS, ROWS = 3, 400
CODEBOOK = [{"name": name, "min": 0.0, "max": 10.0} for name in ("a", "b", "c")]
DRAW = np.random.default_rng(11)
X = DRAW.uniform(0, 10, (HOSPITALS * ROWS, 3))
SCALED = (X - 5) / 5
KINDS: dict[str, tuple[dict[str, Any], dict[str, float] | None, FloatArray]] = {
    "softmax": (
        {"kind": "SoftmaxRegression", "classes": 3},
        None,
        (SCALED @ DRAW.normal(size=(3, 3)) * 3 + DRAW.gumbel(size=(len(X), 3))).argmax(axis=1).astype(float),
    ),
    "linear": (
        {"kind": "LinearRegression"},
        {"min": 0.0, "max": 200.0},
        100 + 40 * SCALED @ np.array([1.0, -0.5, 0.25]) + 5 * DRAW.normal(size=len(X)),
    ),
    "poisson": (
        {"kind": "PoissonRegression"},
        {"min": 0.0, "max": 25.0},
        np.minimum(DRAW.poisson(np.exp(0.8 + SCALED @ np.array([0.8, -0.6, 0.3]))), 25).astype(float),
    ),
}


def spec_of(kind: str, make: Callable[..., FederationSpec] = federation_spec, **more: Any) -> FederationSpec:
    model, outcome, _ = KINDS[kind]
    features: dict[str, Any] = {"label": "y", "codebook": CODEBOOK, "nominalRows": len(X)}
    if outcome:
        features["outcome"] = outcome
    return make(("north", "riverside", "south"), model=model | {"l2": 0.01}, features=features, **more)


def sides_of(kind: str, held: int = 0) -> list[Sides]:
    """Unequal hospitals, the first with most rows; ``held`` of each are its holdout."""
    ends = [0, 600, 1000, 1200]
    every = Rows(tuple(map(str, range(len(X)))), X, KINDS[kind][2])
    parts = [np.arange(start, end) for start, end in pairwise(ends)]
    return [Sides(every.take(part[held:]), every.take(part[:held])) for part in parts]


def oracle_of(kind: str, z: FloatArray) -> Any:
    y = KINDS[kind][2]
    match kind:
        case "softmax":
            return LogisticRegression(C=1 / (len(y) * 0.01), tol=1e-10, max_iter=10_000).fit(z, y)
        case "linear":
            return Ridge(alpha=len(y) * 0.01, tol=1e-12).fit(z, np.clip(y, 0, 200))
        case _:
            return PoissonRegressor(alpha=0.01, tol=1e-10, max_iter=10_000).fit(z, y)


def weights_of(kind: str, oracle: Any, family: Family) -> FloatArray:
    """The oracle's coefficients as our parameters; of softmax with the intercepts' mean at 0."""
    if isinstance(family, Softmax):
        intercepts = oracle.intercept_ - oracle.intercept_.mean()
        return np.column_stack([oracle.coef_, intercepts]).ravel()
    w = np.append(oracle.coef_, oracle.intercept_)
    if isinstance(family, Linear):
        w = np.append(w[:-1], w[-1] - family.middle) / family.half
    return w


@pytest.mark.parametrize(("hospitals", "rounds", "epochs"), [(3, 6000, 1), (1, 100, 60)], ids=["three", "one"])
@pytest.mark.parametrize("kind", KINDS)
def test_steps_of_all_hospitals_together_reach_what_scikit_learn_finds_on_all_their_rows(
    kind: str, hospitals: int, rounds: int, epochs: int
) -> None:
    """The mean of local steps of one epoch, weighted by rows, is the step on all rows."""
    spec = spec_of(kind)
    objective, family = SpecObjective(spec), family_of(spec.model, spec.features)
    feature_map = FeatureMap.from_codebook(spec.features)
    sides = sides_of(kind)
    if hospitals == 1:
        nobody = sides[0].train.take(np.arange(0))
        sides = [Sides(Rows(tuple(map(str, range(len(X)))), X, KINDS[kind][2]), nobody)]
    trainers = [SklearnTrainer(each, family) for each in sides]
    work = Work(epochs, 0.05 if kind == "poisson" else 0.15, 0.01)
    w = objective.initial()
    assert w.size == objective.length("train") == family.size(4)
    for _ in range(rounds):
        updates = [update(place, each, each.train(feature_map, w, work)) for place, each in enumerate(trainers)]
        w = objective.combine("train", updates)

    z = feature_map.apply(X)
    oracle = oracle_of(kind, z[:, :-1])
    np.testing.assert_allclose(w, weights_of(kind, oracle, family), atol=1e-4)
    pipeline = to_pipeline(feature_map, w, feature_map.names, family)
    predicted, expected = (
        model.predict_proba(rows) if kind == "softmax" else model.predict(rows)
        for model, rows in ((pipeline, pd.DataFrame(X, columns=list(feature_map.names))), (oracle, z[:, :-1]))
    )
    np.testing.assert_allclose(predicted, expected, rtol=1e-3, atol=1e-3)


def update(place: int, trainer: SklearnTrainer, w: FloatArray) -> Update:
    return Update(f"h{place}", trainer.rows, lambda: chunks(w))


@pytest.mark.parametrize(("kind", "least"), [("softmax", 0.68), ("linear", 0.85), ("poisson", 0.25)])
def test_with_noise_the_model_still_says_much_and_its_noised_scores_say_how_much(kind: str, least: float) -> None:
    spec = spec_of(kind, private_spec, epsilon=8.0, rounds=40)
    terms = PrivacyTerms.of(spec, "uid-1", "consortium/models", 1)
    assert terms is not None
    plan = terms.plan(noised_holdout=True)
    assert plan.centre is not None
    assert plan.evaluate is not None
    objective, family = PrivateObjective(spec, terms), family_of(spec.model, spec.features)
    feature_map = FeatureMap.from_codebook(spec.features)
    # A key for each release, so that the noise of this test is the same every time.
    keys = count(1)
    trainers = [
        PrivateTrainer(each, lambda: Keystream(next(keys).to_bytes(32, "big")), family)
        for each in sides_of(kind, held=100)
    ]

    rows = sums([trainer.centre(feature_map, plan.centre) for trainer in trainers])
    progress = Progress(objective.combine("centre", rows, Progress()))
    centre = objective.settings(progress.opened).centre
    w = objective.initial()
    for _ in range(spec.rounds):
        noised = [trainer.train(feature_map, centre, w, plan.train) for trainer in trainers]
        assert {vector.size for vector in noised} == {objective.length("train")}
        w = objective.combine("train", sums(noised), progress)
        progress = progress.after(w)
    model = objective.released(progress)

    found = score(KINDS[kind][2], family.mean(family.predictor(feature_map.apply(X), model)), family)
    assert best(found) > least
    vector = trainers[0].evaluate(feature_map, model, plan.evaluate)
    assert vector.size == objective.length("evaluate")
    told, exact = scores_of(vector, plan.evaluate, family), trainers[0].score(feature_map, model)
    assert exact.loss is not None
    if told.loss is not None and told.errors is not None and told.errors.loss is not None:
        # Three times the bar of 95 %: nearly six standard deviations.
        assert abs(told.loss - exact.loss) < 3 * told.errors.loss + 0.05
    else:
        assert "loss" in (told.hidden or ())


def best(scores: Metrics) -> float:
    value = scores.r2 if scores.accuracy is None else scores.accuracy
    assert value is not None
    return value


def sums(vectors: list[FloatArray]) -> list[Update]:
    return [Update(f"h{place}", 0, lambda of=vector: chunks(of)) for place, vector in enumerate(vectors)]  # type: ignore[misc]


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_of_another_length_are_refused(kind: str) -> None:
    spec = spec_of(kind)
    family = family_of(spec.model, spec.features)
    trainer = SklearnTrainer(sides_of(kind)[0], family)
    needed = family.size(4)
    with pytest.raises(InvalidMessage, match=f"have {needed + 1} values: the feature map needs {needed}"):
        trainer.evaluate(FeatureMap.from_codebook(spec.features), np.zeros(needed + 1))


@pytest.mark.parametrize("kind", ["linear", "poisson"])
def test_too_long_a_step_is_refused_with_what_to_lower(kind: str) -> None:
    spec = spec_of(kind)
    trainer = SklearnTrainer(sides_of(kind)[0], family_of(spec.model, spec.features))
    with pytest.raises(InvalidData, match=r"diverged at learningRate 500 and l2 0\.01: lower either of them"):
        trainer.train(FeatureMap.from_codebook(spec.features), np.zeros(4), Work(200, 500.0, 0.01))


@pytest.mark.parametrize("kind", KINDS)
def test_the_holdout_is_scored_by_the_models_own_scores(kind: str) -> None:
    spec = spec_of(kind)
    family, feature_map = family_of(spec.model, spec.features), FeatureMap.from_codebook(spec.features)
    sides = sides_of(kind, held=100)[0]
    w = np.random.default_rng(3).normal(size=family.size(4)) / 4
    expected = score(sides.holdout.y, family.mean(family.predictor(feature_map.apply(sides.holdout.x), w)), family)
    assert SklearnTrainer(sides, family).evaluate(feature_map, w) == expected
    assert (expected.accuracy is None) == (expected.r2 is not None) == (kind != "softmax")
