"""What an administrator does to the release while federations run: upgrade, uninstall, install again."""

import json

import numpy as np
import pytest

from cluster.applied import MIDDLE_ROUNDS as ROUNDS
from cluster.applied import Applied
from cluster.kit.cluster import Cluster
from cluster.release import Release
from deadline import eventually
from running import computed_parameters, example

pytestmark = pytest.mark.cluster

IN_A_FEDERATION = ("broker", "coordinator", "agent", "mlflow")


def images_of(cluster: Cluster, namespace: str) -> dict[str, str]:
    """The image of every pod, by the pod's UID: a pod that was made anew is another."""
    pods = cluster.get("pods", f"--namespace={namespace}")["items"]
    return {pod["metadata"]["uid"]: pod["spec"]["containers"][0]["image"] for pod in pods}


def test_an_upgrade_in_the_middle_of_a_run_rolls_no_pod_and_loses_nothing(
    training: Applied, release: Release, cluster: Cluster, next_images: dict[str, str]
) -> None:
    before = images_of(cluster, training.namespace)
    release.install({"image": {"tag": "next"}})
    try:
        assert images_of(cluster, training.namespace) == before
        training.until_complete()
        # The run is over: the pods take up the new images.
        eventually(
            lambda: (
                set(images_of(cluster, training.namespace).values()) == {next_images[name] for name in IN_A_FEDERATION}
            ),
            90,
            lambda: json.dumps(images_of(cluster, training.namespace)),
            pause=1,
        )
        training.until(lambda status: status.get("hospitalsReady") == "5/5", "5 of 5, of the new images")
        expected = computed_parameters(example(rounds=ROUNDS))
        assert np.abs(training.parameters(release) - expected).max() < 1e-9
    finally:
        release.install()


def test_without_the_release_a_run_goes_on_and_installed_again_it_takes_it_up(
    training: Applied, release: Release, cluster: Cluster
) -> None:
    pods = images_of(cluster, training.namespace)
    release.uninstall()
    try:
        assert images_of(cluster, training.namespace) == pods
        reached = training.status()["round"]
    finally:
        release.install()
    status = training.until(lambda status: status["round"] > reached, "a status that moves again")
    assert images_of(cluster, training.namespace) == pods
    if status["phase"] != "Complete":
        training.until_complete()
    expected = computed_parameters(example(rounds=ROUNDS))
    assert np.abs(training.parameters(release) - expected).max() < 1e-9
    reasons = [reason for _, reason, _ in training.events()]
    assert (reasons.count("Started"), reasons.count("Completed")) == (1, 1), training.events()
