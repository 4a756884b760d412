"""Every secret of one run on this machine: made anew at each start, so that an old copy opens nothing.

Only the dashboard's login token outlives a start, so that a browser that is open stays logged in.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from consilia import tokens
from consilia.pki import Certificate, make_authority
from consilia.plan import Plan, account_secret
from consilia.spec import Federation
from consilia_local.folder import StateFolder, write_private

VALIDITY_DAYS = 30
TOKEN_LIFE = timedelta(hours=1)
TOKEN_BYTES = 24

Secrets = Mapping[str, Mapping[str, bytes]]


@dataclass(frozen=True)
class Credentials:
    """What the command itself uses of the secrets.

    ``federation``: the UID for which tokens are; ``accounts``: broker passwords by account.
    """

    federation: str
    signing_key: bytes
    ca_pem: bytes
    accounts: Mapping[str, str]
    broker_certificate: Certificate
    api_token: str
    login_token: str

    def token(self, role: str, now: datetime) -> str:
        """A token for the coordinator's HTTP API, valid for an hour."""
        return tokens.sign(self.signing_key, role, "consilia-run", now, TOKEN_LIFE, federation=self.federation)


def make_credentials(
    federation: Federation, uid: str, plan: Plan, domain: str, now: datetime, login_token: str | None = None
) -> tuple[Credentials, Secrets]:
    """Make all secrets that ``plan`` names: what the command keeps, and the files by secret and key.

    ``uid`` is the federation's here; ``domain`` is the host name under which the broker is reached.
    """
    authority = make_authority(f"{federation.metadata.namespace}/{federation.metadata.name}", now, VALIDITY_DAYS)
    broker = authority.issue(_names(domain), now, VALIDITY_DAYS)
    coordinator = authority.issue(_names("localhost"), now, VALIDITY_DAYS)
    private, public = tokens.generate_keypair()
    accounts = {account: secrets.token_urlsafe(TOKEN_BYTES) for account in _accounts(plan)}
    made = Credentials(
        federation=uid,
        signing_key=private,
        ca_pem=authority.cert_pem,
        accounts=accounts,
        broker_certificate=broker,
        api_token=secrets.token_urlsafe(TOKEN_BYTES),
        login_token=login_token or secrets.token_urlsafe(TOKEN_BYTES),
    )
    files: dict[str, Mapping[str, bytes]] = {
        "authority": {"ca.crt": authority.cert_pem},
        "broker-certificate": {"tls.crt": broker.cert_pem, "tls.key": broker.key_pem},
        "coordinator-certificate": {"tls.crt": coordinator.cert_pem, "tls.key": coordinator.key_pem},
        "token-public-key": {"public.pem": public},
        "token-signing-key": {"private.pem": private},
        "tracking-token": {"token": made.token("tracking", now).encode()},
        "api-token": {"token": made.api_token.encode()},
        "login-token": {"token": made.login_token.encode()},
    }
    for account, password in accounts.items():
        files[account_secret(account)] = {"password": password.encode()}
    return made, files


def write_secrets(folder: StateFolder, secrets_by_name: Secrets) -> None:
    """Write every key of every secret to its file."""
    for name, keys in secrets_by_name.items():
        for key, content in keys.items():
            write_private(folder.secret(name, key), content)


def renew_tracking_token(folder: StateFolder, credentials: Credentials, now: datetime) -> None:
    """Give the tracking process, which reads its token at each use, one that is valid for another hour."""
    write_private(folder.secret("tracking-token", "token"), credentials.token("tracking", now).encode())


def _accounts(plan: Plan) -> list[str]:
    found = [component.settings.get("CONSILIA_ACCOUNT") for component in plan.components]
    return [account for account in found if isinstance(account, str)]


def _names(domain: str) -> list[str]:
    return list(dict.fromkeys([domain, "localhost", "127.0.0.1"]))
