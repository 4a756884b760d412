"""Five hospitals, each in a namespace of its own: nothing without grants, all with them, and what a scientist may."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import yaml

from cluster.applied import Applied
from cluster.kit.cluster import Cluster, KubectlFailed
from cluster.release import Release
from deadline import eventually
from running import computed_parameters, example

pytestmark = pytest.mark.cluster

HOSPITALS = ("harbor", "hillview", "lakeside", "north", "riverside")
UNTIL_GRANTED = 30
SWEEP_SECONDS = 60
POD = "POD"
"""Stands for the name of a pod of the namespace."""


@dataclass(frozen=True)
class Consortium:
    """The namespace of the scientist, the hospitals' by name, and the federation."""

    cluster: Cluster
    namespace: str
    hospitals: dict[str, str]
    applied: Applied

    def cohort(self, hospital: str, *, granted: bool) -> dict[str, Any]:
        """A hospital's Cohort, with a grant for the consortium or with none."""
        documents = yaml.safe_load_all(example())
        found = next(d for d in documents if d["kind"] == "Cohort" and d["spec"]["hospital"] == hospital)
        found["spec"]["grants"] = [{"namespace": self.namespace, "federations": ["*"]}] if granted else []
        cohort: dict[str, Any] = found
        return cohort

    def let(self, hospital: str, *, granted: bool) -> None:
        """What the hospital's steward applies."""
        self.cluster.apply(self.cohort(hospital, granted=granted), namespace=self.hospitals[hospital])

    def agents(self) -> set[str]:
        """The hospitals that have an agent's pod, whatever it does."""
        return {
            name
            for name, namespace in self.hospitals.items()
            if self.cluster.get("pods", f"--namespace={namespace}")["items"]
        }


@pytest.fixture(scope="module")
def consortium(cluster: Cluster, release: Release) -> Iterator[Consortium]:
    assert release
    with ExitStack() as stack:
        own = stack.enter_context(cluster.namespace("consortium"))
        hospitals = {name: stack.enter_context(cluster.namespace(name)) for name in HOSPITALS}
        (federation,) = [d for d in yaml.safe_load_all(example()) if d["kind"] == "Federation"]
        for hospital in federation["spec"]["hospitals"]:
            hospital["cohort"]["namespace"] = hospitals[hospital["name"]]
        applied = Applied(cluster, own, yaml.safe_dump(federation))
        yield Consortium(cluster, own, hospitals, applied)


def test_without_grants_it_waits_and_says_whom_to_ask(consortium: Consortium) -> None:
    for hospital in HOSPITALS:
        consortium.let(hospital, granted=False)
    consortium.applied.apply()
    status = consortium.applied.until(lambda status: status.get("phase") == "Blocked", "Blocked", UNTIL_GRANTED)
    told = (
        f"Cohort {consortium.hospitals['north']}/north-2024 is not granted to federation "
        f"{consortium.namespace}/breast-cancer"
    )
    assert told in status["message"]
    assert consortium.agents() == set()
    assert [e for e in consortium.applied.events() if e[0] == "Warning" and told in e[2]]


def test_with_grants_it_trains_the_model_of_a_local_run(consortium: Consortium, release: Release) -> None:
    for hospital in HOSPITALS:
        consortium.let(hospital, granted=True)
    consortium.applied.until_complete()
    expected = computed_parameters(example())
    assert np.abs(consortium.applied.parameters(release) - expected).max() < 1e-9


def test_an_agent_in_a_hospitals_namespace_finds_only_what_is_its_own(consortium: Consortium) -> None:
    north = f"--namespace={consortium.hospitals['north']}"
    secrets = consortium.cluster.get("secrets", north)["items"]
    # Nobody else's password, no key of any certificate, no key for tokens.
    assert sorted(key for secret in secrets for key in secret["data"]) == ["ca.crt", "password"]


