"""A federation's secrets: made once, kept, renewed before they end.

What exists is kept to the byte, so that a reconcile changes nothing; what is missing is made; certificates are renewed
:data:`RENEW_DAYS` after they were issued. The authority's key is in a secret of its own that no pod mounts.
"""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from consilia import tokens
from consilia.pki import Authority, make_authority
from consilia.plan import BROKER, COORDINATOR, account_secret
from consilia_operator.naming import Manifest, Owner, host_of, metadata, object_name
from consilia_operator.resources.site import Site

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 90
RENEW_DAYS = 60
TOKEN_LIFE = timedelta(days=2)
TOKEN_RENEWAL = timedelta(days=1)
PASSWORD_BYTES = 24

Data = Mapping[str, bytes]


@dataclass(frozen=True)
class SigningKey:
    """The installation's key for tokens, both halves PEM."""

    private: bytes
    public: bytes


def secret_names(site: Site) -> list[tuple[str, str]]:
    """(namespace, name) of every secret of the federation that :func:`secret_manifests` may keep."""
    return [(manifest["metadata"]["namespace"], manifest["metadata"]["name"]) for manifest in _places(site)]


def secret_manifests(
    site: Site, existing: Mapping[tuple[str, str], Data], key: SigningKey, now: datetime
) -> list[Manifest]:
    """Every secret of the federation, in its own and in its cohorts' namespaces."""
    material = _material(site, existing, key, now)
    manifests = _places(site)
    for manifest in manifests:
        secret = manifest["metadata"]["name"].removeprefix(f"{site.federation.metadata.name}-")
        manifest["data"] = {k: base64.b64encode(v).decode() for k, v in sorted(material[secret].items())}
    return manifests


def _places(site: Site) -> list[Manifest]:
    """Each secret wherever a component mounts it, without its data."""
    own = site.federation.metadata.namespace
    places: dict[tuple[str, str], Owner] = {(own, "authority-key"): Owner.of(site.federation)}
    for component in site.plan.components:
        if component.kind in ("mlflow", "dashboard"):
            continue
        for secret in component.secrets:
            owner = Owner.of(site.federation) if component.namespace == own else site.owner(component)
            places.setdefault((component.namespace, secret), owner)
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": metadata(site.federation, object_name(site.federation, secret), namespace, owner),
        }
        for (namespace, secret), owner in sorted(places.items(), key=lambda place: place[0])
    ]


def _material(
    site: Site, existing: Mapping[tuple[str, str], Data], key: SigningKey, now: datetime
) -> dict[str, dict[str, bytes]]:
    own = site.federation.metadata.namespace

    def kept(secret: str) -> Data:
        return existing.get((own, object_name(site.federation, secret)), {})

    authority = _authority(site, kept("authority-key"), now)
    accounts = {account: kept("accounts").get(account) or _password() for account in _accounts(site)}
    material: dict[str, dict[str, bytes]] = {
        "authority-key": {"ca.crt": authority.cert_pem, "ca.key": authority.key_pem},
        "authority": {"ca.crt": authority.cert_pem},
        "accounts": accounts,
        "broker-certificate": _certificate(site, authority, BROKER, kept("broker-certificate"), now),
        "coordinator-certificate": _certificate(site, authority, COORDINATOR, kept("coordinator-certificate"), now),
        "token-public-key": {"public.pem": key.public},
        "tracking-token": {"token": _tracking_token(site, kept("tracking-token").get("token"), key, now)},
    }
    for account, password in accounts.items():
        material[account_secret(account)] = {"password": password}
    return material


def _accounts(site: Site) -> list[str]:
    return [COORDINATOR, *site.federation.spec.hospital_names]


def _password() -> bytes:
    return secrets.token_urlsafe(PASSWORD_BYTES).encode()


def _authority(site: Site, kept: Data, now: datetime) -> Authority:
    if kept:
        return Authority(kept["ca.crt"], kept["ca.key"])
    federation = site.federation.metadata
    return make_authority(f"{federation.namespace}/{federation.name}", now, AUTHORITY_DAYS)


def _certificate(site: Site, authority: Authority, component: str, kept: Data, now: datetime) -> dict[str, bytes]:
    if kept and now < x509.load_pem_x509_certificate(kept["tls.crt"]).not_valid_before_utc + timedelta(days=RENEW_DAYS):
        return dict(kept)
    host = host_of(site.federation, component)
    issued = authority.issue([host, host.removesuffix(".svc"), "localhost"], now, CERTIFICATE_DAYS)
    return {"tls.crt": issued.cert_pem, "tls.key": issued.key_pem}


def _tracking_token(site: Site, kept: bytes | None, key: SigningKey, now: datetime) -> bytes:
    """A token that outlives the next reconciles; the process reads it anew at each use."""
    federation = site.federation.metadata.uid or ""
    if kept is not None:
        try:
            tokens.verify(kept.decode(), key.public, now + TOKEN_RENEWAL, federation=federation)
        except tokens.InvalidToken:
            pass
        else:
            return kept
    return tokens.sign(key.private, "tracking", "tracking", now, TOKEN_LIFE, federation=federation).encode()
