"""The federations' API as Kubernetes serves it: names, looks, watches, and refusals in its own words."""

import time
from pathlib import Path
from typing import Any

import pytest
from fake_kubernetes import FakeKubernetes
from upstream import Upstream, write_settings

from consilia.errors import Unavailable
from consilia_dashboard.chooser import Chooser
from consilia_dashboard.settings import Settings
from consilia_dashboard.store import ApiRefused, ApiStore, Key, VersionGone
from deadline import eventually

KEY = Key("default", "breast-cancer")


@pytest.fixture
def store(upstream: Upstream, tmp_path: Path) -> ApiStore:
    settings = Settings.of(write_settings(upstream, tmp_path, 8081, "a-login-token-of-some-length"))
    return ApiStore(settings.api_url, settings.api_token_file, settings.api_ca_file)


@pytest.fixture
def api(upstream: Upstream) -> FakeKubernetes:
    upstream.sync(at_once=True)
    return upstream.api


def other(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name, "uid": f"uid-{name}"}, "spec": spec}


def test_the_names_of_all_namespaces_come_in_order_and_without_what_they_say(
    store: ApiStore, api: FakeKubernetes, upstream: Upstream
) -> None:
    api.put(other("oncology", "trial"))
    api.put(other("cardiology", "trial"))
    assert [str(key) for key in store.names()] == ["cardiology/trial", "default/breast-cancer", "oncology/trial"]
    assert upstream.requests == ["GET /apis/consilia.health/v1alpha1/federations"]


def test_a_look_is_where_a_watch_begins_and_a_watch_tells_of_that_federation_alone(
    store: ApiStore, api: FakeKubernetes, upstream: Upstream
) -> None:
    look = store.look(KEY)
    assert look.federation is not None
    watch = store.watch(KEY, look.version)
    looks = watch.looks()
    api.put(other("default", "another"))
    upstream.spec["rounds"] = 77
    changed = next(looks)
    assert changed.federation is not None
    assert changed.federation["spec"]["rounds"] == 77
    assert int(changed.version) > int(look.version)
    upstream.present = False
    assert next(looks).federation is None
    watch.close()


def test_what_happened_before_the_watch_was_open_is_told(
    store: ApiStore, api: FakeKubernetes, upstream: Upstream
) -> None:
    version = store.look(KEY).version
    upstream.spec["rounds"] = 78
    upstream.sync(at_once=True)
    watch = store.watch(KEY, version)
    assert next(watch.looks()).federation["spec"]["rounds"] == 78  # type: ignore[index]
    watch.close()


def test_a_look_at_nothing_can_be_watched_until_there_is_something(
    store: ApiStore, api: FakeKubernetes, upstream: Upstream
) -> None:
    look = store.look(Key("oncology", "trial"))
    assert look.federation is None
    watch = store.watch(Key("oncology", "trial"), look.version)
    api.put(other("oncology", "trial"))
    assert next(watch.looks()).federation is not None
    watch.close()


def test_a_version_that_the_api_has_forgotten_is_told_apart(store: ApiStore, api: FakeKubernetes) -> None:
    version = store.look(KEY).version
    api.put(other("default", "another"))
    api.compact()
    with pytest.raises(VersionGone, match="too old"):
        next(store.watch(KEY, version).looks())


def test_bookmarks_are_no_changes(store: ApiStore, api: FakeKubernetes, upstream: Upstream) -> None:
    api.bookmark_seconds = 0.0
    watch = store.watch(KEY, store.look(KEY).version)
    looks = watch.looks()
    upstream.spec["rounds"] = 79
    assert next(looks).federation["spec"]["rounds"] == 79  # type: ignore[index]
    watch.close()


def test_a_watch_ends_at_once_when_it_is_closed(store: ApiStore, api: FakeKubernetes) -> None:
    watch = store.watch(KEY, store.look(KEY).version)
    eventually(lambda: api.watches == 1)
    watch.close()
    began = time.monotonic()
    with pytest.raises((Unavailable, StopIteration)):
        next(watch.looks())
    assert time.monotonic() - began < 5
    eventually(lambda: api.watches == 0)


@pytest.mark.parametrize(
    ("verb", "ask"),
    [
        pytest.param("list", lambda store: store.names(), id="all"),
        pytest.param("get", lambda store: store.get(KEY), id="one"),
        pytest.param("watch", lambda store: store.watch(KEY, "1"), id="watch"),
        pytest.param("patch", lambda store: store.patch(KEY, {"suspend": True}), id="edit"),
    ],
)
def test_what_the_role_does_not_allow_is_told_in_the_apis_words_with_the_remedy(
    store: ApiStore, api: FakeKubernetes, verb: str, ask: Any
) -> None:
    api.forbidden.add(verb)
    with pytest.raises(
        ApiRefused, match=f'cannot {verb} resource "federations".*ClusterRole consilia-dashboard has what'
    ):
        ask(store)


def test_a_cluster_without_the_definitions_is_asked_again_and_says_what_is_missing(
    store: ApiStore, upstream: Upstream
) -> None:
    unknown = ApiStore(f"{upstream.url}/elsewhere", store._token_file, store._ca_file)
    with pytest.raises(Unavailable, match=r"are the definitions of consilia.health in this cluster\?"):
        unknown.names()


class Counting:
    """A store that counts how often it is asked for the names."""

    asked = 0

    def names(self) -> list[Key]:
        self.asked += 1
        return [KEY]


def test_however_many_look_the_names_are_asked_for_once_a_second() -> None:
    store, time_now = Counting(), [100.0]
    chooser = Chooser(store, lambda: time_now[0])  # type: ignore[arg-type]
    assert [chooser.federations() for _ in range(50)] == [[KEY]] * 50
    assert store.asked == 1
    time_now[0] += 1.0
    chooser.federations()
    assert store.asked == 2
