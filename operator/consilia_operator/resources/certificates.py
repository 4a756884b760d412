"""The servers' certificates and the authorities that vouch for them: what is replaced when, whom clients trust. Pure.

A certificate is kept to the byte until it is due, or its authority is another; a new authority is trusted by every
client before a server shows what it vouches for, and an old one until no server shows what it vouched for. The
coordinator follows the broker, so that not both restart at once. Who waits too long is not waited for.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from consilia.pki import Authority, make_authority
from consilia.plan import BROKER, COORDINATOR
from consilia_operator.naming import Manifest, Owner, host_of, metadata, object_name
from consilia_operator.resources.site import Site

AUTHORITY_DAYS = 3650
AUTHORITY_RENEW_DAYS = 3285
CERTIFICATE_DAYS = 90
RENEW_DAYS = 60
LAST_DAYS = 15
"""Whose certificate ends within this gets another one, whoever has not confirmed."""
SERVERS = (BROKER, COORDINATOR)

Data = Mapping[str, bytes]


def certificate_secret(server: str) -> str:
    """The secret with a server's certificate: ``tls.crt``, ``tls.key``, and its authority's ``ca.crt``."""
    return f"{server}-certificate"


def issued_secret(server: str) -> str:
    """The secret into which cert-manager writes; what is in there is taken over when its turn comes."""
    return f"{server}-certificate-issued"


class Issuer(Protocol):
    """Who makes certificates."""

    def authority(self, server: str) -> bytes | None:
        """PEM of the authority of what ``issue`` gives now; None while it has nothing to give."""
        ...

    def due(self, server: str, kept: Data) -> bool:
        """Whether a certificate that the server has is to be replaced, its authority being the same."""
        ...

    def issue(self, server: str) -> Data:
        """A certificate."""
        ...


@dataclass(frozen=True)
class OwnAuthority:
    """The federation's own authority, at ``now``."""

    site: Site
    own: Authority
    now: datetime

    @classmethod
    def kept(cls, site: Site, kept: Data, now: datetime) -> "OwnAuthority":
        """The one that is kept, or a new one where there is none, or it is near its end."""
        found = _parsed(kept.get("ca.crt"))
        if found is not None and "ca.key" in kept and now < found.not_valid_before_utc + _days(AUTHORITY_RENEW_DAYS):
            return cls(site, Authority(kept["ca.crt"], kept["ca.key"]), now)
        described = site.federation.metadata
        return cls(site, make_authority(f"{described.namespace}/{described.name}", now, AUTHORITY_DAYS), now)

    def authority(self, server: str) -> bytes:  # noqa: ARG002 - one for all
        """See :class:`Issuer`."""
        return self.own.cert_pem

    def due(self, server: str, kept: Data) -> bool:
        """After 60 days, or when the server has another name."""
        found = x509.load_pem_x509_certificate(kept["tls.crt"])
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        named = host_of(self.site.federation, server) in names.get_values_for_type(x509.DNSName)
        return not named or self.now >= found.not_valid_before_utc + _days(RENEW_DAYS)

    def issue(self, server: str) -> Data:
        """See :class:`Issuer`."""
        names = [*names_of(self.site, server), "localhost"]
        issued = self.own.issue(names, self.now, CERTIFICATE_DAYS)
        return {"tls.crt": issued.cert_pem, "tls.key": issued.key_pem, "ca.crt": self.own.cert_pem}


@dataclass(frozen=True)
class CertManager:
    """cert-manager, by what it has written so far, by server."""

    issued: Mapping[str, Data]

    def authority(self, server: str) -> bytes | None:
        """See :class:`Issuer`. Where nobody is said to vouch for a certificate there is nothing to give."""
        offered = self.issued.get(server, {})
        complete = _parsed(offered.get("tls.crt")) and offered.get("tls.key") and _parsed(offered.get("ca.crt"))
        return offered["ca.crt"] if complete else None

    def due(self, server: str, kept: Data) -> bool:
        """When it has written another one."""
        return self.issued[server]["tls.crt"] != kept["tls.crt"]

    def issue(self, server: str) -> Data:
        """See :class:`Issuer`."""
        return {key: self.issued[server][key] for key in ("tls.crt", "tls.key", "ca.crt")}


@dataclass(frozen=True)
class Certificates:
    """What the secrets are to have. A server without a certificate is waiting for its issuer."""

    servers: Mapping[str, Data]
    trusted: bytes
    """PEM of the authorities that clients trust, the latest first; empty while there is none."""
    broker_is_renewed: bool
    """Whether the broker's certificate is another than it was: its pod starts anew, so passwords may change with it."""


