"""Rotations, step by step: what changes, what restarts, and what is never touched. The properties are beside this."""

import base64
import re
from datetime import timedelta

import pytest
from cryptography import x509

from consilia import tokens
from consilia.errors import InvalidSetting, Refusal
from consilia_operator.resources.certificates import split
from consilia_operator.resources.rotation import confirmed_revisions
from consilia_operator.resources.secrets import SigningKey
from consilia_operator.resources.workloads import REVISION
from consilia_operator.settings import Settings
from consilia_operator.signing import signing_key
from fake_cluster import FakeCluster
from rotating import KEY, SETTINGS, Rotating

CLIENTS = ("coordinator", "hospital-north", "hospital-riverside")


@pytest.fixture
def settled() -> Rotating:
    world = Rotating()
    world.settle()
    return world


def restarted(world: Rotating, before: dict[str, str]) -> set[str]:
    return {name for name in world.templates if world.revision(name) != before.get(name)}


def revisions(world: Rotating) -> dict[str, str]:
    return {name: world.revision(name) for name in world.templates}


def test_a_settled_federation_changes_no_byte_until_it_is_due(settled: Rotating) -> None:
    before = dict(settled.secrets)
    token = settled.place("tracking-token")
    for _ in range(59):
        settled.days(1)
        assert settled.settle() <= 1
        assert {k: v for k, v in settled.secrets.items() if k != token} == {
            k: v for k, v in before.items() if k != token
        }


def test_passwords_and_certificates_rotate_in_three_steps(settled: Rotating) -> None:
    old = {account: settled.password(account) for account in ("coordinator", "north", "riverside")}
    certificates = {server: settled.data(f"{server}-certificate") for server in ("broker", "coordinator")}
    before = revisions(settled)
    settled.days(60)

    settled.reconcile()
    assert restarted(settled, before) == {"broker"}
    assert all(settled.lines(account)[1] == password for account, password in old.items())
    assert {account: settled.password(account) for account in old} == old
    assert settled.data("broker-certificate") != certificates["broker"]
    assert settled.data("coordinator-certificate") == certificates["coordinator"]
    settled.reconcile()
    assert {account: settled.password(account) for account in old} == old, "the broker's pod has confirmed nothing yet"

    settled.roll()
    before = revisions(settled)
    settled.reconcile()
    assert restarted(settled, before) == set(CLIENTS)
    assert {account: settled.password(account) for account in old} == {a: settled.lines(a)[0] for a in old}
    assert settled.data("coordinator-certificate") != certificates["coordinator"]
    settled.reconcile()
    assert all(len(settled.lines(account)) == 2 for account in old), "no client has confirmed anything yet"

    settled.roll()
    before = revisions(settled)
    settled.reconcile()
    assert restarted(settled, before) == set()
    assert all(settled.lines(account) == [settled.password(account)] for account in old)
    assert not set(old.values()) & {settled.password(account) for account in old}
    assert settled.settle() <= 1


def test_a_hospital_whose_pod_never_comes_up_keeps_both_and_the_others_are_done(settled: Rotating) -> None:
    settled.days(60)
    settled.reconcile()
    settled.roll()
    settled.reconcile()
    settled.roll()
    settled.ready("hospital-north", now=False)
    for _ in range(5):
        settled.reconcile()
    assert len(settled.lines("north")) == 2
    assert len(settled.lines("riverside")) == len(settled.lines("coordinator")) == 1
    settled.days(60)
    settled.reconcile()
    assert len(settled.lines("north")) == 2, "the one that its pod may have is never the third"
    assert len(settled.lines("riverside")) == 2
    settled.settle()
    assert len(settled.lines("north")) == len(settled.lines("riverside")) == 1


@pytest.mark.parametrize("account", ["north", "coordinator"])
def test_deleting_an_accounts_secret_rotates_that_account_alone(settled: Rotating, account: str) -> None:
    secret, component = f"account-{account}", "coordinator" if account == "coordinator" else f"hospital-{account}"
    others = {a: settled.password(a) for a in ("coordinator", "north", "riverside") if a != account}
    old, before = settled.password(account), revisions(settled)
    settled.lose(secret)
    settled.reconcile()
    assert settled.password(account) == old, "a pod that starts now is let in"
    assert restarted(settled, before) == {"broker"}
    settled.settle()
    assert restarted(settled, before) == {"broker", component}
    assert settled.lines(account) == [settled.password(account)] != [old]
    assert {a: settled.password(a) for a in others} == others


@pytest.mark.parametrize("writes", range(14))
def test_a_wish_for_another_password_outlives_whoever_is_killed_over_it(settled: Rotating, writes: int) -> None:
    old = settled.password("north")
    settled.lose("account-north")
    for manifest in settled.wished()[:writes]:
        settled.write(manifest)
    settled.settle()
    assert settled.password("north") != old


