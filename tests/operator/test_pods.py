"""What pods, their StatefulSets and their Events tell of a component: what is wrong, with which object, what to do."""

from datetime import timedelta
from typing import Any

import pytest

from consilia_operator.pods import is_ready, pod_problems, settled, stuck_pods
from consilia_operator.problems import Problem
from pod_manifests import NAME, POD, READY, SET, START, STORAGE, again, event, pod, unscheduled, waiting


@pytest.mark.parametrize(
    ("found", "reason", "message"),
    [
        pytest.param(
            unscheduled("0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available."),
            "Unschedulable",
            f"{POD} cannot be scheduled: 0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes "
            "are available: free memory on a node, add a node, or lower what it requests",
            id="no memory",
        ),
        pytest.param(
            unscheduled("0/2 nodes are available: 1 Insufficient cpu, 1 Insufficient memory."),
            "Unschedulable",
            f"{POD} cannot be scheduled: 0/2 nodes are available: 1 Insufficient cpu, 1 Insufficient memory: "
            "free cpu and memory on a node, add a node, or lower what it requests",
            id="neither cpu nor memory",
        ),
        pytest.param(
            unscheduled("0/1 nodes are available: 1 node(s) had untolerated taint {a: b}."),
            "Unschedulable",
            f"{POD} cannot be scheduled: 0/1 nodes are available: 1 node(s) had untolerated taint {{a: b}}: add "
            "a node without that taint, or take the taint away",
            id="a taint",
        ),
        pytest.param(
            unscheduled("0/1 nodes are available: 1 node(s) had volume node affinity conflict."),
            "Unschedulable",
            f"{POD} cannot be scheduled: 0/1 nodes are available: 1 node(s) had volume node affinity conflict: "
            "bring the node that holds its volume back",
            id="its volume's node is away",
        ),
        pytest.param(
            unscheduled("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."),
            "Unschedulable",
            f"{POD} cannot be scheduled: 0/1 nodes are available: 1 node(s) didn't match Pod's node "
            "affinity/selector: add a node that fits, or mend what the scheduler names",
            id="no node that is asked for",
        ),
        pytest.param(
            pod(conditions=[{"type": "PodScheduled", "status": "False"}]),
            "Unschedulable",
            f"{POD} cannot be scheduled: the scheduler gives no reason: add a node that fits, or mend what the "
            "scheduler names",
            id="a silent scheduler",
        ),
        pytest.param(
            unscheduled('0/1 nodes are available: persistentvolumeclaim "rows" not found. preemption: none'),
            "ClaimMissing",
            f"{POD} needs PersistentVolumeClaim north/rows, which does not exist: create it, or correct the name "
            "that was given",
            id="a missing claim",
        ),
        pytest.param(
            unscheduled("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."),
            "ClaimPending",
            f"{POD} waits for storage, as PersistentVolumeClaim north/f-hospital-north-outbox gets none: {STORAGE}",
            id="a claim without a volume",
        ),
        pytest.param(
            waiting("ErrImagePull", "rpc error: not found"),
            "ImageUnavailable",
            f'{POD}: image "reg/x:1" cannot be pulled (rpc error: not found): correct its name, or see that the '
            "node can reach its registry and may read it",
            id="an image that cannot be pulled",
        ),
        pytest.param(
            waiting("ImagePullBackOff", 'Back-off pulling image "reg/x:1": ErrImagePull: rpc error: not found'),
            "ImageUnavailable",
            f'{POD}: image "reg/x:1" cannot be pulled (rpc error: not found): correct its name, or see that the '
            "node can reach its registry and may read it",
            id="still not, for the same reason",
        ),
        pytest.param(
            waiting("InvalidImageName"),
            "ImageUnavailable",
            f'{POD}: "reg/x:1" is not the name of an image: correct it',
            id="no name of an image",
        ),
        pytest.param(
            waiting("ErrImageNeverPull"),
            "ImageUnavailable",
            f'{POD}: image "reg/x:1" is not on the node and may not be pulled: load it, or correct its name',
            id="an image that is not there",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", 'secret "database" not found'),
            "SecretMissing",
            f"{POD} needs Secret north/database, which does not exist: create it, or correct the name that was given",
            id="a missing Secret",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", "couldn't find key password in Secret north/database"),
            "SecretMissing",
            f'{POD} needs the key "password" of Secret north/database: add it',
            id="a missing key of a Secret",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
            "ContainerRefused",
            f"{POD} cannot start its container (CreateContainerConfigError): container has runAsNonRoot and "
            "image will run as root: mend what is named",
            id="a container that is refused",
        ),
        pytest.param(
            waiting("RunContainerError"),
            "ContainerRefused",
            f"{POD} cannot start its container (RunContainerError): no reason is given: mend what is named",
            id="refused without a word",
        ),
    ],
)
def test_a_pod_that_cannot_run_says_why_with_the_object_and_the_remedy(
    found: dict[str, Any], reason: str, message: str
) -> None:
    (problem,) = pod_problems([found])
    assert (problem.component, problem.hospital, problem.reason) == ("hospital-north", "north", reason)
    assert problem.message == message
    assert problem.sentence == f"north: {message}"


