"""Names of objects: within what Kubernetes allows for the longest that people may give, and never shared."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consilia.pki import make_authority
from consilia.plan import BROKER, COORDINATOR, account_secret, hospital_component
from consilia.tokens import generate_keypair
from consilia_operator.naming import (
    LONGEST_LABEL,
    LONGEST_NAME,
    Manifest,
    component_of,
    host_of,
    object_name,
    selector,
    volume_name,
)
from consilia_operator.resources.everything import everything
from consilia_operator.resources.secrets import SigningKey
from consilia_operator.resources.site import Site
from consilia_operator.resources.storage import claim_name
from sites import site

NOW = datetime(2026, 11, 24, tzinfo=UTC)
KEY = SigningKey(*generate_keypair())
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
REVISION_HASH = 11
"""What a StatefulSet puts behind its name into its pods' label: a hyphen and at most ten letters."""

LONG = "f" + "x" * 62
LONG_HOSPITAL = "h" * 54


def names(first: str, rest: str, longest: int) -> st.SearchStrategy[str]:
    return st.from_regex(re.compile(rf"[{first}]([{rest}-]{{0,{longest - 2}}}[{rest}])?"), fullmatch=True)


FEDERATIONS = names("a-z", "a-z0-9", 63)
HOSPITALS = names("a-z0-9", "a-z0-9", 54).filter(lambda name: name != "coordinator")
NAMESPACES = names("a-z0-9", "a-z0-9", 63)


def parts(made: Site) -> list[str]:
    return [
        *(component.name for component in made.components),
        *{secret for component in made.components for secret in component.secrets},
        "authority-key",
    ]


@given(FEDERATIONS, HOSPITALS, NAMESPACES)
@example(LONG, LONG_HOSPITAL, "n" * 63)
@example("a", "b", "n")
def test_every_name_that_people_may_give_makes_names_that_kubernetes_takes(
    federation: str, hospital: str, namespace: str
) -> None:
    made = site(federation, (hospital,), namespace=namespace)
    for part in parts(made):
        for place in (None, namespace, "elsewhere"):
            name = object_name(made.federation, part, place)
            assert LABEL.fullmatch(name)
            assert len(name) <= LONGEST_NAME
            assert len(name) + REVISION_HASH <= LONGEST_LABEL
    for component in made.components:
        assert all(VALUE.fullmatch(value) for value in selector(made.federation, component).values())
        assert all(len(value) <= LONGEST_LABEL for value in selector(made.federation, component).values())
        for secret in component.secrets:
            assert len(volume_name(secret)) <= LONGEST_LABEL
            assert LABEL.fullmatch(volume_name(secret))


@given(FEDERATIONS, FEDERATIONS, HOSPITALS, HOSPITALS)
@example("a", "a-hospital-b", "b-coordinator", "c")
@example("a", "a-hospital", "hospital-b", "b")
@example("a", "a-account-b", "b", "coordinator-x")
@example("a" * 62, "a" * 63, LONG_HOSPITAL, LONG_HOSPITAL)
def test_two_federations_of_a_namespace_never_share_a_name(one: str, other: str, first: str, second: str) -> None:
    if one != other:
        mine, theirs = site(one, (first,)), site(other, (second,))
        ours = {object_name(mine.federation, part) for part in parts(mine)}
        assert not ours & {object_name(theirs.federation, part) for part in parts(theirs)}


@given(FEDERATIONS, st.lists(HOSPITALS, min_size=2, max_size=4, unique=True))
@example("f", [LONG_HOSPITAL, LONG_HOSPITAL[:-1] + "i"])
def test_the_parts_of_a_federation_never_share_a_name(federation: str, hospitals: list[str]) -> None:
    made = site(federation, tuple(hospitals))
    given_names = [object_name(made.federation, part) for part in sorted(parts(made))]
    assert len(set(given_names)) == len(given_names)
    volumes = [claim_name(made, c, volume) for c in made.components for volume in c.volumes]
    assert len(set(volumes)) == len(volumes)


def test_a_hospital_named_to_look_like_anothers_hash_does_not_get_its_name() -> None:
    victim = object_name(site("a-hospital-b").federation, COORDINATOR)
    attacker = victim.removeprefix("a-hospital-")
    made = site("a", (attacker,))
    assert object_name(made.federation, hospital_component(attacker)) != victim


