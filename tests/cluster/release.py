"""The chart on a cluster, installed, upgraded and taken away as an administrator does it."""

import base64
import subprocess
from pathlib import Path
from typing import Any

import yaml

from cluster.kit import pins
from cluster.kit.cluster import Cluster

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "consilia"
SYSTEM = "consilia-system"
WAIT = ("--wait", "--timeout=180s")


class Release:
    """The release ``consilia`` in namespace :data:`SYSTEM`."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def install(self, values: dict[str, Any] | None = None) -> str:
        """Install it, or upgrade it to these values; what Helm says (the notes)."""
        return self._helm(
            "upgrade", "--install", "consilia", CHART, "--reset-values", "--values=-", *WAIT, values=values or {}
        )

    def uninstall(self) -> None:
        """Take it away, and wait until its pods are gone."""
        self._helm("uninstall", "consilia", *WAIT)

    def secret(self, name: str, key: str) -> bytes:
        """A value of one of its Secrets."""
        data = self.cluster.get("secret", name, f"--namespace={SYSTEM}")["data"]
        return base64.b64decode(data[key])

    def pod(self, component: str) -> str:
        """The name of its one pod of a component that is not on its way out."""
        selector = f"--selector=app.kubernetes.io/instance=consilia,app.kubernetes.io/component={component}"
        pods = self.cluster.get("pods", f"--namespace={SYSTEM}", selector)["items"]
        (name,) = [p["metadata"]["name"] for p in pods if not p["metadata"].get("deletionTimestamp")]
        return str(name)

    def scale(self, component: str, replicas: int) -> None:
        """Run this many pods of a component, and wait until that is so."""
        where = (f"deployment/consilia-{component}", f"--namespace={SYSTEM}")
        self.cluster.kubectl("scale", *where, f"--replicas={replicas}")
        if replicas:
            self.cluster.kubectl("rollout", "status", *where, "--timeout=120s")
        else:
            selector = f"--selector=app.kubernetes.io/instance=consilia,app.kubernetes.io/component={component}"
            self.cluster.kubectl("wait", "pod", selector, f"--namespace={SYSTEM}", "--for=delete", "--timeout=60s")

    def _helm(self, *arguments: str | Path, values: dict[str, Any] | None = None) -> str:
        done = subprocess.run(
            [pins.program("helm"), *arguments, f"--namespace={SYSTEM}"],
            env=self.cluster.environment(),
            input=None if values is None else yaml.safe_dump(values),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"helm {' '.join(map(str, arguments))}: {done.stderr}\n{self.cluster.story()}"
        return done.stdout
