"""A wrong setting is one sentence that names the variable, and exit code 2."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from upstream import Upstream, write_settings

from consilia.errors import InvalidSetting
from consilia_dashboard.settings import Settings

TOKEN = "a-login-token-of-some-length"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONSILIA_API_URL", ""),
        ("CONSILIA_API_URL", "localhost:8080"),
        ("CONSILIA_API_URL", "file:///etc/passwd"),
        ("CONSILIA_API_TOKEN_FILE", "/nowhere/token"),
        ("CONSILIA_SIGNING_KEY_FILE", ""),
        ("CONSILIA_CA_FILE", "/nowhere/ca.crt"),
        ("CONSILIA_HTTP_PORT", "0"),
        ("CONSILIA_HTTP_PORT", "eighty"),
        ("CONSILIA_HTTP_PORT", "70000"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(upstream: Upstream, tmp_path: Path, name: str, value: str) -> None:
    environment = {**write_settings(upstream, tmp_path, 8081, TOKEN), name: value}
    with pytest.raises(InvalidSetting, match=name) as refused:
        Settings.of(environment)
    assert value in str(refused.value)


def test_a_short_login_token_is_refused_without_being_shown(upstream: Upstream, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="at least 16") as refused:
        Settings.of(write_settings(upstream, tmp_path, 8081, "hunter2"))
    assert "hunter2" not in str(refused.value)


def test_a_taken_port_is_one_sentence_and_exit_code_2(upstream: Upstream, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environment = {**os.environ, **write_settings(upstream, tmp_path, taken.getsockname()[1], TOKEN)}
        ended = subprocess.run(
            [sys.executable, "-m", "consilia_dashboard"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert ended.returncode == 2
    assert "CONSILIA_HTTP_PORT" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