def going(found: dict[str, Any]) -> dict[str, Any]:
    return found | {"metadata": found["metadata"] | {"deletionTimestamp": "2026-11-24T12:00:00Z"}}


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(pod(phase="Running", conditions=READY), id="ready"),
        pytest.param(pod(), id="just made"),
        pytest.param(waiting("ContainerCreating"), id="starting"),
        pytest.param(again(exitCode=0), id="ended well and was started again"),
        pytest.param(again("broker", None, exitCode=1), id="a broker that is ready again"),
        pytest.param(going(waiting("ErrImagePull")), id="going"),
    ],
)
def test_a_pod_that_runs_or_is_on_its_way_has_no_problem(found: dict[str, Any]) -> None:
    assert pod_problems([found]) == []


def claim(name: str = "f-hospital-north-outbox", phase: str = "Pending", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "north", "name": name}, "spec": spec, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("known", "named"),
    [
        pytest.param(
            [claim(storageClassName="absent")], "north/f-hospital-north-outbox (StorageClass absent)", id="a class"
        ),
        pytest.param([claim()], "north/f-hospital-north-outbox (the cluster's default StorageClass)", id="no class"),
        pytest.param(
            [claim() | {"metadata": claim()["metadata"] | {"namespace": "south"}}, claim(storageClassName="a")],
            "north/f-hospital-north-outbox (StorageClass a)",
            id="not one of another namespace",
        ),
        pytest.param([claim("another")], "north/f-hospital-north-outbox", id="another pod's"),
        pytest.param([claim(phase="Bound")], "north/f-hospital-north-outbox", id="bound meanwhile"),
    ],
)
def test_of_a_pods_claims_those_are_named_that_get_no_volume(known: list[dict[str, Any]], named: str) -> None:
    found = unscheduled("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.")
    (problem,) = pod_problems([found], claims=known)
    assert problem.message == f"{POD} waits for storage, as PersistentVolumeClaim {named} gets none: {STORAGE}"


@pytest.mark.parametrize(
    ("seconds", "told"), [pytest.param(9, False, id="looking"), pytest.param(10, True, id="looked long enough")]
)
def test_a_pod_may_look_for_its_node_for_ten_seconds(seconds: int, told: bool) -> None:
    found = unscheduled("no node", lastTransitionTime="2026-11-24T12:00:00Z")
    assert bool(pod_problems([found], now=START + timedelta(seconds=seconds))) is told
    assert pod_problems([found]), "without a clock nobody waits"
    assert pod_problems([unscheduled("no node")], now=START), "nobody knows for how long"


