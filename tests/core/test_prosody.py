"""The configuration says what it must, whatever the paths look like. `test_real_brokers.py` runs it."""

import pytest

from consilia.prosody import ACCOUNTS_MODULE, ACCOUNTS_MODULE_FILE, ProsodySettings, render_prosody


def settings(**changes: object) -> ProsodySettings:
    given = {
        "domain": "broker.consortium.svc",
        "port": 5222,
        "interfaces": ["*", "::"],
        "accounts": "/broker/accounts",
        "certificate": "/tls/tls.crt",
        "key": "/tls/tls.key",
        "modules": "/broker/modules",
        "state": "/state",
    }
    return ProsodySettings(**{**given, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "line",
    [
        'interfaces = { "*", "::" }',
        "c2s_ports = { 5222 }",
        "c2s_require_encryption = true",
        "allow_registration = false",
        'modules_disabled = { "offline", "s2s", "s2s_auth_certs" }',
        'storage = "none"',
        'accounts_folder = "/broker/accounts"',
        "c2s_stanza_size_limit = 1048576",
        'VirtualHost "broker.consortium.svc"',
    ],
)
def test_the_configuration_says(line: str) -> None:
    assert line in render_prosody(settings()).splitlines()


def test_no_mechanism_sees_a_password() -> None:
    disabled = next(line for line in render_prosody(settings()).splitlines() if line.startswith("disable_sasl"))
    assert all(f'"{name}"' in disabled for name in ("PLAIN", "LOGIN", "OAUTHBEARER", "ANONYMOUS"))


def test_a_path_cannot_leave_its_string() -> None:
    text = render_prosody(settings(accounts='/odd "folder"\\name'))
    assert 'accounts_folder = "/odd \\"folder\\"\\\\name"' in text


def test_the_module_is_named_as_the_configuration_asks() -> None:
    assert 'authentication = "folder"' in render_prosody(settings())
    assert ACCOUNTS_MODULE_FILE == "mod_auth_folder.lua"
    assert 'module:provides("auth", provider)' in ACCOUNTS_MODULE
