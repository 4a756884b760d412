"""What one account needs to reach its broker. Files are read at each login, so a rotated secret is picked up."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from consilia import settings
from consilia.errors import InvalidSetting
from consilia.settings import Environment


@dataclass(frozen=True)
class BusSettings:
    """One account at one broker."""

    account: str
    """CONSILIA_ACCOUNT: the JID's local part, ``coordinator`` or the hospital's name."""
    domain: str
    """XMPP_SERVER, default localhost: the JID's domain, and the host whose certificate must carry this name."""
    password_file: Path
    """CONSILIA_PASSWORD_FILE: the account's password."""
    ca_file: Path
    """CONSILIA_CA_FILE: PEM of the federation's authority, the only one that is trusted."""
    port: int = 5222
    """XMPP_PORT."""
    login_seconds: float = 10.0
    """How long connecting, TLS and login may take together."""
    ping_seconds: float = 5.0
    """A silent broker is pinged this often, and given up when it does not answer for as long again."""

    @classmethod
    def of(cls, environment: Environment) -> "BusSettings":
        """Read the environment. Raises :class:`consilia.errors.InvalidSetting`."""
        return cls(
            account=settings.text(environment, "CONSILIA_ACCOUNT"),
            domain=settings.text(environment, "XMPP_SERVER", "localhost"),
            password_file=settings.file(environment, "CONSILIA_PASSWORD_FILE"),
            ca_file=settings.file(environment, "CONSILIA_CA_FILE"),
            port=settings.port(environment, "XMPP_PORT", 5222),
        )

    @property
    def address(self) -> str:
        """Bare JID."""
        return f"{self.account}@{self.domain}"

    @property
    def broker(self) -> str:
        """The broker as sentences name it."""
        return f"broker {self.domain}:{self.port}"

    def password(self) -> str:
        """Read the password.

        Raises
        ------
        InvalidSetting
            If the file cannot be read or is empty.
        """
        try:
            password = self.password_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSetting(f"the password file {self.password_file} cannot be read: {error}") from error
        if not password:
            raise InvalidSetting(f"the password file {self.password_file} is empty")
        return password

    def tls_context(self) -> ssl.SSLContext:
        """Make a TLS context that verifies name and chain against `ca_file` and nothing else.

        Raises
        ------
        InvalidSetting
            If the file cannot be read or holds no certificate.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # requires a certificate and checks its name
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        try:
            context.load_verify_locations(cafile=self.ca_file)
        except OSError as error:  # an SSLError is an OSError
            raise InvalidSetting(f"the CA file {self.ca_file} cannot be used: {error}") from error
        return context
