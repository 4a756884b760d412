"""A certificate authority per federation, and the server certificates it issues.

Broker and coordinator speak TLS to processes that trust this authority and no other: no public authority
is asked, and a certificate of another federation is refused. Keys are EC P-256. The certificates satisfy
``ssl.VERIFY_X509_STRICT`` (default since Python 3.13): key usage on the authority, key identifiers on both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from consilia.errors import InvalidSetting

# Clocks of two machines differ: a certificate issued just now must already be valid on the other.
CLOCK_SKEW = timedelta(minutes=5)
COMMON_NAME_LENGTH = 64  # RFC 5280, ub-common-name


@dataclass(frozen=True)
class Certificate:
    """A server's certificate and its private key, both PEM; the key is unencrypted PKCS #8."""

    cert_pem: bytes
    key_pem: bytes


@dataclass(frozen=True)
class Authority:
    """The authority's own certificate and private key, both PEM. Whoever holds the key is the federation."""

    cert_pem: bytes
    key_pem: bytes

    def issue(self, names: Sequence[str], now: datetime, days: int = 90) -> Certificate:
        """Issue a server certificate for DNS names and IP addresses (RFC 5280, RFC 6125).

        Parameters
        ----------
        names
            At least one, e.g. ``["localhost", "127.0.0.1"]``. Clients check these, not the subject.
        now
            Aware time; the certificate is valid from five minutes before it.
        days
            Validity, 1 or more; cut to the authority's own.

        Raises
        ------
        InvalidSetting
            For no names, or a name that is neither DNS nor IP.
        """
        if not names:
            raise InvalidSetting("a server certificate needs at least one DNS name or IP address")
        alternatives = [_general_name(name) for name in names]
        authority = x509.load_pem_x509_certificate(self.cert_pem)
        authority_key = serialization.load_pem_private_key(self.key_pem, password=None)
        if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
            raise InvalidSetting("the authority's key is not an EC key; make the authority anew")
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(names[0], key.public_key(), now, min(now + timedelta(days=days), authority.not_valid_after_utc))
            .issuer_name(authority.subject)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
        )
        return Certificate(_pem(builder.sign(authority_key, hashes.SHA256())), _key_pem(key))


def make_authority(name: str, now: datetime, days: int) -> Authority:
    """Make the authority of one federation.

    Parameters
    ----------
    name
        What its certificate says, e.g. ``consortium/breast-cancer``; cut to 64 characters.
    now
        Aware time.
    days
        Validity, 1 or more.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(name, key.public_key(), now, now + timedelta(days=days))
    certificate = (
        builder.issuer_name(_subject(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(_pem(certificate), _key_pem(key))


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:COMMON_NAME_LENGTH])])


def _builder(
    name: str, public_key: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass
    try:
        alternative = x509.DNSName(name)
    except ValueError as error:
        raise InvalidSetting(f"{name!r} is not a DNS name in ASCII, nor an IP address") from error
    if not name or " " in name:
        raise InvalidSetting(f"{name!r} is neither a DNS name nor an IP address")
    return alternative


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
