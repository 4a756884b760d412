"""A federation's secrets: made once, kept, renewed before they end.

What exists is kept to the byte, so that a reconcile changes nothing; what is missing is made. Passwords and
certificates change in steps (:mod:`.passwords`, :mod:`.certificates`), each of which waits for the pods that must have
read the one before, and the secrets are written in an order that leaves nobody out wherever a writer is killed.
The authority's key is in a secret of its own that no pod mounts. No value is ever in a name, a label or a log.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from consilia import tokens
from consilia.plan import BROKER, COORDINATOR, account_secret
from consilia_operator.naming import FILLED_LABEL, Manifest, Owner, metadata, object_name
from consilia_operator.resources.certificates import (
    SERVERS,
    Certificates,
    CertManager,
    Issuer,
    OwnAuthority,
    certificate_secret,
    issued_secret,
    next_certificates,
)
from consilia_operator.resources.passwords import next_passwords
from consilia_operator.resources.rotation import settled
from consilia_operator.resources.site import Site

TOKEN_LIFE = timedelta(days=2)
TOKEN_RENEWAL = timedelta(days=1)

Data = Mapping[str, bytes]
Place = tuple[str, str]


@dataclass(frozen=True)
class SigningKey:
    """The installation's key for tokens, both halves PEM."""

    private: bytes
    public: bytes


def secret_names(site: Site) -> list[Place]:
    """(namespace, name) of every secret of the federation that :func:`next_secrets` may keep."""
    return [(namespace, object_name(site.federation, secret, namespace)) for namespace, secret in _places(site)]


def held_secrets(site: Site, existing: Mapping[Place, Data]) -> dict[str, Data]:
    """What the cluster has, by the names that the plan has for secrets; of copies the federation's own counts."""
    own = site.federation.metadata.namespace
    places = sorted(_places(site), key=lambda place: place[0] == own)
    return {
        secret: existing.get((namespace, object_name(site.federation, secret, namespace)), {})
        for namespace, secret in places
    }


def next_secrets(
    site: Site, held: Mapping[str, Data], key: SigningKey, now: datetime, confirmed: Mapping[str, str]
) -> dict[str, Data]:
    """What every secret is to have, by the plan's names, in the order in which they are to be written.

    One that has nothing yet is left out: its pods wait for it.
    """
    pods = settled(site, held, confirmed)
    made: dict[str, Data] = {}
    certificates = _certificates(site, held, made, now, pods)
    accounts = _accounts(site)
    passwords = next_passwords(
        list(accounts),
        held["accounts"],
        {name: mine for name in accounts if (mine := held[account_secret(name)].get("password"))},
        {name for name, component in accounts.items() if component in pods},
        broker_settled=BROKER in pods,
        due=certificates.broker_is_renewed,
    )
    # An account that the broker does not know yet: its secret first, or it would seem deleted by hand.
    for name, password in passwords.own.items():
        if name not in held["accounts"]:
            made[account_secret(name)] = {"password": password}
    # Before the certificate with whose renewal it begins, and before the secret whose absence may have begun it.
    made["accounts"] = passwords.accounts
    for server, data in certificates.servers.items():
        made[certificate_secret(server)] = data
    for name, password in passwords.own.items():
        made[account_secret(name)] = {"password": password}
    made["token-public-key"] = {"public.pem": key.public}
    made["tracking-token"] = {"token": _tracking_token(site, held.get("tracking-token", {}).get("token"), key, now)}
    return made


def secret_manifests(site: Site, secrets: Mapping[str, Data]) -> list[Manifest]:
    """``secrets`` wherever a component mounts them, in their order; and those that cert-manager is to fill."""
    places = _places(site)
    issued = [issued_secret(server) for server in SERVERS]
    return [
        _manifest(site, place, owner, secrets.get(secret))
        for secret in (*secrets, *issued)
        for place, owner in places.items()
        if place[1] == secret
    ]


def _manifest(site: Site, place: Place, owner: Owner, data: Data | None) -> Manifest:
    namespace, secret = place
    name = object_name(site.federation, secret, namespace)
    filled = {FILLED_LABEL: "cert-manager"} if data is None else {}
    manifest: Manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": metadata(site.federation, name, namespace, owner, filled),
    }
    if data is not None:
        manifest["data"] = {k: base64.b64encode(v).decode() for k, v in sorted(data.items())}
    return manifest


def _places(site: Site) -> dict[Place, Owner]:
    """Each secret wherever a component mounts it, and those that none mounts."""
    federation = Owner.of(site.federation)
    own = site.federation.metadata.namespace
    unmounted = ["authority-key"] if site.settings.certificate_issuer is None else map(issued_secret, SERVERS)
    places = {(own, secret): federation for secret in unmounted}
    for component in site.components:
        owner = federation if component.namespace == own else site.owner(component)
        for secret in component.secrets:
            places.setdefault((component.namespace, secret), owner)
    return dict(sorted(places.items(), key=lambda place: place[0]))


def _accounts(site: Site) -> dict[str, str]:
    """The component of each broker account."""
    return {COORDINATOR: COORDINATOR} | {c.hospital: c.name for c in site.components if c.hospital is not None}


def _certificates(
    site: Site, held: Mapping[str, Data], made: dict[str, Data], now: datetime, pods: frozenset[str]
) -> Certificates:
    issuer: Issuer
    if site.settings.certificate_issuer is not None:
        issuer = CertManager({server: held[issued_secret(server)] for server in SERVERS})
    else:
        issuer = authority = OwnAuthority.kept(site, held["authority-key"], now)
        made["authority-key"] = {"ca.crt": authority.own.cert_pem, "ca.key": authority.own.key_pem}
    certificates = next_certificates(
        issuer,
        {server: held[certificate_secret(server)] for server in SERVERS},
        held["authority"].get("ca.crt", b""),
        now,
        clients_settled=all(c.name in pods for c in site.components if "authority" in c.secrets),
        broker_settled=BROKER in pods,
        servers_settled=pods.issuperset(SERVERS),
    )
    if certificates.trusted:
        made["authority"] = {"ca.crt": certificates.trusted}
    return certificates


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
