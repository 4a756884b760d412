"""What the dashboard's process is told, all of it by its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from consilia.errors import InvalidSetting

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True)
class Settings:
    """The settings of one dashboard.

    api_url: where the federations are kept (``consilia run``, or a Kubernetes API server).
    api_token_file: the bearer token for it; read again at each use, because Kubernetes rotates it.
    signing_key_file: Ed25519 private key (PEM) that signs viewer tokens for coordinators.
    ca_file: the authority of the coordinators' certificates; None trusts the system's.
    api_ca_file: the authority of the API server's certificate; None trusts the system's.
    login_token: what ``/?token=`` must carry.
    """

    api_url: str
    api_token_file: Path
    signing_key_file: Path
    login_token: str
    ca_file: Path | None = None
    api_ca_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8081

    @property
    def trusted_hosts(self) -> frozenset[str] | None:
        """Names that a Host header may carry; None: any (not on loopback, so DNS rebinding gains nothing)."""
        return LOOPBACK_NAMES if _bracketed(self.host) in LOOPBACK_NAMES else None


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; raise :class:`InvalidSetting` naming the variable, its value and what to do."""
    return Settings(
        api_url=_url(environment, "CONSILIA_API_URL"),
        api_token_file=_file(environment, "CONSILIA_API_TOKEN_FILE"),
        signing_key_file=_file(environment, "CONSILIA_SIGNING_KEY_FILE"),
        login_token=_secret(_file(environment, "CONSILIA_LOGIN_TOKEN_FILE")),
        ca_file=_file(environment, "CONSILIA_CA_FILE") if environment.get("CONSILIA_CA_FILE") else None,
        api_ca_file=_file(environment, "CONSILIA_API_CA_FILE") if environment.get("CONSILIA_API_CA_FILE") else None,
        host=environment.get("CONSILIA_HTTP_HOST", "127.0.0.1"),
        port=_port(environment, "CONSILIA_HTTP_PORT", 8081),
    )


def _url(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidSetting(f'{name} is "{value}": set it to the http(s) address of the federations\' API')
    return value.rstrip("/")


def _file(environment: Mapping[str, str], name: str) -> Path:
    path = Path(environment.get(name, ""))
    if not path.is_file():
        raise InvalidSetting(f'{name} is "{environment.get(name, "")}": set it to a file that exists')
    return path


def _secret(path: Path) -> str:
    token = path.read_text().strip()
    if len(token) < 16:
        raise InvalidSetting(f"CONSILIA_LOGIN_TOKEN_FILE {path} holds {len(token)} characters: write at least 16")
    return token


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name, str(default))
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 65535:
        raise InvalidSetting(f'{name} is "{value}": set it to a port between 1 and 65535')
    return int(value)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
