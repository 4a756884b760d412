"""Reconciling: what is made, kept, pruned and swept, and what may not be made."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from consilia.status import FederationStatus, HospitalStatus
from consilia.tokens import generate_keypair
from consilia_operator.naming import Manifest
from consilia_operator.outcome import Reconciled, Refused
from consilia_operator.reconcile import Reconciler
from consilia_operator.resources.secrets import SigningKey
from consilia_operator.settings import COMPONENTS, Settings
from consilia_operator.status_view import desired_run, refused_status, status_of
from fake_cluster import FakeCluster

EXAMPLE = Path(__file__).parents[2] / "examples" / "breast-cancer.yaml"
SETTINGS = Settings(
    namespace="consilia-system",
    identity="operator-1",
    images={name: f"localhost/consilia-{name}:1" for name in COMPONENTS},
    mlflow_uri="http://mlflow:5000",
    storage_class=None,
    port=8080,
)
KEY = SigningKey(*generate_keypair())
START = datetime(2026, 11, 24, tzinfo=UTC)
FEDERATION = ("consortium", "breast-cancer")


class World:
    """A cluster with the example on it, and an operator whose clock the test sets."""

    def __init__(self, namespaces: bool = False) -> None:
        self.cluster = FakeCluster()
        self.now = START
        self.reconciler = self.operator()
        for document in yaml.safe_load_all(EXAMPLE.read_text()):
            document["metadata"]["namespace"] = "consortium"
            if document["kind"] == "Cohort" and namespaces:
                document["metadata"]["namespace"] = document["spec"]["hospital"]
            if document["kind"] == "Federation" and namespaces:
                for hospital in document["spec"]["hospitals"]:
                    hospital["cohort"]["namespace"] = hospital["name"]
            self.cluster.put(document)

    def operator(self) -> Reconciler:
        """One whose watches tell at once what happens, and told what there was."""
        reconciler = Reconciler(self.cluster, SETTINGS, KEY, lambda: self.now)

        for manifest in self.cluster.objects.values():
            reconciler.watched.see(False, manifest)
        self.cluster.watchers.append(reconciler.watched.see)
        return reconciler

    def reconcile(self) -> Reconciled:
        outcome = self.reconciler.reconcile(FEDERATION)
        assert isinstance(outcome, Reconciled)
        return outcome

    def edit(self, kind: str, namespace: str, name: str, **spec: object) -> None:
        found = self.cluster.get(kind, namespace, name)
        assert found is not None
        found["spec"] |= spec
        self.cluster.put(found)

    def object(self, kind: str, name: str, namespace: str = "consortium") -> Manifest:
        found = self.cluster.get(kind, namespace, name)
        assert found is not None, self.cluster.names(kind)
        return found


HOSPITALS = ("harbor", "hillview", "lakeside", "north", "riverside")


def test_a_federation_gets_a_workload_for_each_component_of_its_plan() -> None:
    world = World()
    world.reconcile()
    parts = ["broker", "coordinator", *(f"hospital-{name}" for name in HOSPITALS), "tracking"]
    assert world.cluster.names("StatefulSet") == [f"consortium/breast-cancer-{part}" for part in sorted(parts)]
    assert world.cluster.names("Service") == ["consortium/breast-cancer-broker", "consortium/breast-cancer-coordinator"]
    assert len(world.cluster.names("NetworkPolicy")) == len(parts)
    assert world.cluster.names("PodDisruptionBudget") == ["consortium/breast-cancer-hospitals"]


def test_an_idle_federation_costs_no_write() -> None:
    world = World()
    world.reconcile()
    world.cluster.writes.clear()
    world.reconcile()
    assert world.cluster.writes == []


def test_another_operator_makes_the_same_objects_to_the_byte() -> None:
    world = World()
    world.reconcile()
    before = {place: o for place, o in world.cluster.objects.items() if place[0] == "Secret"}
    world.operator().reconcile(FEDERATION)
    after = {place: world.cluster.objects[place] for place in before}
    assert {p: o["data"] for p, o in before.items()} == {p: o["data"] for p, o in after.items()}


def test_certificates_are_renewed_after_sixty_days_and_their_pods_restarted() -> None:
    world = World()
    world.reconcile()
    certificate = world.object("Secret", "breast-cancer-broker-certificate")["data"]
    revision = world.object("StatefulSet", "breast-cancer-broker")["spec"]["template"]["metadata"]["annotations"]
    world.now = START + timedelta(days=59)
    world.reconcile()
    assert world.object("Secret", "breast-cancer-broker-certificate")["data"] == certificate
    world.now = START + timedelta(days=61)
    world.reconcile()
    assert world.object("Secret", "breast-cancer-broker-certificate")["data"] != certificate
    renewed = world.object("StatefulSet", "breast-cancer-broker")["spec"]["template"]["metadata"]["annotations"]
    assert renewed != revision


def test_a_hospital_that_is_taken_out_is_pruned() -> None:
    world = World()
    world.reconcile()
    hospitals = world.object("Federation", "breast-cancer")["spec"]["hospitals"]
    world.edit("Federation", *FEDERATION, hospitals=[h for h in hospitals if h["name"] != "north"])
    world.reconcile()
    assert not [name for name in world.cluster.names("StatefulSet") if "north" in name]
    assert not [name for name in world.cluster.names("Secret") if "north" in name]


def test_without_a_grant_nothing_is_made_in_another_namespace_and_the_reason_is_said() -> None:
    world = World(namespaces=True)
    outcome = world.reconcile()
    assert not [name for name in world.cluster.names("StatefulSet") if "hospital" in name]
    assert outcome.admission.problems["north"].message == (
        "Cohort north/north-2024 is not granted to federation consortium/breast-cancer: "
        "ask the hospital to add it to the cohort's spec.grants"
    )
    status = status_of(outcome, None, None, 0, START)
    assert status["phase"] == "Blocked"
    assert "not granted" in status["message"]


def test_with_grants_agents_run_in_their_cohorts_namespaces_owned_by_them_and_go_when_withdrawn() -> None:
    world = World(namespaces=True)
    for name in HOSPITALS:
        world.edit("Cohort", name, f"{name}-2024", grants=[{"namespace": "consortium", "federations": ["*"]}])
    world.reconcile()
    (agent,) = world.cluster.all("StatefulSet", "north")
    (owner,) = agent["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Cohort", "north-2024")
    secrets = [set(secret["data"]) for secret in world.cluster.all("Secret", "north")]
    assert sorted(map(sorted, secrets)) == [["ca.crt"], ["password"]]
    world.edit("Cohort", "north", "north-2024", grants=[{"namespace": "elsewhere", "federations": ["*"]}])
    world.reconcile()
    assert not [name for name in world.cluster.names("StatefulSet") if name.startswith("north/")]
    assert not [name for name in world.cluster.names("Secret") if name.startswith("north/")]


def test_what_a_deleted_federation_left_in_other_namespaces_is_swept() -> None:
    world = World(namespaces=True)
    for name in HOSPITALS:
        world.edit("Cohort", name, f"{name}-2024", grants=[{"namespace": "consortium", "federations": ["*"]}])
    world.reconcile()
    world.cluster.lose("Federation", *FEDERATION)
    assert world.reconciler.reconcile(FEDERATION) is None
    assert world.cluster.names("StatefulSet") == []


def test_a_missing_cohort_is_said_by_name() -> None:
    world = World()
    world.cluster.lose("Cohort", "consortium", "north-2024")
    (hospital, problem), *_ = world.reconcile().admission.problems.items()
    assert (hospital, problem.reason) == ("north", "CohortMissing")
    assert "Cohort consortium/north-2024 does not exist" in problem.message


def test_a_spec_that_cannot_be_run_blocks_with_its_sentence() -> None:
    world = World()
    world.edit("Federation", *FEDERATION, quorum=9)
    outcome = world.reconciler.reconcile(FEDERATION)
    assert isinstance(outcome, Refused)
    assert "quorum 9 is more than the 5 hospitals" in refused_status(outcome, START)["message"]


@pytest.mark.parametrize(
    ("wished", "reached", "run"),
    [
        pytest.param(None, None, 1, id="the first"),
        pytest.param(None, 3, 3, id="none wished"),
        pytest.param(4, 3, 4, id="a new one"),
        pytest.param(2, 3, 3, id="a lower one is ignored"),
    ],
)
def test_the_desired_run_never_goes_back(wished: int | None, reached: int | None, run: int) -> None:
    world = World()
    if wished is not None:
        world.edit("Federation", *FEDERATION, run=wished)
    if reached is not None:
        world.cluster.objects["Federation", *FEDERATION]["status"] = {"run": reached}
    assert desired_run(world.reconcile()) == run


def test_no_secret_value_is_in_any_object_but_the_secrets() -> None:
    world = World()
    world.reconcile()
    values = [v for place, o in world.cluster.objects.items() if place[0] == "Secret" for v in o["data"].values()]
    for place, found in world.cluster.objects.items():
        if place[0] != "Secret":
            text = yaml.safe_dump(found)
            assert not [value for value in values if value in text], place


@pytest.mark.parametrize("name", ["broker", "coordinator", "hospital-north", "tracking"])
def test_every_pod_meets_the_restricted_standard_and_holds_no_token(name: str) -> None:
    world = World()
    world.reconcile()
    pod = world.object("StatefulSet", f"breast-cancer-{name}")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"]
        assert container["resources"]["limits"]


def test_a_sign_of_life_alone_is_no_reason_to_write_the_status() -> None:
    outcome = World().reconcile()

    def written(seen: str) -> Manifest:
        north = HospitalStatus(name="north", phase="Ready", last_seen=seen)
        return status_of(outcome, FederationStatus(phase="Idle", hospitals=[north]), None, 3, START)

    assert written("2026-11-24T00:00:01Z")["hospitalsReady"] == "0/5"
    assert written("2026-11-24T00:00:01Z") == written("2026-11-24T00:00:06Z")