def next_certificates(
    issuer: Issuer,
    kept: Mapping[str, Data],
    trusted: bytes,
    now: datetime,
    *,
    clients_settled: bool,
    broker_settled: bool,
    servers_settled: bool,
) -> Certificates:
    """One step.

    Parameters
    ----------
    kept, trusted
        What the secrets have.
    clients_settled
        Whether every client's pod is Ready with the latest authority of ``trusted``.
    broker_settled, servers_settled
        Whether the broker's pod (both servers' pods) is Ready with its certificate of ``kept``.
    """
    kept = {server: data for server, data in kept.items() if _usable(data)}
    offered = [pem for server in SERVERS for pem in split(issuer.authority(server) or b"")]
    known = split(trusted)
    servers: dict[str, Data] = {}
    for server in SERVERS:
        their_turn = server == BROKER or (broker_settled and servers.get(BROKER) == kept.get(BROKER))
        taken = _next(server, issuer, kept.get(server, {}), their_turn, known if clients_settled else (), now)
        if taken:
            servers[server] = taken
    shown = [pem for data in (*kept.values(), *servers.values()) for pem in split(data["ca.crt"])]
    calm = servers_settled and servers == kept
    wanted = list(dict.fromkeys([*offered, *shown, *(() if calm else known)]))
    latest = [pem for pem in wanted if pem not in known]
    return Certificates(
        servers,
        b"".join([*latest, *(pem for pem in known if pem in wanted)]),
        BROKER in kept and servers[BROKER] != kept[BROKER],
    )


def _next(
    server: str, issuer: Issuer, kept: Data, their_turn: bool, confirmed: Collection[bytes], now: datetime
) -> Data:
    authority = issuer.authority(server)
    if authority is None:
        return kept
    if not kept:
        return issuer.issue(server)
    moved = split(kept["ca.crt"]) != split(authority)
    if not moved and not issuer.due(server, kept):
        return kept
    ends = x509.load_pem_x509_certificate(kept["tls.crt"]).not_valid_after_utc
    may = their_turn and (not moved or all(pem in confirmed for pem in split(authority)))
    return issuer.issue(server) if may or now >= ends - _days(LAST_DAYS) else kept


def names_of(site: Site, server: str) -> list[str]:
    """The DNS names by which a server is reached in the cluster."""
    host = host_of(site.federation, server)
    return [host, host.removesuffix(".svc")]


def split(bundle: bytes) -> tuple[bytes, ...]:
    """The certificates of a PEM file, in its order, each as PEM; none where it is no such file."""
    try:
        return tuple(found.public_bytes(Encoding.PEM) for found in x509.load_pem_x509_certificates(bundle))
    except ValueError:
        return ()


def issued_certificates(site: Site) -> list[Manifest]:
    """What cert-manager is asked for; nothing where the federation has its own authority."""
    issuer = site.settings.certificate_issuer
    if issuer is None:
        return []
    federation = site.federation
    owner, namespace = Owner.of(federation), federation.metadata.namespace
    return [
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": metadata(federation, object_name(federation, certificate_secret(server)), namespace, owner),
            "spec": {
                "secretName": object_name(federation, issued_secret(server)),
                "duration": f"{CERTIFICATE_DAYS * 24}h0m0s",
                "renewBefore": f"{(CERTIFICATE_DAYS - RENEW_DAYS) * 24}h0m0s",
                "dnsNames": names_of(site, server),
                "usages": ["digital signature", "server auth"],
                "privateKey": {"algorithm": "ECDSA", "size": 256, "encoding": "PKCS8", "rotationPolicy": "Always"},
                "issuerRef": {"group": "cert-manager.io", "kind": issuer.kind, "name": issuer.name},
            },
        }
        for server in SERVERS
    ]


def waited_certificates(site: Site, issued: Mapping[str, Data]) -> dict[str, str]:
    """A sentence for each server for which cert-manager has nothing usable yet."""
    issuer = site.settings.certificate_issuer
    if issuer is None:
        return {}
    given = CertManager(issued)
    return {
        server: _waiting(site, server, f'{issuer.kind} "{issuer.name}"', issued.get(server, {}))
        for server in SERVERS
        if given.authority(server) is None
    }


def _waiting(site: Site, server: str, issuer: str, data: Data) -> str:
    if data.get("tls.crt") and not data.get("ca.crt"):
        return (
            f"{issuer} issues a certificate for the {server} without its authority (ca.crt), so nobody can verify it: "
            "take an issuer that says who vouches for it, such as one of kind CA or Vault"
        )
    name = object_name(site.federation, certificate_secret(server))
    return (
        f"the {server}'s certificate is not issued yet by {issuer}: "
        f"see kubectl -n {site.federation.metadata.namespace} describe certificate {name}"
    )


def _usable(data: Data) -> bool:
    parsed = _parsed(data.get("tls.crt")) is not None and _parsed(data.get("ca.crt")) is not None
    return parsed and "tls.key" in data


def _parsed(pem: bytes | None) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(pem or b"")
    except ValueError:
        return None


def _days(number: int) -> timedelta:
    return timedelta(days=number)
