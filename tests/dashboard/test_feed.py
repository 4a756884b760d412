"""A feed gathers changes into beats, and a viewer that comes back gets what it missed."""

import json
import threading
import time

from consilia_dashboard.feed import BEAT_SECONDS, KEPT_BEATS, Feed
from consilia_dashboard.seen import MAX_ROUNDS, Seen


def record(number: int, run: int = 1, **fields: object) -> dict[str, object]:
    return {"run": run, "round": number, **fields}


def decode(message: bytes) -> dict[str, object]:
    return json.loads(message.decode().split("data: ", 1)[1])


def rounds_of(messages: list[bytes]) -> list[int]:
    return [each["round"] for message in messages for each in decode(message)["rounds"]]


def test_a_new_viewer_gets_everything_at_once() -> None:
    feed = Feed(Seen({}))
    with feed.change() as change:
        change.round(record(1))
        change.event(3, {"reason": "Started"})
    batch = feed.after("", 0)
    assert batch is not None
    update = decode(batch[1][0])
    assert update["reset"] is True
    assert update["rounds"] == [record(1)]
    assert update["events"] == [{"sequence": 3, "reason": "Started"}]


def test_a_viewer_that_has_everything_waits_and_gets_only_what_is_new() -> None:
    feed = Feed(Seen({}))
    last_id, _ = feed.after("", 0) or ("", [])
    assert feed.after(last_id, 0) == (last_id, [])
    with feed.change() as change:
        change.round(record(1))
    batch = feed.after(last_id, 5)
    assert batch is not None
    assert rounds_of(batch[1]) == [1]
    assert decode(batch[1][0])["reset"] is False


def test_a_waiting_viewer_is_woken_by_a_change() -> None:
    feed = Feed(Seen({}))
    last_id, _ = feed.after("", 0) or ("", [])
    got: list[object] = []
    viewer = threading.Thread(target=lambda: got.append(feed.after(last_id, 10)))
    viewer.start()
    with feed.change() as change:
        change.round(record(1))
    viewer.join(5)
    assert not viewer.is_alive()


def test_many_changes_are_few_beats_and_the_last_record_of_a_round_wins() -> None:
    feed = Feed(Seen({}))
    last_id, _ = feed.after("", 0) or ("", [])
    messages: list[bytes] = []
    began = time.monotonic()
    for number in range(1, 301):
        with feed.change() as change:
            change.round(record(number))
            change.round(record(number, seconds=number))
        last_id, fresh = feed.after(last_id, 0) or ("", [])
        messages += fresh
    last_id, fresh = feed.after(last_id, 2 * BEAT_SECONDS) or ("", [])
    messages += fresh
    assert sorted(set(rounds_of(messages))) == list(range(1, 301))
    assert len(messages) <= 2 + (time.monotonic() - began) / BEAT_SECONDS


def test_a_viewer_resumes_by_its_last_id() -> None:
    feed = Feed(Seen({}))
    first, _ = feed.after("", 0) or ("", [])
    last_id = first
    for number in (1, 2, 3):
        with feed.change() as change:
            change.round(record(number))
        last_id, _ = feed.after(last_id, 5) or ("", [])
    batch = feed.after(first, 0)
    assert batch is not None
    assert rounds_of(batch[1]) == [1, 2, 3]
    assert batch[0] == last_id


def test_a_viewer_of_another_feed_or_from_long_ago_gets_everything() -> None:
    feed = Feed(Seen({}))
    for last_id in ("cafe-3", "nonsense", "-", f"{feed.after('', 0)[0]}9"):  # type: ignore[index]
        batch = feed.after(last_id, 0)
        assert batch is not None
        assert decode(batch[1][0])["reset"] is True


def test_a_viewer_that_missed_more_than_is_kept_gets_everything() -> None:
    feed = Feed(Seen({}), beat_seconds=0.0)
    first, _ = feed.after("", 0) or ("", [])
    last_id = first
    for number in range(KEPT_BEATS + 2):
        with feed.change() as change:
            change.round(record(number))
        last_id, _ = feed.after(last_id, 5) or ("", [])
    batch = feed.after(first, 0)
    assert batch is not None
    assert decode(batch[1][0])["reset"] is True


def test_a_closed_feed_ends_its_viewers() -> None:
    feed = Feed(Seen({}))
    feed.close()
    assert feed.after("", 10) is None


def test_a_new_run_replaces_the_rounds_of_the_old_one_and_a_late_record_of_the_old_is_dropped() -> None:
    seen = Seen({})
    assert seen.take_round(record(9))
    assert seen.take_round(record(1, run=2))
    assert not seen.take_round(record(10))
    assert list(seen.rounds) == [1]


def test_the_memory_of_a_long_run_is_bounded_and_keeps_its_ends() -> None:
    seen = Seen({})
    for number in range(1, 10 * MAX_ROUNDS):
        seen.take_round(record(number))
    assert len(seen.rounds) <= MAX_ROUNDS
    assert {1, 10 * MAX_ROUNDS - 1} <= seen.rounds.keys()