@pytest.fixture(scope="module")
def scientist(consortium: Consortium) -> str:
    """Somebody who may use federations in the consortium's namespace, and cohorts are theirs to look at."""
    user = f"ada-{consortium.namespace}"
    binding = ("--clusterrole=consilia-scientist", f"--user={user}", f"--namespace={consortium.namespace}")
    consortium.cluster.kubectl("create", "rolebinding", "ada", *binding)
    return user


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        pytest.param(("get", "cohorts"), "north", id="the hospital's cohorts"),
        pytest.param(("patch", "cohort", "north-2024", "--patch", "{}"), "north", id="a cohort"),
        pytest.param(("get", "secrets"), "north", id="its secrets"),
        pytest.param(("get", "pods"), "north", id="its pods"),
        pytest.param(("logs", POD), "north", id="its logs"),
        pytest.param(("exec", POD, "--", "id"), "north", id="a shell at the hospital"),
        pytest.param(("delete", "persistentvolumeclaims", "--all"), "north", id="its volumes"),
        pytest.param(("get", "secrets"), "consortium", id="secrets of the federation"),
        pytest.param(("get", "pods"), "consortium", id="pods of the federation"),
        pytest.param(
            ("patch", "fed", "breast-cancer", "--subresource=status", "--type=merge", "--patch", '{"status":{}}'),
            "consortium",
            id="the status",
        ),
    ],
)
def test_a_scientist_reaches_nothing_of_a_hospital(
    consortium: Consortium, scientist: str, arguments: tuple[str, ...], where: str
) -> None:
    namespace = consortium.hospitals.get(where, consortium.namespace)
    pod = consortium.cluster.get("pods", f"--namespace={namespace}")["items"][0]["metadata"]["name"]
    verb, *rest = [pod if argument == POD else argument for argument in arguments]
    with pytest.raises(KubectlFailed, match="forbidden"):
        consortium.cluster.kubectl(verb, f"--namespace={namespace}", f"--as={scientist}", *rest)


def test_a_scientist_watches_and_edits_the_federation(consortium: Consortium, scientist: str) -> None:
    here = (f"--namespace={consortium.namespace}", f"--as={scientist}")
    assert "Complete" in consortium.cluster.kubectl("get", "fed", *here)
    consortium.cluster.kubectl("patch", "fed", "breast-cancer", *here, "--type=merge", "--patch", '{"spec":{}}')
    assert "Started" in consortium.cluster.kubectl("describe", "fed", "breast-cancer", *here)


def test_a_grant_that_is_withdrawn_takes_the_agent_away(consortium: Consortium) -> None:
    consortium.let("north", granted=False)
    eventually(lambda: "north" not in consortium.agents(), UNTIL_GRANTED, consortium.cluster.story, pause=0.5)
    assert consortium.agents() == set(HOSPITALS) - {"north"}
    secrets = consortium.cluster.get("secrets", f"--namespace={consortium.hospitals['north']}")["items"]
    assert secrets == []
    consortium.let("north", granted=True)
    eventually(lambda: "north" in consortium.agents(), UNTIL_GRANTED, consortium.cluster.story, pause=0.5)


def test_a_deletion_needs_no_operator_and_the_agents_go_when_it_is_back(
    consortium: Consortium, release: Release
) -> None:
    release.scale("operator", 0)
    try:
        consortium.applied.delete()
        here = f"--namespace={consortium.namespace}"

        def left() -> list[str]:
            kinds = "statefulsets,pods,services,secrets,configmaps,persistentvolumeclaims,networkpolicies"
            found = consortium.cluster.get(kinds, here)["items"]
            return [f"{o['kind']}/{o['metadata']['name']}" for o in found if _is_ours(o)]

        eventually(lambda: left() == [], SWEEP_SECONDS, lambda: json.dumps(left()), pause=0.5)
        assert consortium.agents() == set(HOSPITALS)
    finally:
        release.scale("operator", 1)
    eventually(lambda: consortium.agents() == set(), SWEEP_SECONDS, consortium.cluster.story, pause=0.5)
    for hospital, namespace in consortium.hospitals.items():
        claims = consortium.cluster.get("persistentvolumeclaims", f"--namespace={namespace}")["items"]
        assert [c["metadata"]["name"] for c in claims] == [f"{hospital}-2024-ledger"]


def _is_ours(found: dict[str, Any]) -> bool:
    return found["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") == "consilia-operator"
