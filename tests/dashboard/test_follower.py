"""A federation is followed while somebody looks, through losses, and not a moment longer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from upstream import write_settings

from consilia.errors import Unavailable
from consilia_dashboard.coordinator import opener
from consilia_dashboard.feed import Feed
from consilia_dashboard.live import Live, TooManyViewers
from consilia_dashboard.seen import Seen
from consilia_dashboard.settings import Settings
from consilia_dashboard.store import Key, Look, NoSuchFederation
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


def test_a_quiet_federation_is_one_watch_however_many_look(live: Live, upstream) -> None:
    with watching(live, upstream):
        eventually(lambda: upstream.api.watches == 1)
        before = len(upstream.requests)
        with live.watch(KEY), live.watch(KEY):
            upstream.spec["rounds"] = 33
            eventually(lambda: live.seen(KEY).spec["rounds"] == 33)
        assert [r for r in upstream.requests[before:] if not r.endswith("/breast-cancer")] == []
    eventually(lambda: upstream.api.watches == 0)


def test_a_watch_whose_version_is_forgotten_begins_again_without_a_word(live: Live, upstream) -> None:
    with watching(live, upstream) as feed:
        eventually(lambda: upstream.api.watches == 1)
        upstream.api.compact()
        upstream.spec["rounds"] = 34
        eventually(lambda: read(feed, lambda seen: seen.spec["rounds"] == 34))
        assert read(feed, lambda seen: seen.unreachable) is None


class Scripted:
    """A store whose watch tells these changes; ``taken`` once the page has them all."""

    def __init__(self, *looks: Look) -> None:
        self._looks = looks
        self.taken = threading.Event()

    def get(self, _key: Key) -> dict[str, Any]:
        return version(10, rounds=10)

    def watch(self, _key: Key, _version: str) -> "Scripted":
        return self

    def looks(self) -> Iterator[Look]:
        yield from self._looks
        self.taken.set()

    def close(self) -> None:
        pass


def version(number: int, **spec: Any) -> dict[str, Any]:
    metadata = {"namespace": "default", "name": "breast-cancer", "uid": "uid-1", "resourceVersion": str(number)}
    return {"metadata": metadata, "spec": spec}


@pytest.mark.parametrize(("number", "shown"), [pytest.param(11, 12, id="older"), pytest.param(13, 99, id="newer")])
def test_a_change_that_an_edit_from_here_has_overtaken_is_not_shown(number: int, shown: int) -> None:
    store = Scripted(Look(version(12, rounds=12), "12"), Look(version(number, rounds=99), str(number)))
    live = Live(store, lambda _address, _after: (_ for _ in ()).throw(Unavailable("down")))  # type: ignore[arg-type]
    with live.watch(KEY) as feed:
        assert store.taken.wait(10)
        assert read(feed, lambda seen: seen.spec["rounds"]) == shown
    live.close()


def test_a_watch_that_is_forbidden_is_said_with_the_apis_sentence(live: Live, upstream) -> None:
    upstream.api.forbidden.add("watch")
    with live.watch(KEY) as feed:
        eventually(lambda: read(feed, lambda seen: seen.unreachable is not None))
        assert "cannot watch resource" in read(feed, lambda seen: seen.unreachable.reason)


def test_an_address_that_is_not_the_federations_own_is_never_asked(live: Live, upstream) -> None:
    upstream.endpoints = {"authority": "PEM", "coordinator": "https://evil.example"}
    with live.watch(KEY) as feed:
        eventually(lambda: read(feed, lambda seen: seen.lost is not None))
        assert "no token is sent there" in read(feed, lambda seen: seen.lost.reason)
