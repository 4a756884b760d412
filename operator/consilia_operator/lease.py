"""Only one operator acts: whoever holds the Lease. Losing it ends the process; every write is idempotent anyway."""

from collections.abc import Callable
from datetime import datetime, timedelta

from consilia.errors import Unavailable
from consilia_operator.cluster import Cluster, Conflict
from consilia_operator.naming import Manifest
from consilia_operator.settings import Settings

NAME = "consilia-operator"
DURATION_SECONDS = 15
RENEW_SECONDS = 5.0


class Lease:
    """A coordination.k8s.io Lease; times are of the injected clock."""

    def __init__(self, cluster: Cluster, settings: Settings, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._namespace = settings.namespace
        self._identity = settings.identity
        self._now = now

    def acquire(self) -> bool:
        """Take or renew it; false while another process holds it."""
        found = self._cluster.get("Lease", self._namespace, NAME)
        if found is not None and not self._free(found):
            return False
        try:
            self._cluster.replace(self._held(found))
        except Conflict:
            return False
        return True

    def release(self) -> None:
        """Let another take it at once."""
        found = self._cluster.get("Lease", self._namespace, NAME)
        if found is not None and found["spec"].get("holderIdentity") == self._identity:
            found["spec"]["holderIdentity"] = ""
            try:
                self._cluster.replace(found)
            except (Conflict, Unavailable):
                return

    def _free(self, found: Manifest) -> bool:
        spec = found["spec"]
        if spec.get("holderIdentity") in (None, "", self._identity):
            return True
        renewed = datetime.fromisoformat(str(spec["renewTime"]).replace("Z", "+00:00"))
        return self._now() > renewed + timedelta(seconds=int(spec.get("leaseDurationSeconds", DURATION_SECONDS)))

    def _held(self, found: Manifest | None) -> Manifest:
        now = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        mine = found is not None and found["spec"].get("holderIdentity") == self._identity
        metadata = found["metadata"] if found else {"name": NAME, "namespace": self._namespace}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {k: v for k, v in metadata.items() if k in ("name", "namespace", "resourceVersion")},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": DURATION_SECONDS,
                "acquireTime": found["spec"].get("acquireTime", now) if found and mine else now,
                "renewTime": now,
            },
        }
