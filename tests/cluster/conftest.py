"""One cluster for all tests that want one, with the product's images in it, and its story where one of them fails."""

import os
import subprocess
import tomllib
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from cluster.applied import MIDDLE_ROUNDS, Applied
from cluster.kit.cluster import RESTRICTED, Cluster
from cluster.kit.provision import NoCluster, provide
from cluster.release import SYSTEM, Release
from running import example

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that is up, and is gone after the session if this machine made it."""
    try:
        with provide(tmp_path_factory.mktemp("cluster")) as provided:
            yield provided
    except NoCluster as reason:
        pytest.skip(str(reason))


VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def built(cluster: Cluster, tag: str, but: frozenset[str] = frozenset()) -> dict[str, str]:
    """The images by component, built from this tree under a tag and loaded; ``IfNotPresent`` finds them."""
    components = sorted({path.parent.name for path in (ROOT / "images").glob("*/Dockerfile")} - but)
    environment = os.environ | {"TAG": tag}
    subprocess.run([ROOT / "setup" / "images", *components], check=True, stdin=subprocess.DEVNULL, env=environment)
    found = {component: f"localhost/consilia-{component}:{tag}" for component in components}
    cluster.load(list(found.values()))
    return found


@pytest.fixture(scope="session")
def images(cluster: Cluster) -> dict[str, str]:
    """The images of this version."""
    return built(cluster, VERSION)


@pytest.fixture(scope="session")
def next_images(cluster: Cluster, images: dict[str, str]) -> dict[str, str]:
    """The same by another name: what the next version's would be. No test of releases has a hospital with Spark."""
    assert images
    return built(cluster, "next", but=frozenset({"spark"}))


@pytest.fixture(scope="session")
def release(cluster: Cluster, images: dict[str, str]) -> Release:
    """The chart, installed with its default values; a test that changes it puts it back."""
    assert images
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM, "labels": RESTRICTED}})
    installed = Release(cluster)
    installed.install()
    return installed


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own, which enforces restricted pods."""
    with cluster.namespace() as name:
        yield name


@pytest.fixture
def training(cluster: Cluster, release: Release, namespace: str) -> Applied:
    """A run in its first rounds."""
    assert release
    applied = Applied(cluster, namespace, example(rounds=MIDDLE_ROUNDS))
    applied.apply()
    assert applied.until_round(5)["round"] < MIDDLE_ROUNDS
    return applied


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what the cluster saw: its namespaces are still there now."""
    report = yield
    provided = getattr(item, "funcargs", {}).get("cluster")
    if report.when == "call" and report.failed and provided is not None:
        report.sections.append(("the cluster", provided.story()))
    return report
