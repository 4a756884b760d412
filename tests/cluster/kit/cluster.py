"""A cluster as a test sees it: kubectl, and the story of what went wrong."""

import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOG_LINES = 30
SYSTEM = {"kube-system", "kube-public", "kube-node-lease", "local-path-storage"}
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


class KubectlFailed(AssertionError):
    """What kubectl was asked, and its answer."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that is up.

    ``load`` takes images into it by name. ``enforces_policies`` says whether network policies hold connections back.
    """

    kubeconfig: Path
    program: Path
    load: Callable[[list[str]], None]
    enforces_policies: bool
    audit_log: Path | None = None

    def environment(self) -> dict[str, str]:
        """What kubectl, helm and a Kubernetes client need to find it."""
        path = f"{self.program.parent}:{os.environ.get('PATH', '')}"
        return os.environ | {"KUBECONFIG": str(self.kubeconfig), "PATH": path}

    def kubectl(self, *arguments: str, stdin: str | None = None, within: float = 120) -> str:
        """What kubectl says. Raises :class:`KubectlFailed` with its error."""
        done = subprocess.run(
            [self.program, *arguments],
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=within,
        )
        if done.returncode:
            raise KubectlFailed(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """An object, or a list of them, as JSON."""
        found: dict[str, Any] = json.loads(self.kubectl("get", "--output=json", *arguments))
        return found

    def apply(self, *objects: dict[str, Any], namespace: str = "default") -> None:
        """Apply objects, server-side."""
        everything = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.kubectl("apply", "--server-side", f"--namespace={namespace}", "--filename=-", stdin=everything)

    @contextmanager
    def namespace(self, prefix: str = "test") -> Iterator[str]:
        """A namespace of the test's own, which enforces restricted pods; gone afterwards, with all in it."""
        name = f"{prefix}-{uuid.uuid4().hex[:6]}"
        metadata = {"name": name, "labels": RESTRICTED}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        try:
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false")

    def story(self) -> str:
        """For each namespace that is not the system's: its pods, its events, and the end of its containers' logs."""
        try:
            names = [each["metadata"]["name"] for each in self.get("namespaces")["items"]]
            return "\n".join(self._chapter(name) for name in names if name not in SYSTEM)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            return f"the cluster does not tell: {error}"

    def _chapter(self, namespace: str) -> str:
        within = f"--namespace={namespace}"
        pods = self.get("pods", within)["items"]
        events = self.kubectl("get", "events", within, "--sort-by=.metadata.creationTimestamp")
        if (not pods and events.startswith("No resources")) or not events:
            return f"=== {namespace}: nothing"
        listing = self.kubectl("get", "pods", within, "--output=wide")
        logs = "".join(self._logs(pod["metadata"]["name"], within) for pod in pods)
        return f"=== {namespace}\n{listing}\n{events}\n{logs}"

    def _logs(self, pod: str, within: str) -> str:
        told = f"--- {pod}\n"
        for flags in ((), ("--previous",)):
            try:
                told += self.kubectl("logs", pod, within, "--all-containers", f"--tail={LOG_LINES}", *flags)
            except KubectlFailed:
                continue
        return told
