"""The coordinator's settings, from its environment."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from consilia import settings
from consilia.errors import InvalidSetting
from consilia.settings import Environment


@dataclass(frozen=True)
class Settings:
    """One attribute a setting, with the environment's name."""

    federation: str
    """CONSILIA_FEDERATION: namespace/name."""
    federation_uid: str
    """CONSILIA_FEDERATION_UID, default the federation's name: for whom tokens are, and what tells it from one made
    anew under the same name."""
    state: Path
    """CONSILIA_STATE: the folder of the journal and the blobs."""
    http_host: str
    """CONSILIA_HTTP_HOST, default 127.0.0.1."""
    http_port: int
    """CONSILIA_HTTP_PORT, default 8443."""
    certificate: Path
    """CONSILIA_TLS_CERTIFICATE: the server's certificate, a PEM file."""
    key: Path
    """CONSILIA_TLS_KEY: its private key, a PEM file."""
    public_key: Path
    """CONSILIA_TOKEN_PUBLIC_KEY: the PEM file with which tokens are verified."""
    min_agents: int | None
    """MIN_AGENTS: the quorum where the spec gives none."""

    @classmethod
    def of(cls, environment: Environment) -> "Settings":
        """Read the environment. Raises :class:`consilia.errors.InvalidSetting`."""
        settings.require_supported(environment)
        federation = settings.text(environment, "CONSILIA_FEDERATION")
        return cls(
            federation=federation,
            federation_uid=settings.text(environment, "CONSILIA_FEDERATION_UID", federation),
            state=settings.file(environment, "CONSILIA_STATE"),
            http_host=settings.text(environment, "CONSILIA_HTTP_HOST", "127.0.0.1"),
            http_port=settings.port(environment, "CONSILIA_HTTP_PORT", 8443),
            certificate=settings.file(environment, "CONSILIA_TLS_CERTIFICATE"),
            key=settings.file(environment, "CONSILIA_TLS_KEY"),
            public_key=settings.file(environment, "CONSILIA_TOKEN_PUBLIC_KEY"),
            min_agents=settings.min_agents(environment),
        )

    def tls_context(self) -> ssl.SSLContext:
        """The server's side of TLS. Raises :class:`InvalidSetting` for files that are no certificate and its key."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.certificate, self.key)
        except OSError as error:  # an SSLError is an OSError
            raise InvalidSetting(f"certificate {self.certificate} or key {self.key} cannot be used: {error}") from error
        return context

    def token_key(self) -> bytes:
        """The key with which tokens are verified. Raises :class:`InvalidSetting` where it cannot be read."""
        try:
            return self.public_key.read_bytes()
        except OSError as error:
            raise InvalidSetting(f"CONSILIA_TOKEN_PUBLIC_KEY {self.public_key} cannot be read: {error}") from error
