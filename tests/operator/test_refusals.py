"""What the API server refuses: one object is told and tried again, and holds up only what cannot do without it."""

from typing import Any

from builders import START, cohort_document, federation_document
from consilia.tokens import generate_keypair
from consilia_operator.naming import Manifest
from consilia_operator.outcome import Reconciled
from consilia_operator.reconcile import Reconciler
from consilia_operator.resources.secrets import SigningKey
from consilia_operator.status_view import status_of
from fake_cluster import FakeCluster, Place
from sites import NAMESPACE, UID, settings

KEY = SigningKey(*generate_keypair())
JOURNAL: Place = ("PersistentVolumeClaim", NAMESPACE, "breast-cancer-coordinator-journal")
POLICY: Place = ("NetworkPolicy", NAMESPACE, "breast-cancer-hospital-north")
CANNOT_GROW = "only dynamically provisioned pvc can be resized and the storageclass must support resize"


class World:
    """A federation of two hospitals on a cluster that refuses what the test says."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.reconciler = self.operator()
        for document in (federation_document(), cohort_document("north", 0), cohort_document("south", 1)):
            document["metadata"]["namespace"] = NAMESPACE
            self.cluster.put(document)
        self.federation["metadata"]["uid"] = UID

    def operator(self) -> Reconciler:
        """One that has applied nothing yet, and whose watches told what there is."""
        reconciler = Reconciler(self.cluster, settings(), KEY, lambda: START)
        for manifest in self.cluster.objects.values():
            reconciler.watched.see(False, manifest)
        self.cluster.watchers.append(reconciler.watched.see)
        return reconciler

    @property
    def federation(self) -> Manifest:
        return self.cluster.objects["Federation", NAMESPACE, "breast-cancer"]

    def wish(self, **spec: Any) -> None:
        self.cluster.put(self.federation | {"spec": self.federation["spec"] | spec})

    def reconcile(self) -> Reconciled:
        self.cluster.writes.clear()
        found = self.reconciler.reconcile((NAMESPACE, "breast-cancer"))
        assert isinstance(found, Reconciled)
        return found

    def size(self) -> str:
        return str(self.cluster.objects[JOURNAL]["spec"]["resources"]["requests"]["storage"])


def test_a_claim_that_may_not_grow_is_told_and_all_else_is_applied() -> None:
    world = World()
    assert not world.reconcile().unfinished
    world.cluster.refusing[JOURNAL] = CANNOT_GROW
    world.wish(coordinator={"storage": {"size": "5Gi"}, "resources": {"limits": {"memory": "3Gi"}}})
    found = world.reconcile()
    (problem,) = found.pod_problems
    assert (problem.component, problem.reason, found.unfinished) == ("coordinator", "StorageKept", True)
    assert problem.message == (
        "PersistentVolumeClaim consortium/breast-cancer-coordinator-journal keeps 1Gi: the Kubernetes API refuses: "
        f"{CANNOT_GROW}: set storage.size to 1Gi, or have its StorageClass allow expansion"
    )
    assert ("apply", ("StatefulSet", NAMESPACE, "breast-cancer-coordinator")) in world.cluster.writes


def test_a_refusal_is_over_when_the_class_lets_it_grow_or_the_wish_is_taken_back() -> None:
    for allowed, size in ((True, "5Gi"), (False, "1Gi")):
        world = World()
        world.reconcile()
        world.cluster.refusing[JOURNAL] = CANNOT_GROW
        world.wish(coordinator={"storage": {"size": "5Gi"}})
        assert world.reconcile().unfinished
        if allowed:
            world.cluster.refusing.clear()
        else:
            world.wish(coordinator={})
        found = world.reconcile()
        assert (found.unfinished, found.pod_problems, world.size()) == (False, [], size)


def test_a_size_that_shrinks_is_never_sent() -> None:
    world = World()
    world.wish(coordinator={"storage": {"size": "5Gi"}})
    world.reconcile()
    world.wish(coordinator={"storage": {"size": "2Gi"}})
    found = world.reconcile()
    assert (world.size(), found.unfinished) == ("5Gi", False)
    assert [problem.reason for problem in found.pod_problems] == ["StorageKept"]
    assert ("apply", JOURNAL) not in world.cluster.writes


def test_a_pod_is_not_made_without_its_network_policy_and_the_others_are() -> None:
    world = World()
    world.cluster.refusing[POLICY] = "exceeded quota: policies"
    found = world.reconcile()
    (problem,) = found.pod_problems
    assert (problem.component, problem.hospital, problem.reason) == ("hospital-north", "north", "ObjectRefused")
    assert problem.message == (
        "NetworkPolicy consortium/breast-cancer-hospital-north: the Kubernetes API refuses: exceeded quota: policies: "
        "mend what the API server names; it is tried again"
    )
    made = {name.rpartition("/breast-cancer-")[2] for name in world.cluster.names("StatefulSet")}
    assert made == {"broker", "coordinator", "hospital-south", "tracking"}
    world.cluster.refusing.clear()
    assert not world.reconcile().unfinished
    assert f"{NAMESPACE}/breast-cancer-hospital-north" in world.cluster.names("StatefulSet")


def test_what_was_refused_deletes_nothing() -> None:
    world = World()
    world.reconcile()
    world.cluster.refusing[POLICY] = "no"
    world.reconciler = world.operator()
    assert world.reconcile().unfinished
    assert not [write for write in world.cluster.writes if write[0] == "delete"]


def test_a_secret_is_never_left_out_before_the_next_one_is_written() -> None:
    world = World()
    secret: Place = ("Secret", NAMESPACE, "breast-cancer-accounts")
    world.cluster.refusing[secret] = "exceeded quota: secrets"
    found = world.reconcile()
    assert world.cluster.writes[-1] == ("apply", secret)
    (problem,) = found.pod_problems
    assert (problem.component, problem.reason, found.unfinished) == ("Secret", "ObjectRefused", True)
    assert problem.message.startswith("Secret consortium/breast-cancer-accounts: the Kubernetes API refuses: exceeded")


def test_a_hospital_that_is_taken_out_goes_whatever_is_refused_and_its_secret_when_the_others_are_written() -> None:
    world = World()
    world.reconcile()
    world.cluster.refusing["Secret", NAMESPACE, "breast-cancer-accounts"] = "exceeded quota: secrets"
    world.wish(hospitals=world.federation["spec"]["hospitals"][:1])
    assert world.reconcile().unfinished
    assert f"{NAMESPACE}/breast-cancer-hospital-south" not in world.cluster.names("StatefulSet")
    assert f"{NAMESPACE}/breast-cancer-account-south" in world.cluster.names("Secret")
    world.cluster.refusing.clear()
    assert not world.reconcile().unfinished
    assert f"{NAMESPACE}/breast-cancer-account-south" not in world.cluster.names("Secret")


def test_what_is_refused_is_told_in_the_status() -> None:
    world = World()
    world.cluster.refusing["Secret", NAMESPACE, "breast-cancer-accounts"] = "exceeded quota: secrets"
    status = status_of(world.reconcile(), None, None, 0, START)
    assert "exceeded quota: secrets" in str(status["conditions"])
