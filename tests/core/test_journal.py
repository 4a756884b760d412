"""The journal: facts come back as they were written, damage is told from a crash, and the fold says what happened."""

import json
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import (
    AT,
    HOSPITALS,
    accepted,
    answered,
    committed,
    federation_spec,
    ordered,
    private_document,
    private_spec,
    vector_ref,
    whole_round,
)
from consilia.errors import DamagedState
from consilia.journal import (
    AnyFact,
    ExchangeDropped,
    Happened,
    History,
    RunCompleted,
    Tracked,
    WitnessesGiven,
    decode,
    encode,
)
from consilia.protocol import unpack
from consilia.spec import FederationSpec
from consilia.status import EventRecord, LedgerState, LedgerWitness, RegisteredModel

STARTED = Happened(at=AT, type="Normal", reason="Started", message="run 1: 3 rounds — “ééé”\nNON-PRIVATE")
FACTS: list[AnyFact] = [
    accepted(),
    ordered(1),
    answered("north", loss=0.25, vector=vector_ref(0.1, -0.0)),
    ExchangeDropped(at=AT, run=1),
    committed(1),
    RunCompleted(at=AT, run=1),
    Tracked(at=AT, run=1, run_id="ab", model=RegisteredModel(name="m", version="1", uri="models:/m/1")),
    STARTED,
]


def written(facts: Iterable[AnyFact]) -> bytes:
    return b"".join(encode(fact) for fact in facts)


def folded(*facts: AnyFact | list[AnyFact]) -> History:
    """The fold of these facts; lists are flattened."""
    history = History()
    for fact in facts:
        history.add(fact if isinstance(fact, list) else [fact])
    return history


def federated() -> FederationSpec:
    features = {"label": "malignant", "scaling": "federated", "codebook": [{"name": "mean radius"}]}
    return federation_spec(features=features)


def test_every_fact_comes_back_as_it_was_written() -> None:
    assert decode(written(FACTS), "journal") == (FACTS, len(written(FACTS)))


def test_a_fact_is_one_line_whatever_its_message_says() -> None:
    assert encode(STARTED).count(b"\n") == 1


events = st.builds(
    Happened,
    at=st.just(AT),
    type=st.sampled_from(["Normal", "Warning"]),
    reason=st.text(max_size=20),
    message=st.text(max_size=80),
)
rounds = st.builds(
    answered,
    st.sampled_from(HOSPITALS),
    rows=st.integers(0, 10**9),
    loss=st.floats(allow_nan=False, allow_infinity=False),
)


@given(st.lists(events | rounds, max_size=8))
def test_any_facts_come_back_and_floats_bit_by_bit(facts: list[AnyFact]) -> None:
    assert decode(written(facts), "journal") == (facts, len(written(facts)))


@given(st.integers(0, len(written(FACTS)) - 1))
def test_cut_anywhere_the_whole_lines_come_back_and_the_torn_one_is_dropped(cut: int) -> None:
    whole = written(FACTS)[:cut]
    facts, kept = decode(whole, "journal")
    assert facts == FACTS[: len(facts)]
    assert whole[:kept] == written(facts)
    assert b"\n" not in whole[kept:]


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(encode(STARTED)[:-1], id="all but the line's end"),
        pytest.param(encode(STARTED)[:5], id="half a checksum"),
        pytest.param(b"\0" * 100, id="zeros, as a power cut leaves"),
        pytest.param(b"00000000 {}\n", id="a last line with a wrong checksum"),
    ],
)
def test_a_torn_last_line_is_dropped(tail: bytes) -> None:
    facts, kept = decode(written(FACTS) + tail, "journal")
    assert facts == FACTS
    assert kept == len(written(FACTS))


@given(st.integers(0, len(encode(STARTED)) - 2), st.integers(1, 255))
def test_a_damaged_middle_line_is_refused_with_its_number(position: int, flipped: int) -> None:
    line = bytearray(encode(STARTED))
    line[position] ^= flipped
    if line[position] == ord("\n"):
        return  # that is two lines, and the next case
    with pytest.raises(DamagedState, match=r"journal: line 2 is damaged .*: restore the file, or move it away"):
        decode(encode(STARTED) + bytes(line) + encode(STARTED), "journal")


