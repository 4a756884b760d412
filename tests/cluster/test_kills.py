"""Whatever is killed while rounds run, the run completes with the model that it would have had."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from cluster.applied import MIDDLE_ROUNDS as ROUNDS
from cluster.applied import Applied
from cluster.kit.cluster import Cluster
from cluster.release import Release
from consilia.vectors import FloatArray
from running import computed_parameters, example

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def expected() -> Iterator["Future[FloatArray]"]:
    """The model of an undisturbed run; computed beside the first test."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(computed_parameters, example(rounds=ROUNDS))


@pytest.mark.parametrize("component", ["coordinator", "broker", "hospital-north"])
def test_a_pod_that_is_killed_changes_nothing_of_the_model(
    training: Applied, release: Release, expected: "Future[FloatArray]", component: str
) -> None:
    training.kill(component)
    training.until_complete()
    assert np.abs(training.parameters(release) - expected.result()).max() < 1e-9


def test_the_operators_pod_can_be_killed(
    training: Applied, release: Release, cluster: Cluster, expected: "Future[FloatArray]"
) -> None:
    cluster.kubectl(
        "delete", "pod", release.pod("operator"), "--namespace=consilia-system", "--grace-period=0", "--force"
    )
    training.until_complete()
    assert np.abs(training.parameters(release) - expected.result()).max() < 1e-9
    reasons = [reason for _, reason, _ in training.events()]
    assert (reasons.count("Started"), reasons.count("Completed")) == (1, 1), training.events()
