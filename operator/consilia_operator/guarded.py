"""The cluster as the operator may use it: every request is counted, and no write goes out without the Lease."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from consilia.errors import ConsiliaError
from consilia_operator.cluster import Absent, Cluster, Conflict
from consilia_operator.counts import Counts
from consilia_operator.fence import Fence
from consilia_operator.naming import Manifest


class GuardedCluster:
    """A :class:`consilia_operator.cluster.Cluster` before another one."""

    def __init__(self, cluster: Cluster, fence: Fence, counts: Counts) -> None:
        self._cluster = cluster
        self._fence = fence
        self._counts = counts

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """See :class:`Cluster`."""
        with self._reading("get", kind):
            return self._cluster.get(kind, namespace, name)

    def all(self, kind: str, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> list[Manifest]:
        """See :class:`Cluster`."""
        with self._reading("list", kind):
            return self._cluster.all(kind, namespace, labels)

    def events_about(self, kind: str, namespace: str, name: str) -> list[Manifest]:
        """See :class:`Cluster`."""
        with self._reading("list", "Event"):
            return self._cluster.events_about(kind, namespace, name)

    def apply(self, manifest: Manifest) -> Manifest:
        """See :class:`Cluster`."""
        with self._writing("apply", manifest["kind"]):
            return self._cluster.apply(manifest)

    def replace(self, manifest: Manifest) -> Manifest:
        """See :class:`Cluster`."""
        with self._writing("replace", manifest["kind"]):
            return self._cluster.replace(manifest)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """See :class:`Cluster`."""
        with self._writing("delete", kind):
            self._cluster.delete(kind, namespace, name)

    def patch_status(self, kind: str, namespace: str, name: str, status: Manifest, version: int = 0) -> Manifest:
        """See :class:`Cluster`."""
        with self._writing("patch_status", kind):
            return self._cluster.patch_status(kind, namespace, name, status, version)

    def tell(self, about: Manifest, kind: str, reason: str, message: str) -> None:
        """See :class:`Cluster`."""
        with self._writing("create", "Event"):
            self._cluster.tell(about, kind, reason, message)

    @contextmanager
    def _writing(self, verb: str, kind: str) -> Iterator[None]:
        self._fence.check()
        with self._reading(verb, kind):
            yield

    @contextmanager
    def _reading(self, verb: str, kind: str) -> Iterator[None]:
        self._counts.add("requests", verb, kind)
        try:
            yield
        except (Absent, Conflict):
            raise
        except ConsiliaError:
            self._counts.add("request_errors", verb, kind)
            raise
