"""Fixtures of the dashboard's tests: a fake upstream, an application before it, a client that is logged in."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

sys.path.insert(0, str(Path(__file__).parent))  # for what is no test

from served_dashboard import Served, served
from upstream import Upstream, write_settings

from chromium import Page, chromium
from consilia_dashboard.app import create_app
from consilia_dashboard.settings import Settings

LOGIN_TOKEN = "a-login-token-of-some-length"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    served = Upstream()
    yield served
    served.close()


@pytest.fixture
def app(upstream: Upstream, tmp_path: Path) -> Iterator[Flask]:
    made = create_app(Settings.of(write_settings(upstream, tmp_path, 8081, LOGIN_TOKEN)))
    yield made
    made.extensions["live"].close()


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    entered = app.test_client()
    assert entered.get(f"/?token={LOGIN_TOKEN}").status_code == 303
    return entered


@pytest.fixture
def csrf(client: FlaskClient) -> str:
    match = re.search(r'data-csrf="([^"]+)"', client.get("/").text)
    assert match is not None
    return match[1]


@pytest.fixture
def post(client: FlaskClient, csrf: str) -> Callable[..., tuple[int, dict[str, str]]]:
    """Press a button of the page: (status, answer)."""

    def press(action: str, **fields: str) -> tuple[int, dict[str, str]]:
        answer = client.post(
            f"/federations/default/breast-cancer/{action}", data=fields, headers={"X-CSRF-Token": csrf}
        )
        return answer.status_code, answer.get_json()

    return press


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.fixture
def dashboard(upstream: Upstream, tmp_path: Path) -> Iterator[Served]:
    with served(upstream, tmp_path) as running:
        yield running


@pytest.fixture
def page(browser: Page, dashboard: Served) -> Iterator[Page]:
    """The overview, logged in; a page that complains or asks another host fails its test."""
    browser.resize(1280)
    browser.prefer(color_scheme="light")
    browser.complaints()
    browser.requests()
    browser.open(dashboard.entrance)
    yield browser
    complaints, requests = browser.complaints(), browser.requests()
    browser.open("about:blank")
    assert complaints == []
    assert {urlsplit(url).netloc for url in requests if not url.startswith("data:")} == {f"localhost:{dashboard.port}"}
