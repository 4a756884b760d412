"""The chart as Helm renders it, for tests that read it."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from cluster.api_server import located

CHART = Path(__file__).resolve().parents[1] / "charts" / "consilia"
SYSTEM = "consilia-system"

Manifest = dict[str, Any]


def helm(*arguments: str | Path, values: Manifest | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm on these values, whatever comes of it."""
    command = [located("helm"), *arguments, "--values=-"]
    text = yaml.safe_dump(values or {})
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def template(values: Manifest | None = None) -> list[Manifest]:
    """The objects of a release."""
    rendered = _rendered(yaml.safe_dump(values or {}))
    return [document for document in yaml.load_all(rendered, yaml.CSafeLoader) if document]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one object of this kind and name."""
    (found,) = [each for each in manifests if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """The pods' specs by the name of their Deployment."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in manifests if each["kind"] == "Deployment"
    }


def container(manifests: list[Manifest], name: str) -> Manifest:
    """The one container of a Deployment."""
    (found,) = pods(manifests)[name]["containers"]
    return dict(found)


def environment(manifests: list[Manifest], name: str) -> dict[str, str]:
    """The settings of a Deployment's one container that have a value."""
    return {each["name"]: each["value"] for each in container(manifests, name).get("env", []) if "value" in each}


@cache
def _rendered(values: str) -> str:
    done = helm("template", "consilia", CHART, f"--namespace={SYSTEM}", values=yaml.safe_load(values))
    assert done.returncode == 0, done.stderr
    return done.stdout
