"""Taking up a run: the state that the journal tells of is the one that a crash interrupted."""

from typing import Any

import pytest

from builders import AT, HOSPITALS, accepted, answered, federation_spec, ordered, private_spec, whole_round
from consilia.journal import ExchangeDropped, History, RunCompleted
from consilia.rounds import Exchange, Run, State
from consilia_coordinator.resumption import resumed_run

FEDERATED = federation_spec(
    features={"label": "malignant", "scaling": "federated", "codebook": [{"name": "mean radius"}]}
)
NAMES = frozenset(HOSPITALS)


def resumed(*facts: Any) -> Run:
    history = History()
    for fact in facts:
        history.add(fact if isinstance(fact, list) else [fact])
    assert history.current is not None
    return resumed_run(history.current)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([accepted()], Run(number=1, target=3), id="nothing but the wish"),
        pytest.param(
            [accepted(spec=FEDERATED)],
            Run(number=1, target=3, committed=-1, opening="moments"),
            id="before the moments",
        ),
        pytest.param(
            [accepted(spec=private_spec())],
            Run(number=1, target=3, committed=-1, opening="centre"),
            id="before the centre",
        ),
        pytest.param(
            [accepted(spec=private_spec(epsilon=0.5))], Run(number=1, target=3), id="a private run without a centre"
        ),
        pytest.param([accepted(), whole_round(1)], Run(number=1, target=3, committed=1), id="between two rounds"),
        pytest.param(
            [accepted(), whole_round(1), ordered(2), answered("north")],
            Run(
                State.COLLECTING,
                number=1,
                target=3,
                committed=1,
                attempts=1,
                exchange=Exchange(1, 2, 1, "train", NAMES, received=frozenset({"north"})),
            ),
            id="in the middle of a round: answers count",
        ),
        pytest.param(
            [accepted(), ordered(1), answered("north"), ExchangeDropped(at=AT, run=1)],
            Run(number=1, target=3, attempts=1),
            id="after a failed round: answers do not count, the attempt does",
        ),
        pytest.param(
            [accepted(), whole_round(1), RunCompleted(at=AT, run=1)],
            Run(number=1, target=3, committed=1, complete=True),
            id="complete",
        ),
        pytest.param(
            [accepted(), whole_round(1), accepted(run=2)], Run(number=2, target=3), id="a new run that has not begun"
        ),
    ],
)
def test_a_run_is_taken_up_where_it_was(facts: list[Any], expected: Run) -> None:
    assert resumed(*facts) == expected
