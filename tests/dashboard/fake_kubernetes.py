"""What of an API server the dashboard uses, as Kubernetes does it: versions, watches that end, 410 Gone, Status errors.

Over plain objects: ``upstream_server`` puts it behind HTTP.
"""

import copy
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Document = dict[str, Any]
API = "/apis/consilia.health/v1alpha1"
GONE = "The resourceVersion for the provided watch is too old."


class StatusError(Exception):
    """An answer that is a metav1.Status of failure."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.document = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
        self.document |= {"reason": reason, "message": message}


class FakeKubernetes:
    """Federations by (namespace, name), with everything that became of them since the last :meth:`compact`."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.version = 1
        self.forbidden: set[str] = set()
        self.watches = 0
        self.bookmark_seconds = 60.0
        self._objects: dict[tuple[str, str], Document] = {}
        self._history: list[tuple[int, str, Document]] = []
        self._oldest = 1

    # What happens ------------------------------------------------------------------------------------------------

    def put(self, document: Document) -> None:
        """Make or replace an object; one that says the same keeps its version."""
        key = document["metadata"]["namespace"], document["metadata"]["name"]
        with self.changed:
            there = self._objects.get(key)
            if there is not None and _unversioned(there) == _unversioned(document):
                return
            self._record("ADDED" if there is None else "MODIFIED", key, document)

    def delete(self, namespace: str, name: str) -> None:
        with self.changed:
            there = self._objects.pop((namespace, name), None)
            if there is not None:
                self._record("DELETED", (namespace, name), there)

    def compact(self) -> None:
        """Forget what was, as etcd does after five minutes."""
        with self.changed:
            self.version += 1
            self._oldest = self.version
            self._history.clear()
            self.changed.notify_all()

    def _record(self, kind: str, key: tuple[str, str], document: Document) -> None:
        self.version += 1
        kept = copy.deepcopy(document)
        kept["metadata"]["resourceVersion"] = str(self.version)
        if kind != "DELETED":
            self._objects[key] = kept
        self._history.append((self.version, kind, kept))
        self.changed.notify_all()

    # What is asked -----------------------------------------------------------------------------------------------

    def get(self, namespace: str, name: str) -> Document:
        self._require("get")
        with self.changed:
            there = self._objects.get((namespace, name))
        if there is None:
            raise StatusError(404, "NotFound", f'federations.consilia.health "{name}" not found')
        return there

    def list(self, namespace: str | None, query: Mapping[str, str], accept: str = "") -> Document:
        self._require("list")
        with self.changed:
            found = [each for each in self._objects.values() if _selected(each, namespace, query)]
            kind, version = "FederationList", str(self.version)
        if "as=PartialObjectMetadataList" in accept:
            kind, found = "PartialObjectMetadataList", [{"metadata": each["metadata"]} for each in found]
        return {"kind": kind, "metadata": {"resourceVersion": version}, "items": found}

    def watch(
        self, namespace: str | None, query: Mapping[str, str], ended: Callable[[], bool]
    ) -> Iterator[Document | None]:
        """Events after ``resourceVersion`` until ``timeoutSeconds``; None: nothing for a moment."""
        self._require("watch")
        told, until = int(query["resourceVersion"]), time.monotonic() + float(query["timeoutSeconds"])
        marked = time.monotonic()
        while time.monotonic() < until and not ended():
            with self.changed:
                if told < self._oldest - 1:
                    yield {"type": "ERROR", "object": StatusError(410, "Expired", GONE).document}
                    return
                fresh = [each for each in self._history if each[0] > told]
                if not fresh:
                    self.changed.wait(0.02)
                told = max([told, *(version for version, _, _ in fresh)])
            for _, kind, document in fresh:
                if _selected(document, namespace, query):
                    yield {"type": kind, "object": document}
            if time.monotonic() - marked > self.bookmark_seconds:
                marked = time.monotonic()
                yield {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(told)}}}
            yield None

    def allow_patch(self) -> None:
        self._require("patch")

    def _require(self, verb: str) -> None:
        if verb in self.forbidden:
            raise StatusError(
                403,
                "Forbidden",
                'federations.consilia.health is forbidden: User "system:serviceaccount:consilia:consilia-dashboard" '
                f'cannot {verb} resource "federations" in API group "consilia.health" at the cluster scope',
            )


def _selected(document: Document, namespace: str | None, query: Mapping[str, str]) -> bool:
    metadata = document["metadata"]
    if namespace is not None and metadata["namespace"] != namespace:
        return False
    return query.get("fieldSelector", f"metadata.name={metadata['name']}") == f"metadata.name={metadata['name']}"


def _unversioned(document: Document) -> Document:
    metadata = {name: value for name, value in document["metadata"].items() if name != "resourceVersion"}
    return {**document, "metadata": metadata}
