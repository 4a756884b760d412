"""The dashboard under gunicorn: fifty live pages at once, few messages each, and a quick end."""

import http.client
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from served_dashboard import EVENTS, Served, served
from upstream import Upstream

from consilia.server_sent import Message, Reader
from deadline import eventually

pytestmark = pytest.mark.real

VIEWERS = 50


@pytest.fixture
def dashboard(upstream: Upstream, tmp_path: Path) -> Iterator[Served]:
    with served(upstream, tmp_path) as running:
        yield running


def messages_until(answer: http.client.HTTPResponse, last_round: int) -> list[Message]:
    received = []
    reader = Reader()
    for message in filter(None, map(reader.take, iter(answer.readline, b""))):
        received.append(message)
        if any(record["round"] >= last_round for record in json.loads(message.data)["rounds"]):
            break
    return received


def test_fifty_viewers_get_every_round_in_at_most_ten_messages_a_second(dashboard: Served, upstream: Upstream) -> None:
    cookie = dashboard.log_in()
    upstream.begin()
    opened = time.monotonic()
    answers = [dashboard.get(EVENTS, timeout=60, Cookie=cookie) for _ in range(VIEWERS)]
    received: list[list[Message]] = [[] for _ in answers]

    def view(index: int) -> None:
        with answers[index] as answer:
            received[index] = messages_until(answer, 90)

    viewers = [threading.Thread(target=view, args=(index,)) for index in range(VIEWERS)]
    for viewer in viewers:
        viewer.start()
    eventually(lambda: upstream.streams == 1)
    began = time.monotonic()
    for number in range(1, 91):
        upstream.commit()
        # Thirty rounds a second, as a fast federation does.
        time.sleep(max(0.0, began + number / 30 - time.monotonic()))
    with dashboard.get("/", timeout=5, Cookie=cookie) as page:
        assert page.status == 200
    for viewer in viewers:
        viewer.join(30)
    took = time.monotonic() - opened
    assert upstream.streams == 1
    for each in received:
        rounds = {record["round"] for message in each for record in json.loads(message.data)["rounds"]}
        assert rounds == set(range(1, 91))
        assert len(each) <= 3 + took * 10


def test_a_page_that_comes_back_gets_only_what_it_missed(dashboard: Served, upstream: Upstream) -> None:
    cookie = dashboard.log_in()
    upstream.begin()
    upstream.commit()
    with dashboard.get(EVENTS, Cookie=cookie) as answer:
        last = messages_until(answer, 1)[-1]
    upstream.commit()
    with dashboard.get(EVENTS, Cookie=cookie, **{"Last-Event-ID": last.id}) as answer:
        again = messages_until(answer, 2)
    updates = [json.loads(message.data) for message in again]
    assert not any(update["reset"] for update in updates)
    assert {record["round"] for update in updates for record in update["rounds"]} <= {1, 2}


def test_a_browser_that_left_frees_its_place_and_then_the_coordinator(dashboard: Served, upstream: Upstream) -> None:
    cookie = dashboard.log_in()
    answer = dashboard.get(EVENTS, Cookie=cookie)
    eventually(lambda: upstream.streams == 1)
    answer.close()
    eventually(lambda: viewers(dashboard) == 0)
    eventually(lambda: upstream.streams == 0, within=20)


def test_it_ends_quickly_though_pages_are_open(dashboard: Served, upstream: Upstream) -> None:
    cookie = dashboard.log_in()
    answers = [dashboard.get(EVENTS, Cookie=cookie) for _ in range(5)]
    eventually(lambda: viewers(dashboard) == 5)
    began = time.monotonic()
    dashboard.process.terminate()
    assert dashboard.process.wait(15) == 0
    assert time.monotonic() - began < 3
    for answer in answers:
        answer.read()
        answer.close()


def test_a_killed_parent_takes_its_worker_along(dashboard: Served) -> None:
    children = Path(f"/proc/{dashboard.process.pid}/task/{dashboard.process.pid}/children").read_text().split()
    assert len(children) == 1
    dashboard.process.kill()
    dashboard.process.wait()
    eventually(lambda: not alive(int(children[0])))


def viewers(dashboard: Served) -> int:
    with dashboard.get("/healthz") as answer:
        return int(json.loads(answer.read())["viewers"])


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:1]
