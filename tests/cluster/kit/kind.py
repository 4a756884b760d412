"""A cluster of kind's, where Docker is: the same tests run on it."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "consilia-tests"
CONFIG = Path(__file__).parents[3] / "kind-config.yaml"


def is_possible() -> bool:
    """Whether Docker answers and kind and kubectl are there."""
    return (
        all(map(shutil.which, ("docker", "kind", "kubectl")))
        and not subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    )


@contextmanager
def kind_cluster(kubeconfig: Path) -> Iterator[None]:
    """A cluster that is gone afterwards; one that an earlier run left behind is replaced."""
    subprocess.run(["kind", "delete", "cluster", f"--name={NAME}"], check=True, capture_output=True)
    create = ["kind", "create", "cluster", f"--name={NAME}", f"--config={CONFIG}", f"--kubeconfig={kubeconfig}"]
    subprocess.run([*create, "--wait=120s"], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["kind", "delete", "cluster", f"--name={NAME}"], check=True, capture_output=True)


def load(images: list[str]) -> None:
    """Take images from Docker into its nodes."""
    subprocess.run(["kind", "load", "docker-image", f"--name={NAME}", *images], check=True, capture_output=True)
