"""What is watched: every kind that is made, narrowed by the server, and started again when it ends."""

import asyncio
import threading
from pathlib import Path

import kopf
import pytest
import yaml

from consilia_operator import watches
from consilia_operator.cluster import KINDS
from consilia_operator.counts import Counts
from consilia_operator.resources.everything import OWN_KINDS
from consilia_operator.watches import WATCHED, Watches, labels_of
from deadline import until


def test_every_kind_that_is_made_is_watched_by_the_name_that_the_client_knows() -> None:
    assert set(OWN_KINDS) - {"Certificate"} <= set(WATCHED)
    for kind, (group, version, _) in WATCHED.items():
        assert KINDS[kind] == (f"{group}/{version}" if group else version)


def test_what_others_made_is_left_out_by_the_server() -> None:
    settings = watches._settings()
    for kind, (group, version, plural) in WATCHED.items():
        labels = labels_of(kind)
        resource = kopf.Resource(group, version, plural, kind=kind, singular=plural[:-1])
        selected = list(settings.watching.label_selectors.collect(resource))
        assert selected == ([",".join(f"{k}={v}" for k, v in labels.items())] if labels else [])


async def test_kopf_writes_nothing_and_looks_for_nothing_else() -> None:
    settings = watches._settings()
    assert settings.scanning.disabled
    assert not settings.posting.enabled
    registry = Watches(lambda _gone, _manifest: None, lambda: None, Counts())._registry(asyncio.get_running_loop())
    assert not registry._changing.get_all_handlers(), "a change handler would keep the spec in an annotation"
    assert not registry._spawning.get_all_handlers(), "a daemon would add a finalizer"


async def test_watches_that_end_are_started_again_and_what_was_missed_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    began: list[threading.Event] = []
    again: list[bool] = []

    def watch(_registry: kopf.OperatorRegistry, stop: threading.Event) -> None:
        began.append(stop)
        if len(began) == 1:
            raise RuntimeError("a watch that cannot go on")
        stop.wait(10)

    monkeypatch.setattr(watches, "_watch", watch)
    monkeypatch.setattr(watches, "FIRST_PAUSE", 0.0)
    counts = Counts()
    running = asyncio.create_task(Watches(lambda _gone, _manifest: None, lambda: again.append(True), counts).run())
    await until(lambda: len(began) == 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (again, counts.total("faults"), began[1].is_set()) == ([True], 1, True)
    assert any(record.exc_info for record in caplog.records)


def test_the_chart_lets_the_operator_watch_all_of_it() -> None:
    text = (Path(__file__).parents[2] / "charts/consilia/templates/operator-rbac.yaml").read_text()
    # Without the parts that are there by value: what is watched always may be.
    plain = "\n".join(line for line in text.split("\n---\n")[0].splitlines() if "{{" not in line)
    rules = yaml.safe_load(plain)["rules"]

    def may(group: str, plural: str, verb: str) -> bool:
        return any(group in r["apiGroups"] and plural in r["resources"] and verb in r["verbs"] for r in rules)

    for group, _, plural in WATCHED.values():
        assert may(group, plural, "list"), plural
        assert may(group, plural, "watch"), plural
    assert may("", "events", "list")
