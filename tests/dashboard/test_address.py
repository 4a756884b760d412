"""A viewer's token goes to the federation's own coordinator, and to nobody whom a status merely names."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from consilia.pki import make_authority
from consilia_dashboard.address import Address, UntrustedAddress, address_of, trust

CA = make_authority("oncology/breast-cancer", datetime.now(UTC), days=1).cert_pem.decode()
OWN = "https://breast-cancer-coordinator.oncology.svc:8443"


def federation(uid: str = "uid-1", **endpoints: Any) -> dict[str, Any]:
    metadata = {"namespace": "oncology", "name": "breast-cancer", "uid": uid}
    return {"metadata": metadata, "status": {"endpoints": endpoints}}


def test_the_status_says_where_the_coordinator_answers_and_who_vouches_for_it() -> None:
    assert address_of(federation(coordinator=OWN, authority=CA)) == Address(OWN, "oncology", "uid-1", CA)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({}, id="an empty object"),
        pytest.param({"metadata": {"uid": "u"}}, id="no status yet"),
        pytest.param({"metadata": {"uid": "u"}, "status": {"endpoints": None}}, id="no endpoints yet"),
        pytest.param(federation(authority=CA), id="no address yet"),
        pytest.param(federation(coordinator=7), id="no text"),
        pytest.param(federation(uid="", coordinator=OWN), id="no UID for whom a token could be"),
    ],
)
def test_without_a_whole_address_nobody_is_asked(document: dict[str, Any]) -> None:
    assert address_of(document) is None


@pytest.mark.parametrize("url", [OWN, f"{OWN}/", "https://c.oncology.svc"])
def test_a_service_of_the_own_namespace_is_asked_and_must_prove_itself_to_the_authority(url: str) -> None:
    context = trust(Address(url, "oncology", "uid-1", CA), None)
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://breast-cancer-coordinator.oncology.svc:8443", id="not encrypted"),
        pytest.param("https://breast-cancer-coordinator.elsewhere.svc:8443", id="another namespace"),
        pytest.param("https://coordinator.oncology.svc.evil.example", id="a name that only begins so"),
        pytest.param("https://evil.example/coordinator.oncology.svc", id="in the path"),
        pytest.param("https://coordinator.oncology.svc@evil.example", id="as the user's name"),
        pytest.param("https://evil.example#.oncology.svc", id="in the fragment"),
        pytest.param("https://coordinator.oncology.svc:8443/?x=", id="with a query"),
        pytest.param("https://coordinator.oncology.svc:8443\n", id="with a line's end"),
        pytest.param("https://coordinatorXoncology.svc", id="no dot before the namespace"),
        pytest.param("https://oncology.svc", id="no Service"),
        pytest.param("https://169.254.169.254", id="a machine's address"),
        pytest.param("", id="empty"),
    ],
)
def test_no_token_goes_to_an_address_outside_the_federations_namespace(url: str) -> None:
    with pytest.raises(UntrustedAddress, match=r"no token is sent there: it must be https://<service>.oncology.svc"):
        trust(Address(url, "oncology", "uid-1", CA), None)


@pytest.mark.parametrize("authority", ["", "nobody", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_an_authority_that_is_none_is_not_replaced_by_the_systems(authority: str) -> None:
    with pytest.raises(UntrustedAddress, match=r"status.endpoints.authority is no PEM certificate"):
        trust(Address(OWN, "oncology", "uid-1", authority), None)


def test_in_a_cluster_a_status_without_an_authority_is_waited_for() -> None:
    with pytest.raises(UntrustedAddress, match="names no authority yet"):
        trust(Address(OWN, "oncology", "uid-1"), None)


def test_on_one_machine_its_own_authority_vouches_for_loopback(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text(CA)
    context = trust(Address("https://localhost:8443", "default", "uid-1"), tmp_path / "ca.crt")
    assert len(context.get_ca_certs()) == 1
    with pytest.raises(UntrustedAddress, match="is not https, so no token is sent there"):
        trust(Address("http://localhost:8443", "default", "uid-1"), tmp_path / "ca.crt")
