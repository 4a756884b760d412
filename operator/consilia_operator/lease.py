"""Only one operator acts: whoever holds the Lease. Losing it ends the process; every write is idempotent anyway.

Another's Lease has run out when it was not renewed for its duration by our own clock, as in client-go: what the
holder's clock says is never compared with ours.
"""

from collections.abc import Callable
from datetime import datetime

from consilia.errors import ConsiliaError, Unavailable
from consilia_operator.cluster import Cluster, Conflict
from consilia_operator.fence import Fence
from consilia_operator.naming import Manifest
from consilia_operator.settings import Settings

NAME = "consilia-operator"
DURATION_SECONDS = 15
RENEW_SECONDS = 5.0
FENCE_SECONDS = 12.0
"""Writes go out for this long after a renewal: less than the duration, by the time that one may be on its way."""


class Lease:
    """A coordination.k8s.io Lease, which opens the fence whenever it is had."""

    def __init__(self, cluster: Cluster, settings: Settings, fence: Fence, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._namespace = settings.namespace
        self._identity = settings.identity
        self._fence = fence
        self._now = now
        self._seen: tuple[object, object] = (None, None)
        self._seen_at = float("-inf")

    def acquire(self) -> bool:
        """Take it where it is free, has run out, or is ours; false while another process holds it."""
        asked = self._fence.now()
        found = self._cluster.get("Lease", self._namespace, NAME)
        return (found is None or self._free(found, asked)) and self._write(found, asked)

    def renew(self) -> bool:
        """Keep it; false where another took it meanwhile, even if it gave it back.

        Somebody who merely annotates it is in nobody's way: what was changed meanwhile is read once more.
        """
        for _ in range(2):
            asked = self._fence.now()
            found = self._cluster.get("Lease", self._namespace, NAME)
            if found is None or found["spec"].get("holderIdentity") != self._identity:
                self._fence.shut()
                return False
            if self._write(found, asked):
                return True
        raise Unavailable("the Lease is written to by others all the time: it could not be renewed")

    def release(self) -> None:
        """Let another take it at once; one that cannot be reached runs out by itself."""
        self._fence.shut()
        try:
            found = self._cluster.get("Lease", self._namespace, NAME)
            if found is not None and found["spec"].get("holderIdentity") == self._identity:
                found["spec"]["holderIdentity"] = ""
                self._cluster.replace(found)
        except ConsiliaError:
            return

    def _write(self, found: Manifest | None, asked: float) -> bool:
        try:
            self._cluster.replace(self._held(found))
        except Conflict:
            return False
        self._fence.renewed(asked)
        return True

    def _free(self, found: Manifest, asked: float) -> bool:
        spec = found["spec"]
        if spec.get("holderIdentity") in (None, "", self._identity):
            return True
        seen = (spec["holderIdentity"], spec.get("renewTime"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, asked
        return asked > self._seen_at + int(spec.get("leaseDurationSeconds") or DURATION_SECONDS)

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
