"""The dashboard's settings, from its environment."""

from dataclasses import dataclass
from pathlib import Path

from consilia import settings
from consilia.errors import InvalidSetting
from consilia.settings import Environment
from consilia.wording import counted

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Settings:
    """One attribute a setting, with the environment's name."""

    api_url: str
    """CONSILIA_API_URL: where the federations are kept (``consilia run``, or a Kubernetes API server)."""
    api_token_file: Path
    """CONSILIA_API_TOKEN_FILE: the bearer token for it; read again at each use, because Kubernetes rotates it."""
    signing_key_file: Path
    """CONSILIA_SIGNING_KEY_FILE: Ed25519 private key (PEM) that signs viewer tokens for coordinators."""
    login_token: str
    """CONSILIA_LOGIN_TOKEN_FILE: holds what ``/?token=`` must carry."""
    ca_file: Path | None = None
    """CONSILIA_CA_FILE: the authority of a coordinator whose federation's status names none: that of one machine."""
    api_ca_file: Path | None = None
    """CONSILIA_API_CA_FILE: the authority of the API server's certificate; None trusts the system's."""
    host: str = "127.0.0.1"
    """CONSILIA_HTTP_HOST."""
    port: int = 8081
    """CONSILIA_HTTP_PORT."""

    @classmethod
    def of(cls, environment: Environment) -> "Settings":
        """Read the environment. Raises :class:`consilia.errors.InvalidSetting`, also for a file that is not there."""
        made = cls(
            api_url=settings.url(environment, "CONSILIA_API_URL"),
            api_token_file=settings.file(environment, "CONSILIA_API_TOKEN_FILE"),
            signing_key_file=settings.file(environment, "CONSILIA_SIGNING_KEY_FILE"),
            login_token=_login_token(settings.file(environment, "CONSILIA_LOGIN_TOKEN_FILE")),
            ca_file=settings.optional_file(environment, "CONSILIA_CA_FILE"),
            api_ca_file=settings.optional_file(environment, "CONSILIA_API_CA_FILE"),
            host=settings.text(environment, "CONSILIA_HTTP_HOST", "127.0.0.1"),
            port=settings.port(environment, "CONSILIA_HTTP_PORT", 8081),
        )
        _require_there("CONSILIA_API_TOKEN_FILE", made.api_token_file)
        _require_there("CONSILIA_SIGNING_KEY_FILE", made.signing_key_file)
        _require_there("CONSILIA_CA_FILE", made.ca_file)
        _require_there("CONSILIA_API_CA_FILE", made.api_ca_file)
        return made

    @property
    def trusted_hosts(self) -> frozenset[str] | None:
        """Names that a Host header may carry; None: any (not on loopback, so DNS rebinding gains nothing)."""
        return LOOPBACK_NAMES if _bracketed(self.host) in LOOPBACK_NAMES else None


def _login_token(path: Path) -> str:
    _require_there("CONSILIA_LOGIN_TOKEN_FILE", path)
    token = path.read_text().strip()
    if len(token) < SHORTEST_TOKEN:
        raise InvalidSetting(
            f"CONSILIA_LOGIN_TOKEN_FILE {path} holds {counted(len(token), 'character')}: "
            f"write at least {SHORTEST_TOKEN}"
        )
    return token


def _require_there(name: str, path: Path | None) -> None:
    """A page that fails at its first look at a federation says less than a process that does not start."""
    if path is not None and not path.is_file():
        raise InvalidSetting(f'{name} is "{path}": set it to a file that exists')


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
