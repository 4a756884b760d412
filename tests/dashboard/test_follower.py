"""A federation is followed while somebody looks, through losses, and not a moment longer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from upstream import write_settings

from consilia.errors import Unavailable
from consilia_dashboard.coordinator import opener
from consilia_dashboard.feed import Feed
from consilia_dashboard.live import Live, TooManyViewers
from consilia_dashboard.seen import Seen
from consilia_dashboard.settings import Settings
from consilia_dashboard.store import Key, NoSuchFederation
from deadline import eventually

KEY = Key("default", "breast-cancer")


@pytest.fixture
def live(app: Flask, upstream, tmp_path: Path) -> Iterator[Live]:
    """What the application has, but that lets go of a federation soon."""
    settings = Settings.of(write_settings(upstream, tmp_path, 8081, "a-login-token-of-some-length"))
    stream_of = opener(settings.signing_key_file, settings.ca_file)
    made = Live(app.extensions["store"], stream_of, linger_seconds=0.2)
    yield made
    made.close()


@contextmanager
def watching(live: Live, upstream) -> Iterator[Feed]:
    with live.watch(KEY) as feed:
        eventually(lambda: upstream.streams == 1)
        yield feed


def read(feed: Feed, what) -> object:
    with feed.look() as seen:
        return what(seen)


def test_rounds_and_events_of_the_coordinator_arrive(live: Live, upstream) -> None:
    upstream.begin()
    with watching(live, upstream) as feed:
        upstream.commit()
        eventually(lambda: read(feed, lambda seen: 1 in seen.rounds and seen.rounds[1]["hospitals"]))
        assert read(feed, lambda seen: [e["reason"] for e in seen.events.values()]) == ["Started", "QuorumReached"]


def test_fifty_viewers_are_one_subscriber(live: Live, upstream) -> None:
    with watching(live, upstream), live.watch(KEY), live.watch(KEY):
        assert live.viewers == 3
        assert upstream.streams == 1
    assert live.viewers == 0


def test_nobody_looks_and_nothing_is_followed(live: Live, upstream) -> None:
    with watching(live, upstream):
        assert live.followed == [KEY]
    eventually(lambda: live.followed == [])
    eventually(lambda: upstream.streams == 0)


def test_a_page_change_keeps_the_follower(live: Live, upstream) -> None:
    with watching(live, upstream) as feed:
        pass
    with live.watch(KEY) as again:
        assert again is feed


def test_a_lost_coordinator_is_said_with_the_time_and_found_again(live: Live, upstream) -> None:
    upstream.begin()
    with watching(live, upstream) as feed:
        upstream.commit()
        eventually(lambda: read(feed, lambda seen: 1 in seen.rounds))
        upstream.hang_up()
        eventually(lambda: read(feed, lambda seen: seen.lost is not None))
        assert read(feed, lambda seen: 1 in seen.rounds)
        upstream.come_back()
        upstream.commit()
        eventually(lambda: read(feed, lambda seen: seen.lost is None and 2 in seen.rounds))
        assert read(feed, lambda seen: sorted(seen.rounds)) == [1, 2]
        assert read(feed, lambda seen: len(seen.events)) == 2


def test_a_coordinator_that_counts_anew_is_read_from_its_beginning(live: Live, upstream) -> None:
    upstream.begin()
    with watching(live, upstream) as feed:
        for _ in range(5):
            upstream.commit()
        eventually(lambda: read(feed, lambda seen: 5 in seen.rounds))
        upstream.hang_up()
        eventually(lambda: read(feed, lambda seen: seen.lost is not None))
        upstream.journal.clear()
        upstream.status["round"] = 0
        upstream.commit()
        upstream.come_back()
        eventually(lambda: read(feed, lambda seen: sorted(seen.rounds) == [1]))


def test_an_edit_by_somebody_else_shows(live: Live, upstream) -> None:
    with watching(live, upstream) as feed:
        upstream.spec["rounds"] = 77
        eventually(lambda: read(feed, lambda seen: seen.spec["rounds"] == 77))


def test_a_deleted_federation_is_said_and_its_successor_starts_empty(live: Live, upstream) -> None:
    upstream.begin()
    with watching(live, upstream) as feed:
        upstream.commit()
        eventually(lambda: read(feed, lambda seen: seen.rounds))
        upstream.present = False
        eventually(lambda: read(feed, lambda seen: seen.gone))
        upstream.uid, upstream.present = "uid-2", True
        upstream.journal.clear()
        eventually(lambda: read(feed, lambda seen: not seen.gone and not seen.rounds and not seen.events))


def test_an_api_that_goes_away_is_said_while_the_coordinator_s_facts_go_on(live: Live, upstream) -> None:
    with watching(live, upstream) as feed:
        upstream.api_token = "another"
        eventually(lambda: read(feed, lambda seen: seen.unreachable is not None))
        upstream.begin()
        eventually(lambda: read(feed, lambda seen: seen.current["phase"] == "Training"))
        upstream.api_token = "api-token-1"
        eventually(lambda: read(feed, lambda seen: seen.unreachable is None))


def test_an_edit_shows_to_every_viewer_without_waiting_for_the_next_look(live: Live, upstream) -> None:
    with watching(live, upstream) as feed:
        before = len(upstream.requests)
        live.note(KEY, upstream.patch({"suspend": True}))
        assert read(feed, lambda seen: seen.spec["suspend"]) is True
        assert len(upstream.requests) == before


def test_too_many_live_pages_are_refused_with_a_sentence(app: Flask) -> None:
    live = Live(app.extensions["store"], lambda _url, _after: (_ for _ in ()).throw(Unavailable("down")), max_viewers=1)
    with live.watch(KEY), pytest.raises(TooManyViewers, match="close one"), live.watch(KEY):
        pass
    live.close()


def test_a_federation_that_does_not_exist_cannot_be_watched(live: Live) -> None:
    with pytest.raises(NoSuchFederation), live.watch(Key("default", "none")):
        pass


def test_what_is_seen_without_a_follower_is_the_object_alone(live: Live, upstream) -> None:
    upstream.begin()
    seen = live.seen(KEY)
    assert isinstance(seen, Seen)
    assert seen.current["phase"] == "Training"
    assert upstream.streams == 0
