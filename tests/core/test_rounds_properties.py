"""What holds of the rounds whatever happens."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from consilia.rounds import (
    Combine,
    Deadline,
    Declined,
    Desired,
    Event,
    Joined,
    Lost,
    Received,
    Run,
    State,
)
from rounds_shell import ALL, EXCHANGE, Shell

NAMES = st.sampled_from(["a", "b", "c", "stranger"])
STEPS = st.lists(
    st.one_of(
        st.builds(Joined, NAMES),
        st.builds(Lost, NAMES),
        st.tuples(st.just("received"), NAMES),
        st.tuples(st.just("declined"), NAMES),
        st.just("deadline"),
        st.just("stale"),
        st.builds(
            Desired,
            run=st.integers(1, 3),
            target=st.integers(1, 4),
            quorum=st.integers(1, 3),
            hospitals=st.sampled_from([ALL, frozenset({"a", "b", "c", "d"})]),
            suspended=st.booleans(),
            opening=st.sampled_from([None, "moments", "centre"]),
        ),
    ),
    max_size=60,
)


def event_of(run: Run, drawn: object) -> Event:
    exchange = run.exchange or EXCHANGE
    match drawn:
        case ("received", str(name)):
            return Received(name, exchange)
        case ("declined", str(name)):
            return Declined(name, exchange)
        case "deadline":
            return Deadline(exchange)
        case "stale":
            return Received("a", replace(exchange, attempt=exchange.attempt + 1))
        case _:
            assert isinstance(drawn, (Joined, Lost, Desired))
            return drawn


@given(STEPS)
def test_whatever_happens_rounds_commit_in_order_with_their_quorum(steps: list[object]) -> None:
    shell = Shell()
    for drawn in steps:
        before = shell.run
        actions = shell.tell(event_of(shell.run, drawn))
        assert shell.run.number >= before.number
        if shell.run.number == before.number:
            assert before.committed <= shell.run.committed
        for action in actions:
            if isinstance(action, Combine):
                exchange = action.exchange
                assert exchange.received <= exchange.participants
                if exchange.task != "evaluate":
                    assert len(exchange.received) >= min(before.quorum, shell.run.quorum)
        assert (shell.run.exchange is not None) == (
            shell.run.state in (State.ROUND_SYNC, State.COLLECTING, State.AGGREGATING)
        )
        assert shell.run.state not in (State.ROUND_SYNC, State.FINISHED), "the shell reports these at once"


@given(STEPS)
def test_whatever_happened_a_run_completes_once_everybody_is_there_and_answers(steps: list[object]) -> None:
    shell = Shell()
    for drawn in steps:
        shell.tell(event_of(shell.run, drawn))
    shell.tell(Desired(run=9, target=3, quorum=3, hospitals=ALL, suspended=False, opening="moments"))
    shell.join_all()
    for _ in range(5):
        if shell.run.exchange is not None:
            shell.answer_all()
    assert shell.run.complete
    assert shell.run.committed == 3
