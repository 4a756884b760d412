"""Nobody gets in without the token, no other site presses a button, and pages cannot be framed or scripted."""

import pytest
from flask.testing import FlaskClient
from upstream import write_settings

from consilia_dashboard.app import create_app
from consilia_dashboard.settings import Settings

LOGIN_TOKEN = "a-login-token-of-some-length"
PAGES = ["/", "/agents", "/federations", "/federations/default/breast-cancer/events"]


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_sees_nothing_of_a_federation(stranger: FlaskClient, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status_code == 401
    assert "breast-cancer" not in answer.text


def test_the_login_page_says_where_the_token_is_printed(stranger: FlaskClient) -> None:
    assert "printed where the federation was started" in stranger.get("/").text


def test_the_link_lets_in_and_leaves_an_address_without_the_token(stranger: FlaskClient) -> None:
    answer = stranger.get(f"/agents?token={LOGIN_TOKEN}&federation=default/breast-cancer")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/agents?federation=default/breast-cancer")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert stranger.get("/agents").status_code == 200


def test_a_link_followed_from_another_site_gets_a_page_that_goes_on_for_the_cookie_is_strict(
    stranger: FlaskClient,
) -> None:
    answer = stranger.get(f"/?token={LOGIN_TOKEN}", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert 'content="0;url=/"' in answer.text
    assert LOGIN_TOKEN not in answer.text


def test_the_link_never_leads_to_another_host(stranger: FlaskClient) -> None:
    answer = stranger.get(f"//evil.example/?token={LOGIN_TOKEN}")
    assert not answer.headers.get("Location", "/").startswith("//")


@pytest.mark.parametrize("token", ["", "wrong", LOGIN_TOKEN + "x", "ü"])
def test_a_wrong_token_is_refused_with_a_sentence(stranger: FlaskClient, token: str) -> None:
    answer = stranger.get("/", query_string={"token": token})
    assert answer.status_code == 401
    assert "token is not the dashboard" in answer.text


def test_a_cookie_that_was_tampered_with_is_no_login(client: FlaskClient) -> None:
    cookie = client.get_cookie("consilia-8081")
    assert cookie is not None
    client.set_cookie("consilia-8081", cookie.value[:-2] + ("AA" if not cookie.value.endswith("AA") else "BB"))
    assert client.get("/").status_code == 401


def test_a_script_without_a_login_is_told_in_json(stranger: FlaskClient) -> None:
    answer = stranger.get("/federations", headers={"Accept": "application/json"})
    assert (answer.status_code, "logged out" in answer.get_json()["error"]) == (401, True)


@pytest.mark.parametrize("given", [{}, {"X-CSRF-Token": "wrong"}])
@pytest.mark.parametrize("action", ["start", "stop", "rounds"])
def test_a_button_pressed_by_another_site_does_nothing(
    client: FlaskClient, upstream, action: str, given: dict[str, str]
) -> None:
    answer = client.post(f"/federations/default/breast-cancer/{action}", data={"rounds": "20"}, headers=given)
    assert answer.status_code == 403
    assert upstream.patches == []


def test_the_probe_needs_no_login(stranger: FlaskClient) -> None:
    assert stranger.get("/healthz").status_code == 200


@pytest.mark.parametrize("host", ["localhost", "localhost:8081", "127.0.0.1:8081", "[::1]:8081", "LOCALHOST:8081"])
def test_loopback_answers_to_its_own_names(stranger: FlaskClient, host: str) -> None:
    assert stranger.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:8081", "127.0.0.1.evil.example", "evil@localhost"]
)
def test_a_name_rebound_to_loopback_is_refused_even_with_the_token(stranger: FlaskClient, host: str) -> None:
    answer = stranger.get(f"/?token={LOGIN_TOKEN}", headers={"Host": host})
    assert answer.status_code == 400
    assert "Set-Cookie" not in answer.headers


def test_a_dashboard_of_a_cluster_answers_to_any_name(upstream, tmp_path) -> None:
    settings = Settings.of({**write_settings(upstream, tmp_path, 8081, LOGIN_TOKEN), "CONSILIA_HTTP_HOST": "192.0.2.1"})
    client = create_app(settings).test_client()
    assert client.get("/healthz", headers={"Host": "consilia.example"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/static/css/page.css", "/nowhere", "/?token=wrong"])
def test_every_answer_carries_the_security_headers(client: FlaskClient, path: str) -> None:
    with client.get(path) as answer:
        headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_pages_are_not_stored(client: FlaskClient) -> None:
    assert client.get("/").headers["Cache-Control"] == "no-store"


def test_no_page_holds_inline_script_or_style(client: FlaskClient) -> None:
    for path in ("/", "/agents", "/nowhere"):
        page = client.get(path).text
        assert " style=" not in page
        assert "<style" not in page
        assert " onclick=" not in page
        assert page.count("<script") == page.count("<script type=")
