"""What an answer of a private run may tell, at the coordinator's door."""

from pathlib import Path

import numpy as np
import pytest

from builders import accepted, private_spec
from consilia.errors import InvalidMessage
from consilia.journal import History
from consilia.privacy.scores import scores_of
from consilia.protocol import Task, Update, pack
from consilia.status import LedgerState, Metrics
from consilia_coordinator.blobs import BlobStore
from consilia_coordinator.learning import Learning
from consilia_coordinator.private_answers import noised_scores, require_private
from serving import DIGEST, OBJECTIVE_OF

NOISED = LedgerState(sequence=3, head=DIGEST, spent=0.5, remaining=3.5, budget=4.0, delta=1e-5)
EXACT = NOISED.model_copy(update={"exact": True})
SCORES = Metrics(accuracy=0.9, loss=0.3)


def answer(length: int = 0, **fields: object) -> Update:
    vector = pack(np.linspace(-1, 1, length)) if length else None
    return Update.model_validate({"order": DIGEST, "vector": vector, "ledger": NOISED} | fields)


@pytest.mark.parametrize(
    ("task", "update"),
    [
        pytest.param("centre", answer(3), id="the centre"),
        pytest.param("train", answer(3), id="a round, noised"),
        pytest.param("train", answer(3, ledger=EXACT), id="the first round of an exact cohort: nothing to score yet"),
        pytest.param("train", answer(3, ledger=EXACT, metrics=SCORES), id="a round of an exact cohort"),
        pytest.param("evaluate", answer(5), id="noised scores"),
        pytest.param("evaluate", answer(), id="no evaluation left in the plan"),
        pytest.param("evaluate", answer(ledger=EXACT, metrics=SCORES), id="exact scores"),
    ],
)
def test_what_a_hospital_may_tell_is_taken(task: Task, update: Update) -> None:
    require_private(task, update)


MORE = "the hospital told more than it may"
BAD = [
    pytest.param("train", answer(3, rows=90), f"{MORE}.*counts its rows", id="rows"),
    pytest.param("evaluate", answer(5, rows=0), f"{MORE}.*counts its rows", id="no rows, said aloud"),
    pytest.param("train", answer(3, metrics=SCORES), f"{MORE}.*scores without noise", id="exact scores in a round"),
    pytest.param("evaluate", answer(metrics=SCORES), f"{MORE}.*metrics is noised", id="exact at the end"),
    pytest.param("centre", answer(3, ledger=EXACT, metrics=SCORES), MORE, id="scores of a centre"),
    pytest.param("evaluate", answer(5, ledger=EXACT), "holdout.metrics is exact", id="noised of an exact cohort"),
    pytest.param("train", answer(3, ledger=None), "where the cohort's ledger stands", id="no ledger"),
    pytest.param("train", answer(), "the answer to train has no vector; 3 values expected", id="no gradient"),
    pytest.param("centre", answer(), "the answer to centre has no vector; 3 values expected", id="no centre"),
    pytest.param("train", answer(4), "vector has 4 values; train has 3", id="a gradient of another length"),
    pytest.param("evaluate", answer(4), "vector has 4 values; evaluate has 5", id="scores of another length"),
    pytest.param("moments", answer(5), "vector has 5 values; moments has 0", id="moments"),
]


@pytest.mark.parametrize(("task", "update", "sentence"), BAD)
def test_what_it_may_not_tell_is_refused_with_a_sentence(
    tmp_path: Path, task: Task, update: Update, sentence: str
) -> None:
    history = History()
    history.add([accepted(spec=private_spec())])
    learning = Learning(BlobStore(tmp_path), history, OBJECTIVE_OF)
    with pytest.raises(InvalidMessage, match=sentence):
        learning.admit(task, update)


@pytest.mark.parametrize("bad", [np.nan, np.inf], ids=str)
def test_a_sum_that_is_not_finite_is_refused(tmp_path: Path, bad: float) -> None:
    history = History()
    history.add([accepted(spec=private_spec())])
    learning = Learning(BlobStore(tmp_path), history, OBJECTIVE_OF)
    with pytest.raises(InvalidMessage, match="not finite"):
        learning.admit("train", answer(vector=pack(np.array([0.0, bad, 0.0]))))


def test_noised_cells_become_scores_by_the_noise_of_the_terms() -> None:
    settings = OBJECTIVE_OF(private_spec(epsilon=8.0), 1).settings(None)
    terms = settings.privacy
    assert terms is not None
    cells = np.array([350.0, 30.0, 600.0, 20.0, 150.0])
    evaluate = terms.plan(noised_holdout=True).evaluate
    assert evaluate is not None
    found = noised_scores(answer(vector=pack(cells)), terms, settings)
    assert found == scores_of(cells, evaluate)
    assert found.accuracy == pytest.approx(0.95)
    assert noised_scores(answer(), terms, settings) is None
