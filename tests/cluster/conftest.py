"""One cluster for all tests that want one, with the product's images in it, and its story where one of them fails."""

import subprocess
import tomllib
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from cluster.kit.cluster import Cluster
from cluster.kit.provision import NoCluster, provide

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that is up, and is gone after the session if this machine made it."""
    try:
        with provide(tmp_path_factory.mktemp("cluster")) as provided:
            yield provided
    except NoCluster as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def images(cluster: Cluster) -> dict[str, str]:
    """The images by component, built from this tree and loaded; ``IfNotPresent`` finds them."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    components = sorted(path.parent.name for path in (ROOT / "images").glob("*/Dockerfile"))
    subprocess.run([ROOT / "setup" / "images", *components], check=True, stdin=subprocess.DEVNULL)
    found = {component: f"localhost/consilia-{component}:{version}" for component in components}
    cluster.load(list(found.values()))
    return found


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
