"""The coordinator's part of a private run: steps along noisy sums, and the average that is the model."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from builders import accepted, committed, private_spec
from consilia.aggregation import Update, chunks
from consilia.errors import InvalidMessage
from consilia.journal import History
from consilia.privacy.dp_fedsgd import CENTRED_SCALE, Centre
from consilia.protocol import PrivacyTerms, pack
from consilia.spec import FederationSpec
from consilia.vectors import FloatArray
from consilia_coordinator.blobs import BlobStore
from consilia_coordinator.learning import Learning
from consilia_coordinator.objective import Progress
from consilia_coordinator.objectives import objectives_of
from consilia_coordinator.private_objective import PrivateObjective
from serving import IDENTITY, OBJECTIVE_OF

ROWS = 400


def terms_of(spec: FederationSpec, run: int = 1) -> PrivacyTerms:
    terms = PrivacyTerms.of(spec, IDENTITY.uid, IDENTITY.federation, run)
    assert terms is not None
    return terms


def objective_of(**changes: Any) -> PrivateObjective:
    spec = private_spec(**changes)
    return PrivateObjective(spec, terms_of(spec))


def sums(*vectors: list[float]) -> list[Update]:
    """What hospitals sent, in no order."""
    arrays = [np.array(vector) for vector in vectors]
    return [Update(f"h{place}", 0, lambda of=array: chunks(of)) for place, array in enumerate(arrays)][::-1]  # type: ignore[misc]


def test_the_first_step_goes_from_zeros_along_the_sum_of_the_hospitals() -> None:
    objective = objective_of(model={"l2": 0.5})
    rate = terms_of(private_spec(model={"l2": 0.5})).plan(noised_holdout=True).learning_rate
    w = objective.combine("train", sums([4.0, -8.0, 2.0], [4.0, 0.0, 2.0]), Progress())
    np.testing.assert_allclose(w, -rate * np.array([8.0, -8.0, 4.0]) / ROWS, rtol=1e-15)


def test_the_next_step_goes_from_the_last_iterate_with_a_penalty_on_all_but_the_intercept() -> None:
    objective = objective_of(model={"l2": 0.5})
    rate = terms_of(private_spec(model={"l2": 0.5})).plan(noised_holdout=True).learning_rate
    before = [np.full(3, 9.0), np.array([1.0, -2.0, 3.0])]
    w = objective.combine("train", sums([0.0, 0.0, 0.0]), Progress(iterates=before))
    np.testing.assert_allclose(w, before[1] - rate * 0.5 * np.array([1.0, -2.0, 0.0]), rtol=1e-15)
    np.testing.assert_array_equal(before[1], [1.0, -2.0, 3.0])


def test_the_centre_is_the_sum_of_rows_and_travels_in_the_settings() -> None:
    objective = objective_of()
    assert objective.settings(None).centre is None
    opened = objective.combine("centre", sums([100.0, -50.0, 300.0], [100.0, 0.0, 100.0]), Progress())
    np.testing.assert_array_equal(opened, [200.0, -50.0, 400.0])
    settings = objective.settings(opened)
    assert settings.centre == Centre(centre=(0.5, -0.125))
    assert settings.digest != objective.settings(None).digest


@pytest.mark.parametrize("epsilon", [0.5, 1.0])
def test_hospitals_are_told_the_terms_the_map_and_the_algorithm(epsilon: float) -> None:
    spec = private_spec(epsilon=epsilon)
    settings = objectives_of(IDENTITY)(spec, 7).settings(None)
    assert settings.privacy == terms_of(spec, run=7)
    assert settings.feature_map is not None
    assert settings.algorithm.dp_fed_sgd is not None
    assert settings.algorithm.fed_avg is None


def test_the_model_is_the_average_of_the_last_half_and_of_plain_rows() -> None:
    objective = objective_of()
    iterates = [np.array([float(number), 0.0, 1.0]) for number in range(5)]
    progress = Progress(None, iterates)
    np.testing.assert_array_equal(objective.released(progress), [3.0, 0.0, 1.0])
    np.testing.assert_array_equal(objective.released(Progress().after(iterates[4])), iterates[4])
    folded = objective.released(replace(progress, opened=np.array([200.0, -50.0, 400.0])))
    assert folded.tolist() == [3.0 * CENTRED_SCALE, 0.0, 1.0 - 3.0 * CENTRED_SCALE * 0.5]


def test_every_vector_fits_into_a_message() -> None:
    codebook = [{"name": f"c{number}", "min": 0, "max": 1} for number in range(2000)]
    objective = objective_of(features={"label": "sick", "nominalRows": ROWS, "codebook": codebook})
    assert [objective.length("centre"), objective.length("train")] == [2001, 2001]
    assert [objective.length("evaluate"), objective.length("moments")] == [5, 0]
    assert pack(objective.initial()).inline


def learning_after(tmp_path: Any, iterates: list[FloatArray], spec: FederationSpec) -> Learning:
    """A coordinator that is started after these rounds."""
    history = History()
    history.add([accepted(spec=spec), committed(0, "centre", parameters=pack(np.array([40.0, 20.0, 400.0])))])
    for number, iterate in enumerate(iterates, start=1):
        released = pack(iterate * 1.5)
        history.add([committed(number, parameters=pack(iterate), released=released, contributors=[])])
    return Learning(BlobStore(tmp_path), history, OBJECTIVE_OF)


def test_orders_carry_the_iterate_and_have_the_model_scored(tmp_path: Any) -> None:
    iterates = [np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])]
    learning = learning_after(tmp_path, iterates, private_spec())
    assert learning.parameters("centre") is None
    assert learning.parameters("train") == pack(iterates[1])
    assert learning.scored("train") == pack(iterates[1] * 1.5)
    assert learning.parameters("evaluate") == pack(iterates[1] * 1.5)
    assert learning.scored("evaluate") is None
    assert learning.longest == 3


def test_the_first_round_starts_from_zeros_and_has_nothing_scored(tmp_path: Any) -> None:
    learning = learning_after(tmp_path, [], private_spec())
    assert learning.parameters("train") == pack(np.zeros(3))
    assert learning.scored("train") is None


def test_the_terms_stay_those_that_the_run_began_with(tmp_path: Any) -> None:
    learning = learning_after(tmp_path, [], private_spec(rounds=5))
    before = learning.settings()
    learning._history.add([accepted(spec=private_spec(("north",), rounds=2))])
    again = Learning(BlobStore(tmp_path), learning._history, OBJECTIVE_OF)
    assert again.settings() == before
    assert before.privacy is not None
    assert (before.privacy.rounds, before.privacy.hospitals) == (5, 2)


def test_a_sum_of_nobody_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="no update to combine"):
        objective_of().combine("train", [], Progress())
