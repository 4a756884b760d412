"""What `make kind` does, told by programs that stand in for Docker, kind, Helm and kubectl."""

import shutil
import subprocess
from pathlib import Path

import pytest

STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
case "$(basename "$0") $*" in
    "docker info") exit "${DOCKER:-0}" ;;
    "kind get clusters"*) echo "${CLUSTERS:-}" ;;
    "helm list"*) echo "${RELEASES:-}" ;;
    *"get secret consilia-dashboard-login"*) echo the-token ;;
    *"get deployments"*) echo deployment.apps/consilia-operator ;;
esac
"""
PROGRAMS = ("docker", "kind", "helm", "kubectl")
TOOLS = ("basename", "dirname", "sed", "grep", "cat", "mktemp", "rm", "date")


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    """A folder for the path, with the programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    # Nothing else of the machine is on the path: it may have a kubectl of its own.
    for name in TOOLS:
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def kind(
    root: Path, stand_ins: Path, *words: str, **environment: str
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """What setup/cluster kind says, and what it called."""
    calls = stand_ins.parent / "calls"
    calls.write_text("")
    settings = {"PATH": str(stand_ins), "HOME": str(stand_ins.parent), "CALLS": str(calls)}
    done = subprocess.run(
        ["/bin/sh", root / "setup" / "cluster", "kind", *words],
        env=settings | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, calls.read_text().splitlines()


def places(calls: list[str], *beginnings: str) -> list[int]:
    """Where the first call with each beginning is; each must be there."""
    return [next(n for n, call in enumerate(calls) if call.startswith(beginning)) for beginning in beginnings]


def test_it_makes_a_cluster_builds_loads_installs_applies_and_says_what_to_open(root: Path, stand_ins: Path) -> None:
    done, calls = kind(root, stand_ins)
    assert done.returncode == 0, done.stderr
    told = places(
        calls,
        f"kind create cluster --name consilia --config kind-config.yaml --kubeconfig {stand_ins.parent}/.kube/consilia",
        "docker build",
        "kind load docker-image",
        "helm upgrade --install consilia charts/consilia --namespace consilia-system --create-namespace --wait",
        "kubectl apply --filename examples/breast-cancer.yaml",
    )
    assert told == sorted(told)
    assert not [call for call in calls if "rollout restart" in call]
    for words in (
        f"export KUBECONFIG={stand_ins.parent}/.kube/consilia",
        "kubectl get fed --watch",
        "http://localhost:8081/?token=the-token",
        "kubectl --namespace consilia-system port-forward service/consilia-dashboard 8081",
        "kubectl --namespace consilia-system port-forward service/consilia-mlflow 5000",
        "make kind DOWN=1",
    ):
        assert words in done.stdout


def test_every_image_that_is_built_is_loaded_by_the_name_that_the_chart_gives_it(root: Path, stand_ins: Path) -> None:
    _, calls = kind(root, stand_ins)
    built = {call.split("--tag ")[1].split()[0] for call in calls if call.startswith("docker build")}
    (load,) = [call for call in calls if call.startswith("kind load")]
    assert {word for word in load.split() if "/" in word} == built
    components = {path.parent.name for path in (root / "images").glob("*/Dockerfile")}
    version = (root / "charts" / "consilia" / "Chart.yaml").read_text().split("appVersion: ")[1].split()[0]
    assert built == {f"localhost/consilia-{name}:{version}" for name in components}


def test_said_again_it_keeps_the_cluster_and_runs_the_new_images(root: Path, stand_ins: Path) -> None:
    done, calls = kind(root, stand_ins, CLUSTERS="consilia", RELEASES="consilia")
    assert done.returncode == 0, done.stderr
    assert not [call for call in calls if call.startswith("kind create")]
    told = places(calls, "helm upgrade", "kubectl --namespace consilia-system rollout restart deployment")
    assert told == sorted(told)


def test_down_ends_its_own_cluster_and_no_other(root: Path, stand_ins: Path) -> None:
    done, calls = kind(root, stand_ins, "down")
    assert done.returncode == 0, done.stderr
    assert calls == [f"kind delete cluster --name consilia --kubeconfig {stand_ins.parent}/.kube/consilia"]


@pytest.mark.parametrize("name", ["kind", "kubectl", "helm"])
def test_a_program_that_is_missing_is_one_sentence(name: str, root: Path, stand_ins: Path) -> None:
    (stand_ins / name).unlink()
    done, calls = kind(root, stand_ins)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"make kind needs {name}, which is not on this machine" in done.stderr
    assert not [call for call in calls if call.startswith("kind create")]


def test_an_engine_that_does_not_answer_is_one_sentence(root: Path, stand_ins: Path) -> None:
    done, _ = kind(root, stand_ins, DOCKER="1")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Docker's engine, which does not answer" in done.stderr