def test_two_federations_of_one_name_may_meet_in_a_hospitals_namespace() -> None:
    first, second = site(namespace="consortium"), site(namespace="university")
    part = hospital_component("north")
    assert object_name(first.federation, part, "clinic") != object_name(second.federation, part, "clinic")
    assert object_name(first.federation, part, "consortium") == object_name(first.federation, part)


@pytest.mark.parametrize(
    ("federation", "part", "namespace", "name"),
    [
        pytest.param("breast-cancer", "hospital-north", None, "breast-cancer-hospital-north", id="short"),
        pytest.param("f" * 40, "hospital-north", None, f"{'f' * 26}-hospital-north-eb1d096081", id="long"),
        pytest.param(
            "breast-cancer", "broker", "clinic", "breast-cancer-broker-26d6d7c7b3", id="in a cohort's namespace"
        ),
    ],
)
def test_names_stay_as_they_are_from_release_to_release(
    federation: str, part: str, namespace: str | None, name: str
) -> None:
    assert object_name(site(federation).federation, part, namespace) == name


@pytest.mark.parametrize("component", site().components, ids=lambda component: component.name)
def test_the_labels_of_a_components_objects_tell_whose_they_are(component: object) -> None:
    made = site()
    known = next(each for each in made.components if each == component)
    assert component_of(selector(made.federation, known)) == known.name


def test_what_belongs_to_no_component_is_nobodys() -> None:
    assert component_of({"app.kubernetes.io/name": "consilia"}) is None


def test_the_longest_names_make_objects_whose_every_name_is_legal() -> None:
    made = site(LONG, (LONG_HOSPITAL, "h" * 53 + "i"), {LONG_HOSPITAL: "c" * 63}, namespace="n" * 63)
    for manifest in everything(made, {}, KEY, NOW):
        described = manifest["metadata"]
        assert LABEL.fullmatch(described["name"])
        assert all(len(value) <= LONGEST_LABEL and VALUE.fullmatch(value) for value in described["labels"].values())
        if manifest["kind"] == "StatefulSet":
            volumes = [volume["name"] for volume in manifest["spec"]["template"]["spec"]["volumes"]]
            assert len(set(volumes)) == len(volumes)
            assert all(LABEL.fullmatch(volume) and len(volume) <= LONGEST_LABEL for volume in volumes)


def test_what_a_pod_mounts_is_made_in_its_namespace() -> None:
    made = site(LONG, (LONG_HOSPITAL, "north"), {LONG_HOSPITAL: "clinic"})
    manifests = everything(made, {}, KEY, NOW)
    there = {(m["kind"], m["metadata"]["namespace"], m["metadata"]["name"]) for m in manifests}
    for manifest in manifests:
        if manifest["kind"] == "StatefulSet":
            assert mounted(manifest) <= there


def mounted(stateful_set: Manifest) -> set[tuple[str, str, str]]:
    namespace = stateful_set["metadata"]["namespace"]
    found = set()
    for volume in stateful_set["spec"]["template"]["spec"]["volumes"]:
        for source, kind, field in (
            ("secret", "Secret", "secretName"),
            ("configMap", "ConfigMap", "name"),
            ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"),
        ):
            if source in volume:
                found.add((kind, namespace, volume[source][field]))
    return found


def test_the_longest_host_of_a_broker_fits_a_certificate_and_a_domain() -> None:
    made = site(LONG, namespace="n" * 63)
    for component in (BROKER, COORDINATOR):
        host = host_of(made.federation, component)
        assert len(host) <= 253
        assert all(LABEL.fullmatch(label) and len(label) <= LONGEST_LABEL for label in host.split("."))
        issued = make_authority(host, NOW, 10).issue([host], NOW)
        assert issued.cert_pem


def test_a_volume_of_a_long_name_is_cut_and_keeps_apart() -> None:
    wanted = [f"{'s' * 70}{number}" for number in range(20)]
    made = {volume_name(name) for name in wanted}
    assert len(made) == len(wanted)
    assert max(map(len, made)) == LONGEST_LABEL
    assert volume_name(account_secret(LONG_HOSPITAL)) == account_secret(LONG_HOSPITAL)
