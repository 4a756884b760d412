"""The coordinator's environment: read whole, or refused with one sentence before anything starts."""

from pathlib import Path

import pytest

from consilia.errors import InvalidSetting
from consilia_coordinator.settings import Settings

ENVIRONMENT = {
    "CONSILIA_FEDERATION": "consortium/breast-cancer",
    "CONSILIA_STATE": "/state",
    "CONSILIA_TLS_CERTIFICATE": "/tls/tls.crt",
    "CONSILIA_TLS_KEY": "/tls/tls.key",
    "CONSILIA_TOKEN_PUBLIC_KEY": "/token/public.pem",
}


def test_what_is_not_set_has_its_default() -> None:
    settings = Settings.of(ENVIRONMENT)
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8443)
    assert settings.federation_uid == settings.federation == "consortium/breast-cancer"
    assert settings.min_agents is None
    assert settings.state == Path("/state")


def test_what_is_set_is_taken() -> None:
    more = {"CONSILIA_HTTP_PORT": "9443", "CONSILIA_HTTP_HOST": "::", "MIN_AGENTS": "3", "CONSILIA_FEDERATION_UID": "u"}
    settings = Settings.of(ENVIRONMENT | more)
    assert (settings.http_host, settings.http_port, settings.min_agents) == ("::", 9443, 3)
    assert settings.federation_uid == "u"


@pytest.mark.parametrize("name", sorted(ENVIRONMENT))
def test_a_setting_that_is_missing_is_asked_for_by_name(name: str) -> None:
    with pytest.raises(InvalidSetting, match=f"{name} is not set: this process needs it"):
        Settings.of({key: value for key, value in ENVIRONMENT.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [("CONSILIA_HTTP_PORT", "https"), ("MIN_AGENTS", "-1"), ("DP_EPSILON", "-1"), ("USE_SPARK", "perhaps")],
)
def test_a_wrong_value_is_refused_with_its_name(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=name):
        Settings.of(ENVIRONMENT | {name: value})