@pytest.mark.parametrize(
    ("told", "reason", "message"),
    [
        pytest.param(
            event("FailedMount", 'MountVolume.SetUp failed for volume "s" : secret "keys" not found'),
            "SecretMissing",
            f"{POD} needs Secret north/keys, which does not exist: create it, or correct the name that was given",
            id="a missing Secret",
        ),
        pytest.param(
            event("FailedMount", 'MountVolume.SetUp failed for volume "c" : configmap "columns" not found'),
            "ConfigMapMissing",
            f"{POD} needs ConfigMap north/columns, which does not exist: create it, or correct the name that was given",
            id="a missing ConfigMap",
        ),
        pytest.param(
            event("FailedMount", "references non-existent secret key: ca.crt"),
            "SecretMissing",
            f'{POD} needs the key "ca.crt" of a Secret that it mounts: add it',
            id="a missing key of a Secret",
        ),
        pytest.param(
            event("FailedMount", "references non-existent config key: cohort.json"),
            "ConfigMapMissing",
            f'{POD} needs the key "cohort.json" of a ConfigMap that it mounts: add it',
            id="a missing key of a ConfigMap",
        ),
        pytest.param(
            event("FailedMount", "timed out waiting for the condition", count=3),
            "MountFailed",
            f"{POD} cannot mount a volume: timed out waiting for the condition: mend what is named",
            id="whatever keeps failing",
        ),
    ],
)
def test_a_pod_that_only_says_that_it_is_starting_is_explained_by_its_events(
    told: dict[str, Any], reason: str, message: str
) -> None:
    (problem,) = pod_problems([waiting("ContainerCreating")], [told])
    assert (problem.reason, problem.message) == (reason, message)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        pytest.param(pod(), event("FailedMount", 'secret "keys" not found', uid="pod-0"), id="of its predecessor"),
        pytest.param(pod(conditions=READY), event("FailedMount", 'secret "keys" not found'), id="of one that is ready"),
        pytest.param(pod(), event("FailedMount", "failed to sync secret cache", count=2), id="a hiccup"),
        pytest.param(pod(), event("Pulled", 'secret "keys" not found'), id="of something else"),
    ],
)
def test_events_that_are_over_or_of_another_pod_say_nothing(found: dict[str, Any], told: dict[str, Any]) -> None:
    assert pod_problems([found], [told]) == []


@pytest.mark.parametrize(
    ("said", "message"),
    [
        pytest.param(
            'create Pod p in StatefulSet s failed error: pods "p" is forbidden: exceeded quota: q',
            'pods "p" is forbidden: exceeded quota: q: raise the ResourceQuota of namespace north, or lower what '
            "the pod requests",
            id="a quota",
        ),
        pytest.param(
            'create Pod p in StatefulSet s failed error: pods "p" is forbidden: violates PodSecurity "restricted:v1"',
            'pods "p" is forbidden: violates PodSecurity "restricted:v1": let the pod security level of namespace '
            "north allow it",
            id="pod security",
        ),
        pytest.param("admission webhook says no", "admission webhook says no: mend what the API server names", id="no"),
    ],
)
def test_a_statefulset_whose_pod_the_api_server_refuses_says_so(said: str, message: str) -> None:
    told = [event("FailedCreate", said, uid="set-1")]
    expected = Problem(
        "hospital-north", "north", "PodRefused", f"StatefulSet north/f-hospital-north may not make its pod: {message}"
    )
    assert pod_problems([], told, [SET]) == [expected]
    assert pod_problems([pod()], told, [SET]) == [], "the pod is there by now"
    assert pod_problems([], [], [SET]) == [], "it is about to be made"


def test_a_pod_that_never_became_ready_on_an_old_revision_is_replaced() -> None:
    found: dict[str, Any] = SET | {"status": {"updateRevision": "new"}}
    assert stuck_pods([pod()], [found]) == [("north", NAME)]
    assert stuck_pods([pod(conditions=READY)], [found]) == []
    assert stuck_pods([going(pod())], [found]) == [], "it is on its way out"
    assert stuck_pods([pod()], [SET | {"status": {"updateRevision": "old"}}]) == []
    assert stuck_pods([pod()], [SET]) == [], "nobody knows which revision is wished"


@pytest.mark.parametrize(
    ("pods", "all_ready"),
    [
        pytest.param([pod(conditions=READY)], True, id="ready"),
        pytest.param([pod(conditions=READY), pod()], False, id="one is not"),
        pytest.param([pod(conditions=[{"type": "Ready", "status": "False"}])], False, id="not any more"),
    ],
)
def test_pods_are_settled_once_all_are_ready(pods: list[dict[str, Any]], all_ready: bool) -> None:
    assert settled(pods) is all_ready
    assert all(is_ready(each) for each in pods) is all_ready
