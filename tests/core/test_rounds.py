"""The rounds: the table of states and events, and the story of a run."""

from dataclasses import replace

import pytest

from consilia.errors import IllegalEvent
from consilia.rounds import (
    TABLE,
    Aggregated,
    Combine,
    Deadline,
    Declined,
    Event,
    Exchange,
    Joined,
    Lost,
    Proceed,
    Received,
    Retry,
    Run,
    SendOrder,
    StartRun,
    State,
    Stopped,
    WriteOrder,
    expects,
    step,
)
from rounds_shell import ALL, ANSWERS, EVENTS, EXCHANGE, WISH, Shell, in_state


@pytest.mark.parametrize("state", list(State), ids=str)
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_pair_of_state_and_event_is_decided(state: State, event: Event) -> None:
    legal = type(event) not in ANSWERS or ANSWERS[type(event)] is state
    if legal:
        run, actions = step(in_state(state), event)
        assert isinstance(run, Run)
        assert isinstance(actions, list)
    else:
        with pytest.raises(IllegalEvent, match=f"{type(event).__name__} is illegal in state {state}"):
            step(in_state(state), event)
    assert expects(in_state(state), type(event)) is legal


def test_the_table_has_no_other_pairs() -> None:
    assert len(TABLE) == len(State) * (len(EVENTS) - len(ANSWERS)) + len(ANSWERS)


def test_a_run_goes_from_idle_through_its_rounds_and_back_to_idle() -> None:
    shell = Shell(hold=True)
    states = [shell.run.state]

    def tell(*events: Event) -> None:
        shell.tell(*events)
        if states[-1] is not shell.run.state:
            states.append(shell.run.state)

    tell(WISH)
    for name in sorted(ALL):
        tell(Joined(name))
    for _ in range(3):
        exchange = shell.run.exchange
        assert exchange is not None
        for name in sorted(ALL):
            tell(Received(name, exchange))
        tell(Aggregated())
    assert states == [
        State.IDLE,
        State.REGISTRATION,
        *[State.COLLECTING, State.AGGREGATING] * 3,
        State.IDLE,
    ]
    assert shell.run.complete
    assert shell.run.committed == 2
    tasks = [(action.exchange.round, action.exchange.task) for action in shell.done if isinstance(action, WriteOrder)]
    assert tasks == [(1, "train"), (2, "train"), (2, "evaluate")]


def test_federated_scaling_asks_for_moments_first() -> None:
    shell = Shell()
    shell.tell(replace(WISH, opening="moments"))
    shell.join_all()
    assert shell.run.exchange is not None
    assert (shell.run.exchange.round, shell.run.exchange.task) == (0, "moments")
    shell.answer_all()
    assert (shell.run.exchange.round, shell.run.exchange.task) == (1, "train")


def training() -> Shell:
    shell = Shell()
    shell.tell(WISH)
    shell.join_all()
    return shell


def test_a_round_waits_for_everybody_who_is_awaited_even_above_the_quorum() -> None:
    shell = Shell()
    shell.tell(replace(WISH, quorum=2))
    shell.join_all()
    first = shell.run.exchange
    assert first is not None
    assert first.participants == {"a", "b"}, "the quorum was there before c"
    shell.answer_all()
    second = shell.run.exchange
    assert second is not None
    assert second.participants == ALL
    shell.tell(Received("a", second), Received("b", second))
    assert shell.run.state is State.COLLECTING
    shell.tell(Received("c", second))
    assert shell.run.committed == 2


def test_a_lost_hospital_is_not_awaited_and_the_round_goes_on_with_the_quorum() -> None:
    shell = Shell()
    shell.join_all()
    shell.tell(replace(WISH, quorum=2))
    exchange = shell.run.exchange
    assert exchange is not None
    shell.tell(Lost("c"), Received("a", exchange), Received("b", exchange))
    assert shell.run.committed == 1
    assert shell.run.exchange is not None
    assert shell.run.exchange.participants == {"a", "b"}


def test_a_participant_that_rejoins_gets_the_same_order_again() -> None:
    shell = training()
    exchange = shell.run.exchange
    assert exchange is not None
    shell.tell(Lost("b"))
    assert shell.tell(Joined("b")) == [SendOrder(exchange, frozenset({"b"}))]


def test_one_who_has_answered_and_rejoins_is_not_asked_again() -> None:
    shell = training()
    exchange = shell.run.exchange
    assert exchange is not None
    shell.tell(Received("b", exchange), Lost("b"))
    assert shell.tell(Joined("b")) == []


def test_answers_count_once_and_only_for_their_exchange() -> None:
    shell = training()
    exchange = shell.run.exchange
    assert exchange is not None
    shell.tell(Received("a", exchange), Received("a", exchange), Received("x", exchange))
    shell.tell(Received("b", replace(exchange, attempt=2)), Received("b", replace(exchange, round=7)))
    assert shell.run.exchange is not None
    assert shell.run.exchange.received == {"a"}


