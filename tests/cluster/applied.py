"""A federation on a cluster, as a data scientist handles it: a file that is applied, a resource that is watched."""

import base64
import json
import ssl
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import yaml

from cluster.forwarding import forwarded
from cluster.kit.cluster import Cluster
from cluster.release import Release
from consilia import tokens
from consilia.vectors import FloatArray
from deadline import eventually

Status = dict[str, Any]
POLL_SECONDS = 0.2
MIDDLE_ROUNDS = 1500
"""So many that what a test does falls in the middle of the run, wherever it takes its time."""


class Applied:
    """The Federation of a file of several documents, in one namespace unless its documents say another."""

    def __init__(self, cluster: Cluster, namespace: str, text: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.text = text
        documents = list(yaml.safe_load_all(text))
        (self.name,) = [each["metadata"]["name"] for each in documents if each["kind"] == "Federation"]
        self._here = f"--namespace={namespace}"

    def apply(self, *flags: str) -> str:
        """``kubectl apply`` of the file; what kubectl says."""
        return self.cluster.kubectl("apply", self._here, *flags, "--filename=-", stdin=self.text)

    def delete(self) -> None:
        """Delete the Federation; what it owns goes with it."""
        self.cluster.kubectl("delete", "federation", self.name, self._here, "--timeout=60s")

    def document(self) -> dict[str, Any]:
        """The resource as it is."""
        return self.cluster.get("federation", self.name, self._here)

    def status(self) -> Status:
        """Its status; empty before the first."""
        found: Status = self.document().get("status") or {}
        return found

    def condition(self, kind: str) -> Status:
        """One of its conditions; empty while there is none."""
        return next((c for c in self.status().get("conditions", []) if c["type"] == kind), {})

    def edit(self, **spec: object) -> None:
        """Merge fields into its spec."""
        patch = json.dumps({"spec": spec})
        self.cluster.kubectl("patch", "federation", self.name, self._here, "--type=merge", "--patch", patch)

    def until(self, holds: Callable[[Status], object], what: str, within: float = 90) -> Status:
        """Its status as soon as something holds of it."""

        def look() -> Status | None:
            status = self.status()
            return status if holds(status) else None

        found: Status = eventually(look, within, lambda: f"{what}: {json.dumps(self.status())}", pause=POLL_SECONDS)
        return found

    def until_round(self, number: int, within: float = 90) -> Status:
        """Its status once this round is committed."""
        return self.until(lambda status: status.get("round", 0) >= number, f"round {number}", within)

    def until_complete(self, within: float = 180) -> Status:
        """Its status once the run is complete, as ``kubectl wait`` tells."""
        wait = f"--timeout={within:g}s"
        self.cluster.kubectl(
            "wait", f"federation/{self.name}", self._here, "--for=condition=Complete", wait, within=within + 10
        )
        return self.status()

    def events(self) -> list[tuple[str, str, str]]:
        """Type, reason and message of what ``kubectl describe`` tells of it, oldest first."""
        found = self.cluster.get("events", self._here, "--sort-by=.metadata.creationTimestamp")["items"]
        mine = [e for e in found if (e["involvedObject"]["kind"], e["involvedObject"]["name"]) == self._identity]
        return [(e["type"], e["reason"], e["message"]) for e in mine]

    @property
    def _identity(self) -> tuple[str, str]:
        return "Federation", self.name

    def pod(self, component: str) -> str:
        """The name of the pod of a component: ``broker``, ``hospital-north``."""
        return f"{self.name}-{component}-0"

    def kill(self, component: str, namespace: str | None = None) -> None:
        """End a pod at once, as the end of its node would."""
        within = f"--namespace={namespace or self.namespace}"
        self.cluster.kubectl("delete", "pod", self.pod(component), within, "--grace-period=0", "--force")

    def ask(self, release: Release, path: str) -> dict[str, Any]:
        """The answer of its coordinator to a viewer, through a port that is forwarded."""
        described = self.document()["metadata"]
        token = tokens.sign(
            release.secret("consilia-token-key", "private.pem"),
            "viewer",
            "test",
            datetime.now(UTC),
            timedelta(minutes=5),
            federation=described["uid"],
        )
        secret = self.cluster.get("secret", f"{self.name}-authority", self._here)
        authority = base64.b64decode(secret["data"]["ca.crt"]).decode()
        with forwarded(self.cluster, self.namespace, f"service/{self.name}-coordinator", 8443) as port:
            request = urllib.request.Request(
                f"https://localhost:{port}{path}", headers={"Authorization": f"Bearer {token}"}
            )
            with urllib.request.urlopen(
                request, timeout=20, context=ssl.create_default_context(cadata=authority)
            ) as answer:
                found: dict[str, Any] = json.load(answer)
        return found

    def parameters(self, release: Release) -> FloatArray:
        """The newest global model of the current run, shape (features + 1,)."""
        packed = base64.b64decode(self.ask(release, "/v1/model")["parameters"])
        return np.frombuffer(packed, dtype="<f8")