def test_a_blank_line_in_the_middle_is_damage() -> None:
    with pytest.raises(DamagedState, match="line 2 is damaged"):
        decode(encode(STARTED) + b"\n" + encode(STARTED), "journal")


@pytest.mark.parametrize(
    ("data", "named"),
    [
        pytest.param({"fact": "merger", "at": AT}, "merger", id="an unknown fact"),
        pytest.param({"at": AT}, "None", id="no fact at all"),
        pytest.param({"fact": "complete", "at": AT, "run": 1, "sealed": True}, "complete", id="an unknown field"),
        pytest.param({"fact": "complete", "at": AT}, "complete", id="a missing field"),
    ],
)
def test_a_fact_that_this_version_does_not_know_is_refused_even_as_the_last_line(
    data: dict[str, object], named: str
) -> None:
    text = json.dumps(data).encode()
    with pytest.raises(DamagedState, match=rf"does not know \({named}\): run the version that wrote it"):
        decode(b"%08x %s\n" % (zlib.crc32(text), text), "journal")


def test_an_empty_journal_is_an_empty_history() -> None:
    assert decode(b"", "journal") == ([], 0)
    assert History().current is None


def test_a_run_starts_at_round_0_and_before_it_where_scaling_needs_moments() -> None:
    assert folded(accepted()).runs[1].committed == 0
    assert folded(accepted(spec=federated())).runs[1].committed == -1


def test_summed_moments_are_kept_apart_from_the_model() -> None:
    run = folded(accepted(spec=federated()), whole_round(0, "moments")).runs[1]
    assert run.committed == 0
    assert run.parameters is None
    assert run.opened == committed(0, "moments").parameters
    assert run.rounds == {}


def test_a_private_run_opens_with_its_centre_where_it_has_one() -> None:
    assert folded(accepted(spec=private_spec(epsilon=0.5))).runs[1].committed == 0
    run = folded(accepted(spec=private_spec(epsilon=2.0)), whole_round(0, "centre")).runs[1]
    assert run.committed == 0
    assert run.opened == committed(0, "centre").parameters
    assert run.iterates == []


def test_a_private_run_keeps_its_iterates_and_what_it_released() -> None:
    first, second, mean = vector_ref(1.0), vector_ref(2.0), vector_ref(1.5)
    run = folded(
        accepted(spec=private_spec(epsilon=0.5)),
        committed(1, parameters=first, released=first, contributors=[]),
        committed(2, parameters=second, released=mean, contributors=[]),
    ).runs[1]
    assert (run.iterates, run.parameters, run.released) == ([first, second], second, mean)


def test_what_a_run_without_noise_releases_are_its_parameters() -> None:
    run = folded(accepted(), whole_round(1)).runs[1]
    assert run.released == run.parameters
    assert run.iterates == []


def test_a_run_remembers_the_spec_that_it_began_with() -> None:
    run = folded(accepted(spec=private_spec(rounds=3)), accepted(spec=private_spec(rounds=2))).runs[1]
    assert (run.first.rounds, run.spec.rounds) == (3, 2)


def test_the_newest_witness_of_a_ledger_stays_whoever_tells_it_and_in_whatever_order() -> None:
    def seen(sequence: int) -> LedgerState:
        return LedgerState(sequence=sequence, head=f"{sequence:064d}", spent=1, remaining=1, budget=4, delta=1e-5)

    given = LedgerWitness(sequence=7, head="7" * 64)
    history = folded(
        accepted(),
        answered("north", ledger=seen(4)),
        answered("north", ledger=seen(3)),
        answered("south", ledger=seen(6)),
        WitnessesGiven(at=AT, witnesses={"south": given, "north": LedgerWitness(sequence=2, head="2" * 64)}),
    )
    assert {name: each.sequence for name, each in history.witnesses.items()} == {"north": 4, "south": 7}
    assert history.ledgers["south"].sequence == 6


