"""Certificates that cert-manager makes: what it is asked for, what is waited for, and how they get to the pods."""

from dataclasses import replace

import pytest

from consilia.pki import Authority, make_authority
from consilia_operator.children import mark_of
from consilia_operator.naming import FILLED_LABEL
from consilia_operator.resources.certificates import issued_secret
from consilia_operator.settings import IssuerReference
from rotating import SETTINGS, START, Rotating

WITH_ISSUER = replace(SETTINGS, certificate_issuer=IssuerReference("ClusterIssuer", "hospital-ca"))
SERVERS = ("broker", "coordinator")


def authority(name: str = "the hospitals' own") -> Authority:
    return make_authority(name, START, 3650)


@pytest.fixture
def asked() -> Rotating:
    world = Rotating(settings=WITH_ISSUER)
    world.reconcile()
    return world


def issue(world: Rotating, by: Authority, *servers: str) -> None:
    for server in servers or SERVERS:
        request = world.others["Certificate", *world.place(f"{server}-certificate")]
        made = by.issue(request["spec"]["dnsNames"], world.now, 90)
        place = "consortium", request["spec"]["secretName"]
        assert place in world.secrets, "the operator makes it, so that it goes with the federation"
        world.secrets[place] = {"tls.crt": made.cert_pem, "tls.key": made.key_pem, "ca.crt": by.cert_pem}


def test_cert_manager_is_asked_for_two_certificates_and_nothing_else_is_made_of_it(asked: Rotating) -> None:
    assert {name for kind, _, name in asked.others if kind == "Certificate"} == {
        "breast-cancer-broker-certificate",
        "breast-cancer-coordinator-certificate",
    }
    request = asked.others["Certificate", "consortium", "breast-cancer-broker-certificate"]
    (owner,) = request["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Federation", "breast-cancer")
    assert request["spec"] == {
        "secretName": "breast-cancer-broker-certificate-issued",
        "duration": "2160h0m0s",
        "renewBefore": "720h0m0s",
        "dnsNames": ["breast-cancer-broker.consortium.svc", "breast-cancer-broker.consortium"],
        "usages": ["digital signature", "server auth"],
        "privateKey": {"algorithm": "ECDSA", "size": 256, "encoding": "PKCS8", "rotationPolicy": "Always"},
        "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "hospital-ca"},
    }


def test_without_an_issuer_cert_manager_is_not_asked() -> None:
    world = Rotating()
    world.settle()
    assert not [place for place in world.others if place[0] == "Certificate"]
    assert not [name for _, name in world.secrets if "issued" in name]
    assert world.waiting() == {}


def test_the_federation_waits_with_a_sentence_until_both_are_issued(asked: Rotating) -> None:
    sentence = (
        'the {0}\'s certificate is not issued yet by ClusterIssuer "hospital-ca": '
        "see kubectl -n consortium describe certificate breast-cancer-{0}-certificate"
    )
    assert asked.waiting() == {server: sentence.format(server) for server in SERVERS}
    asked.roll()
    assert asked.pods == {}, "whoever needs a certificate or an authority does not start without"
    assert not [name for _, name in asked.secrets if "authority" in name]
    issue(asked, authority(), "broker")
    asked.reconcile()
    assert set(asked.waiting()) == {"coordinator"}
    issue(asked, authority(), "coordinator")
    asked.settle()
    assert asked.waiting() == {}
    assert set(asked.pods) == set(asked.templates)


def test_an_issuer_that_does_not_say_who_vouches_is_told_as_such(asked: Rotating) -> None:
    issue(asked, authority())
    place = "consortium", "breast-cancer-broker-certificate-issued"
    asked.secrets[place] = {k: v for k, v in asked.secrets[place].items() if k != "ca.crt"}
    asked.reconcile()
    assert asked.waiting()["broker"] == (
        'ClusterIssuer "hospital-ca" issues a certificate for the broker without its authority (ca.crt), so nobody can '
        "verify it: take an issuer that says who vouches for it, such as one of kind CA or Vault"
    )


def test_what_is_issued_is_mounted_and_clients_trust_its_authority_alone(asked: Rotating) -> None:
    by = authority()
    issue(asked, by)
    asked.settle()
    for server in SERVERS:
        assert asked.data(f"{server}-certificate") == asked.data(issued_secret(server))
    assert asked.data("authority") == {"ca.crt": by.cert_pem}
    assert not [name for _, name in asked.secrets if "authority-key" in name]
    before = dict(asked.secrets)
    asked.reconcile()
    assert asked.secrets == before


def test_a_renewal_rotates_the_passwords_with_it_and_the_coordinator_follows_the_broker(asked: Rotating) -> None:
    by = authority()
    issue(asked, by)
    asked.settle()
    old = {server: asked.data(f"{server}-certificate") for server in SERVERS}
    password = asked.password("north")
    asked.days(60)
    issue(asked, by)
    asked.reconcile()
    assert asked.data("broker-certificate") == asked.data(issued_secret("broker")) != old["broker"]
    assert asked.data("coordinator-certificate") == old["coordinator"]
    assert asked.lines("north")[1] == password
    asked.settle()
    assert asked.data("coordinator-certificate") == asked.data(issued_secret("coordinator"))
    assert asked.lines("north") == [asked.password("north")] != [password]


@pytest.mark.parametrize("first", [("broker",), ("coordinator",), SERVERS])
def test_a_new_authority_behind_the_issuer_locks_nobody_out(asked: Rotating, first: tuple[str, ...]) -> None:
    issue(asked, authority())
    asked.settle()
    asked.seen = lambda: _assert_nobody_is_locked_out(asked)
    new = authority("another")
    issue(asked, new, *first)
    asked.settle()
    issue(asked, new)
    asked.settle()
    assert asked.data("authority") == {"ca.crt": new.cert_pem}


def test_a_running_federation_goes_over_to_cert_manager_and_back(asked: Rotating) -> None:
    world = Rotating()
    world.settle()
    world.seen = lambda: _assert_nobody_is_locked_out(world)
    own = world.data("authority")
    world.settings = WITH_ISSUER
    world.settle()
    assert world.data("authority") == own
    assert world.waiting() == {}, "it runs with the certificates that it has"
    by = authority()
    issue(world, by)
    world.settle()
    assert world.data("authority") == {"ca.crt": by.cert_pem}
    world.settings = SETTINGS
    world.settle()
    assert world.data("authority")["ca.crt"] == world.data("authority-key")["ca.crt"] != by.cert_pem
    assert not [name for _, name in world.secrets if "issued" in name]


def test_what_cert_manager_writes_calls_for_a_reconcile_and_what_others_write_elsewhere_does_not() -> None:
    ours = {"manager": "consilia-operator", "operation": "Apply", "time": "1", "fieldsV1": {"f:type": {}}}
    theirs = {"manager": "cert-manager", "operation": "Apply", "time": "2", "fieldsV1": {"f:data": {}}}

    def mark(*entries: dict[str, object], **labels: str) -> str:
        return mark_of({"metadata": {"labels": labels, "managedFields": list(entries)}})

    assert mark(ours) == mark(ours, theirs)
    filled = {FILLED_LABEL: "cert-manager"}
    assert len({mark(ours, **filled), mark(ours, theirs, **filled), mark(ours, theirs | {"time": "3"}, **filled)}) == 3


def _assert_nobody_is_locked_out(world: Rotating) -> None:
    assert world.locked_out() == []