def test_below_the_quorum_a_deadline_fails_closed_and_retries_without_the_missing() -> None:
    shell = training()
    exchange = shell.run.exchange
    assert exchange is not None
    shell.tell(Received("a", exchange), Received("b", exchange))
    assert shell.tell(Deadline(exchange)) == [
        Retry(replace(exchange, received=frozenset({"a", "b"})), frozenset({"c"}))
    ]
    assert shell.run.state is State.REGISTRATION
    shell.tell(Joined("c"))
    assert shell.run.exchange == Exchange(1, 1, 2, "train", ALL)


def test_with_the_quorum_a_deadline_commits_and_the_missing_are_out_until_they_rejoin() -> None:
    shell = Shell(hold=True)
    shell.join_all()
    shell.tell(replace(WISH, quorum=2))
    exchange = shell.run.exchange
    assert exchange is not None
    shell.tell(Received("a", exchange), Received("b", exchange))
    proceed, combine = shell.tell(Deadline(exchange))
    assert isinstance(proceed, Proceed)
    assert proceed.missing == {"c"}
    assert isinstance(combine, Combine)
    assert shell.run.joined == {"a", "b"}


def test_a_deadline_of_another_exchange_changes_nothing() -> None:
    shell = training()
    before = shell.run
    shell.tell(Deadline(replace(EXCHANGE, attempt=9)))
    assert shell.run == before


def test_one_who_declines_is_out_and_the_others_go_on() -> None:
    shell = Shell()
    shell.join_all()
    shell.tell(replace(WISH, quorum=2))
    exchange = shell.run.exchange
    assert exchange is not None
    shell.tell(Declined("a", exchange), Received("b", exchange), Received("c", exchange))
    assert shell.run.committed == 1
    assert shell.run.joined == {"b", "c"}


def test_a_stop_lets_the_exchange_in_flight_finish() -> None:
    shell = training()
    shell.tell(replace(WISH, suspended=True))
    assert shell.run.state is State.COLLECTING
    shell.answer_all()
    assert shell.run.state is State.IDLE
    assert shell.run.committed == 1
    assert isinstance(shell.done[-1], Stopped)


def test_a_stop_does_not_wait_for_an_exchange_that_cannot_succeed() -> None:
    shell = training()
    shell.tell(Lost("a"), replace(WISH, suspended=True))
    assert shell.run.state is State.IDLE
    assert shell.run.committed == 0


def test_a_start_resumes_where_the_stop_was() -> None:
    shell = training()
    shell.tell(replace(WISH, suspended=True))
    shell.answer_all()
    shell.tell(WISH)
    assert shell.run.exchange is not None
    assert shell.run.exchange.round == 2


def complete() -> Shell:
    shell = training()
    for _ in range(3):
        shell.answer_all()
    assert shell.run.complete
    return shell


def test_raising_the_target_continues_a_complete_run() -> None:
    shell = complete()
    shell.tell(replace(WISH, target=3))
    assert shell.run.exchange == Exchange(1, 3, 1, "train", ALL)
    assert not shell.run.complete


def test_a_target_raised_while_stopped_is_not_forgotten() -> None:
    shell = complete()
    shell.tell(replace(WISH, suspended=True), replace(WISH, suspended=True, target=5), replace(WISH, target=5))
    assert shell.run.exchange == Exchange(1, 3, 1, "train", ALL)


def test_an_answer_to_another_run_does_not_count() -> None:
    shell = training()
    old = shell.run.exchange
    assert old is not None
    shell.tell(replace(WISH, run=2), Received("a", old))
    assert shell.run.exchange is not None
    assert shell.run.exchange.received == frozenset()


def test_lowering_the_target_below_the_current_round_ends_the_run_there() -> None:
    shell = training()
    shell.answer_all()
    shell.tell(replace(WISH, target=1))
    shell.answer_all()
    assert shell.run.exchange is not None
    assert (shell.run.exchange.task, shell.run.exchange.round) == ("evaluate", 2)
    shell.answer_all()
    assert shell.run.complete


def test_the_same_wish_again_changes_nothing() -> None:
    for shell in (training(), complete()):
        before = shell.run
        assert shell.tell(replace(WISH)) == []
        assert shell.run == before


def test_a_new_run_starts_afresh_at_any_moment_and_a_lower_one_is_ignored() -> None:
    for shell in (Shell(), training(), complete()):
        shell.tell(WISH)
        actions = shell.tell(replace(WISH, run=2))
        assert StartRun(2) in actions
        assert shell.run.number == 2
        assert shell.run.committed == 0
        assert shell.tell(WISH) == []
        assert shell.run.number == 2


def test_a_hospital_taken_out_is_not_awaited() -> None:
    shell = training()
    exchange = shell.run.exchange
    assert exchange is not None
    shell.tell(Received("a", exchange), Received("b", exchange))
    shell.tell(replace(WISH, hospitals=frozenset({"a", "b"}), quorum=2))
    assert shell.run.committed == 1


def test_without_anybody_left_the_final_evaluation_is_left_out() -> None:
    shell = Shell(replace(in_state(State.AGGREGATING), target=1, joined=frozenset()), hold=True)
    shell.tell(Aggregated())
    assert shell.run.complete
    assert shell.run.state is State.IDLE