def test_a_hospital_that_brings_another_cohort_has_another_ledger_of_which_nothing_is_known() -> None:
    told = LedgerState(sequence=9, head="9" * 64, spent=1, remaining=1, budget=4, delta=1e-5)
    history = folded(accepted(), answered("north", ledger=told), answered("south", ledger=told))
    document = private_document()
    document["spec"]["hospitals"][0]["cohort"]["name"] = "north-2025"
    history.add([accepted(run=2, spec=FederationSpec.model_validate(document["spec"]))])
    assert set(history.witnesses) == set(history.ledgers) == set(history.runs[1].ledgers) == {"south"}


def test_an_answer_of_a_round_scores_the_model_of_the_round_before() -> None:
    run = folded(accepted(), whole_round(1, loss=0.7), whole_round(2, loss=0.6)).runs[1]
    assert {name: scores.loss for name, scores in run.rounds[1].hospitals.items()} == {"north": 0.6, "south": 0.6}
    assert {name: scores.loss for name, scores in run.rounds[2].hospitals.items()} == {"north": None, "south": None}


def test_the_final_evaluation_scores_the_final_model_and_adds_no_round() -> None:
    run = folded(accepted(), whole_round(1), whole_round(1, "evaluate", loss=0.2)).runs[1]
    assert list(run.rounds) == [1]
    assert run.rounds[1].hospitals["south"].loss == 0.2
    assert run.rounds[1].hospitals["south"].rows == 11


def test_a_committed_round_is_told_and_told_again_when_its_scores_are_in() -> None:
    history = folded(accepted(), whole_round(1), whole_round(2, loss=0.5))
    assert history.feed == [(5, (1, 1)), (9, (1, 2)), (9, (1, 1))]
    assert history.sequence == 9


def test_an_event_is_told_with_its_place_in_the_journal() -> None:
    history = folded(accepted(), STARTED)
    assert history.feed == [(2, EventRecord(at=AT, type="Normal", reason="Started", message=STARTED.message))]


def test_a_dropped_exchange_forgets_its_answers_and_keeps_its_attempt() -> None:
    run = folded(accepted(), ordered(1, attempt=2), answered("north"), ExchangeDropped(at=AT, run=1)).runs[1]
    assert run.order is None
    assert run.updates == {}
    assert run.attempts == 2


def test_a_new_order_forgets_the_answers_to_the_one_before() -> None:
    run = folded(accepted(), ordered(1), answered("north"), ordered(1, attempt=2)).runs[1]
    assert run.updates == {}
    assert run.order == ordered(1, attempt=2)


def test_a_later_wish_changes_the_spec_and_not_the_progress_of_its_run() -> None:
    run = folded(accepted(), whole_round(1), accepted(spec=federation_spec(rounds=9))).runs[1]
    assert run.spec.rounds == 9
    assert run.committed == 1


def test_a_new_run_starts_from_a_fresh_model_and_the_old_one_stays_readable() -> None:
    history = folded(accepted(), whole_round(1), RunCompleted(at=AT, run=1), accepted(run=2))
    assert history.current is history.runs[2]
    assert history.runs[2].parameters is None
    assert history.runs[1].completed_at == AT
    assert history.runs[1].parameters == vector_ref(1)


def test_a_run_that_goes_on_is_no_longer_complete() -> None:
    history = folded(accepted(), whole_round(1), RunCompleted(at=AT, run=1), ordered(2))
    assert history.runs[1].completed_at is None


def test_the_newest_word_of_tracking_holds() -> None:
    first, second = (Tracked(at=AT, run=1, run_id="ab", logged_through=number) for number in (1, 2))
    assert folded(accepted(), first, second).runs[1].tracked == second


@given(st.integers(0, 12))
def test_folding_in_two_parts_is_folding_at_once(cut: int) -> None:
    facts = [accepted(), *whole_round(1), *whole_round(2, loss=0.5), RunCompleted(at=AT, run=1), STARTED]
    assert folded(facts[:cut], facts[cut:]) == folded(facts)


def test_the_model_of_the_last_round_reads_back_from_the_journal() -> None:
    facts, _ = decode(written([accepted(), *whole_round(1), *whole_round(2)]), "journal")
    parameters = folded(facts).runs[1].parameters
    assert parameters is not None
    assert unpack(parameters).tolist() == [2.0]
