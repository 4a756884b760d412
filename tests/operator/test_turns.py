"""Whose reconcile is next: nobody twice at once, failing ones behind and never with all workers, longer each time."""

import pytest

from consilia_operator.children import Key
from consilia_operator.turns import Turns

A, B, C = ("n", "a"), ("n", "b"), ("n", "c")


def turns(workers: int = 4, jitter: float = 0.0) -> Turns:
    return Turns(workers, lambda: jitter)


def taken(queue: Turns, now: float) -> list[Key]:
    found: list[Key] = []
    while (key := queue.take(now)) is not None:
        found.append(key)
    return found


def failed(queue: Turns, key: Key, now: float) -> None:
    queue.wish(key, now)
    assert queue.take(now) == key
    queue.done(key, True, now)


def test_who_came_first_is_first_and_a_second_wish_changes_nothing() -> None:
    queue = turns()
    for key in (B, A, B):
        queue.wish(key, 0)
    assert taken(queue, 0) == [B, A]


def test_no_more_run_at_once_than_there_are_workers() -> None:
    queue = turns(workers=2)
    for key in (A, B, C):
        queue.wish(key, 0)
    assert taken(queue, 0) == [A, B]
    queue.done(A, False, 1)
    assert taken(queue, 1) == [C]


def test_a_wish_during_a_reconcile_leads_to_another_one_after_it() -> None:
    queue = turns()
    queue.wish(A, 0)
    assert taken(queue, 0) == [A]
    queue.wish(A, 1)
    assert taken(queue, 1) == []
    queue.done(A, False, 2)
    assert taken(queue, 2) == [A]
    queue.done(A, False, 3)
    assert taken(queue, 3) == []


def test_one_that_fails_is_tried_again_later_each_time() -> None:
    queue = turns()
    failed(queue, A, 0)
    pauses, now = [], 0.0
    for _ in range(8):
        due = queue.next_due()
        assert due is not None
        assert queue.take(due - 0.01) is None
        assert queue.take(due) == A
        pauses.append(due - now)
        now = due
        queue.done(A, True, now)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_jitter_shortens_a_pause_by_up_to_a_half() -> None:
    queue = turns(jitter=0.5)
    failed(queue, A, 0)
    assert queue.next_due() == 0.75


def test_after_a_success_the_pauses_begin_anew() -> None:
    queue = turns()
    failed(queue, A, 0)
    assert queue.take(1) == A
    queue.done(A, False, 1)
    assert (queue.failing(), queue.next_due()) == (0, None)
    failed(queue, A, 2)
    assert queue.next_due() == 3


def test_a_first_comes_before_every_try_again() -> None:
    queue = turns(workers=1)
    failed(queue, A, 0)
    failed(queue, B, 0)
    queue.wish(C, 100)
    assert taken(queue, 100) == [C]


@pytest.mark.parametrize(("workers", "at_once"), [(1, 1), (2, 1), (8, 4)])
def test_those_that_fail_never_take_all_workers(workers: int, at_once: int) -> None:
    queue = turns(workers=workers)
    for number in range(20):
        failed(queue, ("bad", str(number)), 0)
    assert len(taken(queue, 100)) == at_once
    queue.wish(A, 100)
    assert taken(queue, 100) == ([A] if workers > at_once else [])


def test_a_storm_of_events_is_no_way_around_the_pause_and_a_remedy_is_not_waited_for_long() -> None:
    queue = turns()
    failed(queue, A, 0)
    for now in (1.0, 3.0, 7.0, 15.0):
        assert queue.take(now) == A
        queue.done(A, True, now)
    assert queue.next_due() == 31
    for tick in range(100):
        queue.wish(A, 16 + tick / 1000)
    assert queue.next_due() == 17


def test_since_when_who_waits_and_runs_is_known() -> None:
    queue = turns(workers=1)
    queue.wish(A, 1)
    queue.wish(B, 2)
    queue.wish(B, 5)
    queue.take(3)
    assert (queue.running(), queue.waiting()) == ({A: 3}, {B: 2})