@pytest.mark.parametrize("writes", range(14))
def test_passwords_change_with_the_brokers_certificate_whoever_is_killed_over_it(
    settled: Rotating, writes: int
) -> None:
    old = {account: settled.password(account) for account in ("coordinator", "north", "riverside")}
    settled.days(60)
    for manifest in settled.wished()[:writes]:
        settled.write(manifest)
    settled.settle()
    assert not {settled.password(account) for account in old} & set(old.values())


def test_a_hospital_that_joins_restarts_nobody_and_one_that_leaves_neither(settled: Rotating) -> None:
    before = revisions(settled)
    settled.hospitals = ("harbor", "north", "riverside")
    settled.settle()
    assert restarted(settled, before) == {"hospital-harbor"}
    settled.hospitals = ("harbor", "riverside")
    settled.settle()
    assert restarted(settled, before) == {"hospital-harbor"}
    assert sorted(settled.data("accounts")) == [".rotation", "coordinator", "harbor", "riverside"]


def test_a_new_account_is_no_rotation_wherever_its_writer_was_killed() -> None:
    for writes in range(12):
        world = Rotating()
        for manifest in world.wished()[:writes]:
            world.write(manifest)
        world.reconcile()
        assert all(len(world.lines(account)) == 1 for account in ("coordinator", "north", "riverside")), writes


def test_what_somebody_wrote_into_an_accounts_secret_is_put_right(settled: Rotating) -> None:
    password, before = settled.password("north"), revisions(settled)
    settled.secrets[settled.place("account-north")] = {"password": b"123456"}
    settled.settle()
    assert settled.password("north") == password
    assert settled.lines("north") == [password]
    assert restarted(settled, before) == set()


def test_without_the_brokers_file_everybody_keeps_their_password(settled: Rotating) -> None:
    passwords = {account: settled.password(account) for account in ("coordinator", "north", "riverside")}
    settled.lose("accounts")
    settled.reconcile()
    assert {account: settled.lines(account) for account in passwords} == {a: [p] for a, p in passwords.items()}


@pytest.mark.parametrize("server", ["broker", "coordinator"])
def test_a_certificate_that_was_deleted_is_issued_by_the_same_authority(settled: Rotating, server: str) -> None:
    certificate, authority, before = (
        settled.data(f"{server}-certificate"),
        settled.data("authority"),
        revisions(settled),
    )
    passwords = settled.data("accounts")
    settled.lose(f"{server}-certificate")
    settled.settle()
    assert settled.data(f"{server}-certificate")["tls.crt"] != certificate["tls.crt"]
    assert settled.data("authority") == authority
    assert settled.data("accounts") == passwords
    assert restarted(settled, before) == {server}


def test_a_new_authority_is_trusted_by_all_before_it_is_shown_and_the_old_one_until_it_is_not(
    settled: Rotating,
) -> None:
    (old,) = split(settled.data("authority")["ca.crt"])
    before = revisions(settled)
    settled.lose("authority-key")

    settled.reconcile()
    new, also = split(settled.data("authority")["ca.crt"])
    assert also == old
    assert settled.data("broker-certificate")["ca.crt"] == settled.data("coordinator-certificate")["ca.crt"] == old
    assert restarted(settled, before) == {*CLIENTS, "tracking"}

    settled.roll()
    before = revisions(settled)
    settled.reconcile()
    assert settled.data("broker-certificate")["ca.crt"] == new
    assert settled.data("coordinator-certificate")["ca.crt"] == old
    assert restarted(settled, before) == {"broker"}

    settled.roll()
    for _ in range(3):
        settled.reconcile()
        assert split(settled.data("authority")["ca.crt"]) == (new, old), (
            "the coordinator's pod still shows the old one's"
        )
    assert settled.data("coordinator-certificate")["ca.crt"] == new
    settled.settle()
    assert split(settled.data("authority")["ca.crt"]) == (new,)
    assert settled.data("coordinator-certificate")["ca.crt"] == new


def test_an_authority_near_its_end_is_followed_by_another(settled: Rotating) -> None:
    (old,) = split(settled.data("authority")["ca.crt"])
    while settled.now < x509.load_pem_x509_certificate(old).not_valid_after_utc - timedelta(days=365):
        settled.days(60)
        settled.settle()
    settled.settle()
    assert old not in split(settled.data("authority")["ca.crt"])


def test_who_waits_too_long_gets_a_certificate_that_is_valid(settled: Rotating) -> None:
    settled.days(60)
    settled.reconcile()
    settled.pods.pop("broker")
    kept = settled.data("coordinator-certificate")
    settled.days(14)
    settled.reconcile()
    assert settled.data("coordinator-certificate") == kept
    settled.days(2)
    settled.reconcile()
    assert settled.data("coordinator-certificate") != kept


