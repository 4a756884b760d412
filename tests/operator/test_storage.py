"""Claims: they grow and never shrink, their class stays, and a ledger is nobody's."""

from typing import Any

import pytest

from consilia_operator.naming import UID_LABEL, Manifest
from consilia_operator.resources.storage import LEDGER_SIZE, claim_problems, claims
from sites import NAMESPACE, settings, site


def made_claims(agents: dict[str, Any] | None = None, **more: Any) -> dict[str, Manifest]:
    """The claims of a federation by name."""
    made = site(agents=agents, **more)
    return {claim["metadata"]["name"]: claim for component in made.components for claim in claims(made, component)}


def present(name: str, size: str, storage_class: str | None = "standard") -> dict[tuple[str, str], Manifest]:
    spec = {"resources": {"requests": {"storage": size}}} | (
        {"storageClassName": storage_class} if storage_class else {}
    )
    return {(NAMESPACE, name): {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}}


def size_of(claim: Manifest) -> str:
    return str(claim["spec"]["resources"]["requests"]["storage"])


JOURNAL, OUTBOX, LEDGER = (
    "breast-cancer-coordinator-journal",
    "breast-cancer-hospital-north-outbox",
    "north-2024-ledger",
)


def test_the_claims_of_a_federation() -> None:
    assert sorted(made_claims()) == [
        JOURNAL,
        OUTBOX,
        "breast-cancer-hospital-south-outbox",
        LEDGER,
        "south-2024-ledger",
    ]


def test_sizes_and_classes_come_from_who_decides_them() -> None:
    found = made_claims(
        agents={"north": {"storage": {"size": "3Gi", "className": "fast"}}},
        spec={"coordinator": {"storage": {"size": "5Gi"}}},
        installation=settings(storage_class="standard"),
    )
    assert (size_of(found[JOURNAL]), found[JOURNAL]["spec"]["storageClassName"]) == ("5Gi", "standard")
    assert (size_of(found[OUTBOX]), found[OUTBOX]["spec"]["storageClassName"]) == ("3Gi", "fast")
    assert (size_of(found[LEDGER]), found[LEDGER]["spec"]["storageClassName"]) == (LEDGER_SIZE, "fast")
    assert size_of(found["breast-cancer-hospital-south-outbox"]) == "1Gi"


def test_without_any_class_the_clusters_own_is_taken() -> None:
    assert "storageClassName" not in made_claims()[JOURNAL]["spec"]


@pytest.mark.parametrize(
    ("held", "wished", "sent"),
    [
        pytest.param("1Gi", "5Gi", "5Gi", id="it grows"),
        pytest.param("5Gi", "1Gi", "5Gi", id="it does not shrink"),
        pytest.param("5Gi", None, "5Gi", id="it keeps its size when the wish is taken back"),
        pytest.param("1536Mi", "1.5Gi", "1.5Gi", id="the same in other words"),
        pytest.param("1073741824", "1G", "1073741824", id="bytes"),
        pytest.param("1205812035072m", "1.123Gi", "1.123Gi", id="as an API server writes fractions"),
    ],
)
def test_a_claim_that_is_there_grows_and_never_shrinks(held: str, wished: str | None, sent: str) -> None:
    storage = {"size": wished} if wished else {}
    found = made_claims(spec={"coordinator": {"storage": storage}}, claims=present(JOURNAL, held))
    assert size_of(found[JOURNAL]) == sent


@pytest.mark.parametrize("held", ["standard", None], ids=str)
def test_a_claim_that_is_there_keeps_its_class(held: str | None) -> None:
    spec = {"coordinator": {"storage": {"className": "fast"}}}
    found = made_claims(spec=spec, claims=present(JOURNAL, "1Gi", held))
    assert found[JOURNAL]["spec"].get("storageClassName") == held


def test_what_a_claim_cannot_become_is_said_with_the_remedy() -> None:
    agents = {"north": {"storage": {"size": "1Gi", "className": "fast"}}}
    problems = claim_problems(site(agents=agents, claims=present(OUTBOX, "5Gi")))
    assert [(p.component, p.hospital, p.reason) for p in problems] == [("hospital-north", "north", "StorageKept")] * 2
    claim = f"PersistentVolumeClaim consortium/{OUTBOX}"
    assert [p.message for p in problems] == [
        f"{claim} keeps 5Gi, for a claim cannot shrink to 1Gi: set storage.size to 5Gi",
        f"{claim} keeps StorageClass standard, for a claim cannot change to fast: set storage.className to standard",
    ]


@pytest.mark.parametrize(
    "storage",
    [{}, {"size": "5Gi"}, {"size": "6Gi"}, {"className": "standard"}],
    ids=["nothing", "same", "more", "class"],
)
def test_a_wish_that_can_be_met_is_no_problem(storage: dict[str, Any]) -> None:
    assert claim_problems(site(agents={"north": {"storage": storage}}, claims=present(OUTBOX, "5Gi"))) == []


def test_a_ledger_outlives_federation_and_cohort() -> None:
    ledger = made_claims(namespaces={"north": "clinic"})[LEDGER]
    assert ledger["metadata"]["namespace"] == "clinic"
    assert "ownerReferences" not in ledger["metadata"]
    assert UID_LABEL not in ledger["metadata"]["labels"], "pruning and sweeping go by it"
    assert "app.kubernetes.io/managed-by" not in ledger["metadata"]["labels"]
    assert ledger["metadata"]["labels"]["consilia.health/cohort"] == "north-2024"


def test_a_ledger_that_is_found_again_is_taken_as_it_is() -> None:
    agents = {"north": {"storage": {"className": "fast"}}}
    there = present(LEDGER, "2Gi")
    there[NAMESPACE, LEDGER]["spec"]["accessModes"] = ["ReadWriteMany"]
    assert made_claims(agents=agents, claims=there)[LEDGER]["spec"] == there[NAMESPACE, LEDGER]["spec"]


def test_two_federations_mount_the_same_ledger_of_a_cohort() -> None:
    assert made_claims(name="first")[LEDGER] == made_claims(name="second", uid="another")[LEDGER]
