"""Environment settings: each wrong value is one sentence that names the variable."""

from pathlib import Path

import pytest

from consilia import settings
from consilia.errors import InvalidSetting


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        pytest.param({"DP_EPSILON": "-1"}, "DP_EPSILON is -1; it must be 0 or more", id="epsilon negative"),
        pytest.param({"DP_EPSILON": "nan"}, "DP_EPSILON is nan; it must be 0 or more", id="epsilon NaN"),
        pytest.param({"DP_EPSILON": "inf"}, "DP_EPSILON is inf; it must be 0 or more", id="epsilon infinite"),
        pytest.param({"DP_EPSILON": "off"}, 'DP_EPSILON is "off"; it must be a number', id="epsilon as a word"),
        pytest.param({"DP_CLIP_NORM": "0"}, "DP_CLIP_NORM is 0; it must be above 0", id="clip norm zero"),
        pytest.param({"DP_CLIP_NORM": "2e6"}, "DP_CLIP_NORM is 2e+06; it must be above 0 and at", id="clip norm huge"),
        pytest.param({"DP_CLIP_NORM": "-2"}, "DP_CLIP_NORM is -2; it must be 0 or more", id="clip norm negative"),
        pytest.param({"USE_SPARK": "perhaps"}, 'USE_SPARK is "perhaps"; it must be true or false', id="spark unclear"),
    ],
)
def test_what_this_version_cannot_do_is_refused_before_anything_starts(
    environment: dict[str, str], sentence: str
) -> None:
    with pytest.raises(InvalidSetting) as caught:
        settings.require_supported(environment)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({}, id="nothing set"),
        pytest.param({"DP_EPSILON": "0", "DP_CLIP_NORM": "1.0", "USE_SPARK": "false"}, id="the defaults, spelt out"),
        pytest.param({"DP_EPSILON": "0.0", "USE_SPARK": "No"}, id="other spellings"),
        pytest.param({"USE_SPARK": "true"}, id="spark"),
        pytest.param({"DP_EPSILON": "1.0", "DP_CLIP_NORM": "0.5"}, id="a cap and a clip norm"),
        pytest.param({"DP_EPSILON": "", "DP_CLIP_NORM": "", "USE_SPARK": ""}, id="empty, which is not set"),
    ],
)
def test_what_this_version_can_do_passes(environment: dict[str, str]) -> None:
    settings.require_supported(environment)


@pytest.mark.parametrize(
    ("environment", "cap", "clip_norm"),
    [
        pytest.param({}, 0.0, None, id="nothing set"),
        pytest.param({"DP_EPSILON": "", "DP_CLIP_NORM": ""}, 0.0, None, id="empty"),
        pytest.param({"DP_EPSILON": "0", "DP_CLIP_NORM": "0.5"}, 0.0, 0.5, id="0 is no cap"),
        pytest.param({"DP_EPSILON": "1e-9"}, 1e-9, None, id="the smallest cap"),
    ],
)
def test_what_privacy_the_environment_asks_for(
    environment: dict[str, str], cap: float, clip_norm: float | None
) -> None:
    assert settings.epsilon_cap(environment) == cap
    assert settings.clip_norm(environment) == clip_norm


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        pytest.param("0", "MIN_AGENTS is 0; it must be from 1 to 500", id="zero"),
        pytest.param("-3", "MIN_AGENTS is -3; it must be from 1 to 500", id="negative"),
        pytest.param("501", "MIN_AGENTS is 501", id="too many"),
        pytest.param("2.5", 'MIN_AGENTS is "2.5"; it must be a whole number', id="half a hospital"),
        pytest.param("1_0", 'MIN_AGENTS is "1_0"; it must be a whole number', id="as Python writes it"),
        pytest.param(" 3", 'MIN_AGENTS is " 3"; it must be a whole number', id="a space"),
        pytest.param("3\n", "it must be a whole number", id="a line's end"),
        pytest.param("٣", 'MIN_AGENTS is "٣"; it must be a whole number', id="digits of another script"),
        pytest.param("9" * 5000, "it must be a whole number from 1 to 500", id="5000 digits"),
    ],
)
def test_a_wrong_quorum_is_refused(value: str, sentence: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        settings.min_agents({"MIN_AGENTS": value})
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "expected"), [({}, None), ({"MIN_AGENTS": ""}, None), ({"MIN_AGENTS": "3"}, 3)]
)
def test_the_quorum_is_left_to_the_spec_unless_it_is_set(environment: dict[str, str], expected: int | None) -> None:
    assert settings.min_agents(environment) == expected


@pytest.mark.parametrize(("value", "number"), [("3", 3), ("+3", 3), ("003", 3)])
def test_a_whole_number_is_read_as_people_write_it(value: str, number: int) -> None:
    assert settings.min_agents({"MIN_AGENTS": value}) == number


@pytest.mark.parametrize("value", ["0", "65536", "-1", "http"])
def test_a_number_that_is_no_port_is_refused(value: str) -> None:
    with pytest.raises(InvalidSetting, match="XMPP_PORT"):
        settings.port({"XMPP_PORT": value}, "XMPP_PORT", 5222)


def test_a_port_that_is_not_set_has_its_default() -> None:
    assert settings.port({}, "XMPP_PORT", 5222) == 5222


@pytest.mark.parametrize("environment", [{}, {"CONSILIA_STATE": ""}], ids=["absent", "empty"])
def test_a_setting_without_a_default_is_asked_for_by_name(environment: dict[str, str]) -> None:
    with pytest.raises(InvalidSetting, match="CONSILIA_STATE is not set: this process needs it"):
        settings.text(environment, "CONSILIA_STATE")


def test_a_file_is_a_path_that_nobody_has_looked_at() -> None:
    assert settings.file({"CONSILIA_CA_FILE": "/nowhere/ca.crt"}, "CONSILIA_CA_FILE") == Path("/nowhere/ca.crt")


@pytest.mark.parametrize("environment", [{}, {"CONSILIA_CA_FILE": ""}], ids=["absent", "empty"])
def test_a_file_that_is_not_set_is_none_where_it_may_be(environment: dict[str, str]) -> None:
    assert settings.optional_file(environment, "CONSILIA_CA_FILE") is None
    with pytest.raises(InvalidSetting, match="CONSILIA_CA_FILE is not set"):
        settings.file(environment, "CONSILIA_CA_FILE")


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("https://coordinator:8443/", "https://coordinator:8443"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://[::1]:8443", "https://[::1]:8443"),
        ("https://host/base/", "https://host/base"),
    ],
)
def test_an_address_loses_the_slash_at_its_end(value: str, address: str) -> None:
    assert settings.url({"CONSILIA_API_URL": value}, "CONSILIA_API_URL") == address


@pytest.mark.parametrize(
    "value", ["localhost:8080", "file:///etc/passwd", "https://", "https://host:port", "https://host:0", "http://[::1"]
)
def test_what_is_no_web_address_is_refused_with_its_value(value: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        settings.url({"CONSILIA_API_URL": value}, "CONSILIA_API_URL")
    assert f'CONSILIA_API_URL is "{value}"; it must be an address such as' in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", True), ("TRUE", True), ("1", True), ("yes", True), ("false", False), ("0", False), ("no", False)],
)
def test_a_flag_is_read_in_every_usual_spelling(value: str, expected: bool) -> None:
    assert settings.flag({"USE_SPARK": value}, "USE_SPARK") is expected