@pytest.mark.parametrize("secret", ["broker-certificate", "authority", "authority-key", "accounts"])
def test_what_cannot_be_read_is_made_anew_and_ends_nobody(settled: Rotating, secret: str) -> None:
    place = settled.place(secret)
    settled.secrets[place] = dict.fromkeys(settled.secrets[place], b"-----BEGIN CERTIFICATE-----\nno\n")
    settled.settle()
    settled.days(60)
    settled.settle()
    assert settled.locked_out() == []


def test_a_tracking_token_is_renewed_each_day_and_nobody_restarts(settled: Rotating) -> None:
    before, first = revisions(settled), settled.data("tracking-token")["token"]
    settled.days(0.9)
    settled.settle()
    assert settled.data("tracking-token")["token"] == first
    settled.days(0.2)
    settled.settle()
    token = settled.data("tracking-token")["token"]
    assert token != first
    tokens.verify(token.decode(), KEY.public, settled.now + timedelta(hours=23), federation="uid-breast-cancer")
    assert restarted(settled, before) == set()


def test_another_key_for_tokens_restarts_the_coordinator_alone_and_signs_trackings_token_anew(
    settled: Rotating,
) -> None:
    before = revisions(settled)
    settled.key = SigningKey(*tokens.generate_keypair())
    settled.settle()
    assert restarted(settled, before) == {"coordinator"}
    token = settled.data("tracking-token")["token"].decode()
    tokens.verify(token, settled.key.public, settled.now, federation="uid-breast-cancer")


def test_the_key_for_tokens_is_made_once_and_one_that_is_incomplete_is_told() -> None:
    cluster = FakeCluster()
    key = signing_key(cluster, SETTINGS)
    assert signing_key(cluster, SETTINGS) == key
    place = ("Secret", SETTINGS.namespace, "consilia-token-key")
    cluster.objects[place]["data"].pop("private.pem")
    with pytest.raises(Refusal, match=r"Secret consilia-system/consilia-token-key has no private.pem .* delete it"):
        signing_key(cluster, SETTINGS)


def pod(component: str, revision: str, ready: str = "True", **metadata: str) -> dict[str, object]:
    labels = {"app.kubernetes.io/component": component}
    if component.startswith("hospital-"):
        labels = {"app.kubernetes.io/component": "hospital", "consilia.health/hospital": component[len("hospital-") :]}
    described = {"labels": labels, "annotations": {REVISION: revision}, **metadata}
    return {"metadata": described, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


@pytest.mark.parametrize(
    ("pods", "confirmed"),
    [
        pytest.param(
            [pod("broker", "a"), pod("hospital-north", "b")], {"broker": "a", "hospital-north": "b"}, id="ready"
        ),
        pytest.param([pod("broker", "a", "False")], {}, id="not ready"),
        pytest.param([pod("broker", "a", deletionTimestamp="now")], {}, id="ending"),
        pytest.param([pod("hospital-north", "a"), pod("hospital-north", "b")], {}, id="two, in two namespaces"),
        pytest.param([pod("hospital-north", "a", "False"), pod("hospital-north", "b")], {}, id="one of two"),
        pytest.param([{"metadata": {"name": "another"}}], {}, id="none of ours"),
    ],
)
def test_only_a_pod_that_is_ready_and_alone_confirms(pods: list[dict[str, object]], confirmed: dict[str, str]) -> None:
    assert confirmed_revisions(pods) == confirmed


def test_no_secret_value_is_in_a_name_a_label_an_annotation_or_another_object(settled: Rotating) -> None:
    values = {value for data in settled.secrets.values() for value in data.values() if b"PUBLIC" not in value}
    assert len(values) > 10
    for manifest in settled.wished():
        text = repr({k: v for k, v in manifest.items() if (manifest["kind"], k) != ("Secret", "data")}).encode()
        assert not [value for value in values if value.strip() in text or base64.b64encode(value) in text]


@pytest.mark.parametrize("text", ["letsencrypt", "Certificate/ours", "ClusterIssuer/", "/name"])
def test_an_issuer_that_is_none_is_refused_in_a_sentence(text: str) -> None:
    environment = {f"CONSILIA_IMAGE_{n}": "image" for n in ("BROKER", "COORDINATOR", "HOSPITAL", "SPARK", "TRACKING")}
    environment |= {"CONSILIA_NAMESPACE": "consilia-system", "CONSILIA_POD": "one"}
    with pytest.raises(
        InvalidSetting, match=re.escape(f'CONSILIA_CERTIFICATE_ISSUER is "{text}"; it must be Issuer/name')
    ):
        Settings.of(environment | {"CONSILIA_CERTIFICATE_ISSUER": text})
