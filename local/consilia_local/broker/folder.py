"""A broker's folder: all that either broker reads, written by whoever starts it.

::

    broker.json       domain, port, interfaces
    accounts/<name>   the password of an account, read at each login
    tls.crt tls.key   the certificate that carries the domain's name
    prosody.cfg.lua   modules/   for Prosody alone
    state/            the broker's own
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from consilia.errors import InvalidSetting
from consilia.pki import Certificate
from consilia.prosody import ACCOUNTS_MODULE, ACCOUNTS_MODULE_FILE, ProsodySettings, render_prosody
from consilia_local.folder import write_private

# What both brokers accept as a file name, and XMPP as a local part without change.
_ACCOUNT = re.compile(r"[a-z0-9_][a-z0-9_.-]*")


@dataclass(frozen=True)
class BrokerFolder:
    """A broker's folder as it was read."""

    path: Path
    domain: str
    port: int
    interfaces: tuple[str, ...]

    @property
    def certificate(self) -> Path:
        """PEM of the certificate."""
        return self.path / "tls.crt"

    @property
    def key(self) -> Path:
        """PEM of its private key."""
        return self.path / "tls.key"

    @property
    def prosody_config(self) -> Path:
        """Prosody's configuration."""
        return self.path / "prosody.cfg.lua"

    def password(self, account: str) -> str | None:
        """Read the password of `account` now; None if there is no such account."""
        if not _ACCOUNT.fullmatch(account):
            return None
        try:
            return (self.path / "accounts" / account).read_text(encoding="utf-8").strip() or None
        except OSError:
            return None

    @classmethod
    def read(cls, path: Path) -> "BrokerFolder":
        """Read what `write_broker_folder` wrote.

        Raises
        ------
        InvalidSetting
            If `path` is no such folder.
        """
        try:
            found = json.loads((path / "broker.json").read_text(encoding="utf-8"))
            return cls(path.absolute(), found["domain"], found["port"], tuple(found["interfaces"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidSetting(f"{path} is not a broker's folder: {error!r}") from error


def write_broker_folder(
    folder: Path,
    domain: str,
    port: int,
    accounts: Mapping[str, str],
    certificate: Certificate,
    *,
    interfaces: Sequence[str] = ("127.0.0.1",),
) -> BrokerFolder:
    """Write the folder of one broker, readable by its owner alone.

    Parameters
    ----------
    folder
        Made if need be; accounts that are no longer given are removed.
    domain
        XMPP domain, a name in `certificate`.
    port
        The one port, for clients.
    accounts
        Password by account name (lower case letters, digits, ``_ . -``).
    certificate
        Of the federation's authority.
    interfaces
        Addresses to listen on.

    Raises
    ------
    InvalidSetting
        For an account name or a password that XMPP would not take as it is.
    """
    for account, password in accounts.items():
        if not _ACCOUNT.fullmatch(account):
            raise InvalidSetting(f"{account!r} cannot be an account; use lower case letters, digits, _ . and -")
        if not password or password != password.strip():
            raise InvalidSetting(f"the password of {account} is empty, or begins or ends with a space")
    written = BrokerFolder(folder.absolute(), domain, port, tuple(interfaces))
    for name in ("accounts", "modules", "state"):
        (written.path / name).mkdir(parents=True, exist_ok=True)
    written.path.chmod(0o700)
    for stale in (written.path / "accounts").iterdir():
        if stale.name not in accounts:
            stale.unlink()
    for account, password in accounts.items():
        _write(written.path / "accounts" / account, password)
    _write(written.certificate, certificate.cert_pem.decode())
    _write(written.key, certificate.key_pem.decode())
    _write(written.path / "modules" / ACCOUNTS_MODULE_FILE, ACCOUNTS_MODULE)
    _write(written.prosody_config, render_prosody(_prosody_settings(written)))
    _write(written.path / "broker.json", json.dumps({k: v for k, v in asdict(written).items() if k != "path"}))
    return written


def _prosody_settings(folder: BrokerFolder) -> ProsodySettings:
    return ProsodySettings(
        domain=folder.domain,
        port=folder.port,
        interfaces=folder.interfaces,
        accounts=str(folder.path / "accounts"),
        certificate=str(folder.certificate),
        key=str(folder.key),
        modules=str(folder.path / "modules"),
        state=str(folder.path / "state"),
    )


def _write(path: Path, text: str) -> None:
    write_private(path, text.encode())
