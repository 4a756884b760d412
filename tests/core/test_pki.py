"""Certificates are accepted by a strict TLS client that trusts their authority, and by no other."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from consilia.errors import InvalidSetting
from consilia.pki import Authority, Certificate, make_authority

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def handshake(certificate: Certificate, trusted: Authority, name: str, folder: Path) -> None:
    """A whole TLS handshake in memory, strictly verified."""
    chain = folder / "server.pem"
    chain.write_bytes(certificate.cert_pem + certificate.key_pem)
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_context.load_cert_chain(chain)
    client_context = ssl.create_default_context(cadata=trusted.cert_pem.decode())
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    pending = [client, server]
    while pending:
        side = pending.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            pending.append(side)


def fresh(name: str = "consortium/breast-cancer") -> Authority:
    return make_authority(name, datetime.now(UTC), days=30)


@pytest.mark.parametrize("name", ["localhost", "broker.consortium.svc", "127.0.0.1", "::1"])
def test_a_strict_client_accepts_every_name_of_the_certificate(name: str, tmp_path: Path) -> None:
    authority = fresh()
    names = ["localhost", "broker.consortium.svc", "127.0.0.1", "::1"]
    handshake(authority.issue(names, datetime.now(UTC)), authority, name, tmp_path)


def test_another_name_is_refused(tmp_path: Path) -> None:
    authority = fresh()
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(authority.issue(["localhost"], datetime.now(UTC)), authority, "elsewhere", tmp_path)


def test_an_authority_of_the_same_name_is_not_the_same_authority(tmp_path: Path) -> None:
    certificate = fresh().issue(["localhost"], datetime.now(UTC))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificate, fresh(), "localhost", tmp_path)


def test_a_server_certificate_cannot_issue_another(tmp_path: Path) -> None:
    authority = fresh()
    stolen = authority.issue(["localhost"], datetime.now(UTC))
    forged = Authority(stolen.cert_pem, stolen.key_pem).issue(["localhost"], datetime.now(UTC))
    chained = Certificate(forged.cert_pem + stolen.cert_pem, forged.key_pem)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(chained, authority, "localhost", tmp_path)


def test_validity_starts_before_now_and_never_outlives_the_authority() -> None:
    authority = make_authority("consortium/breast-cancer", NOW, days=30)
    short, long = (
        x509.load_pem_x509_certificate(authority.issue(["localhost"], NOW, days=days).cert_pem) for days in (7, 90)
    )
    assert short.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert short.not_valid_after_utc == NOW + timedelta(days=7)
    assert long.not_valid_after_utc == NOW + timedelta(days=30)


@pytest.mark.parametrize("names", [[], [""], ["two words"], ["Köln"]])
def test_no_name_or_no_proper_name_is_refused(names: list[str]) -> None:
    with pytest.raises(InvalidSetting):
        make_authority("consortium/breast-cancer", NOW, days=30).issue(names, NOW)


def test_a_long_name_of_an_authority_is_cut() -> None:
    certificate = x509.load_pem_x509_certificate(make_authority("f" * 100, NOW, days=1).cert_pem)
    assert certificate.subject.rfc4514_string() == "CN=" + "f" * 64
