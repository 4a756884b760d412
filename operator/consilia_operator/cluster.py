"""The seam to Kubernetes: what the operator does to a cluster, and what tests fake."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from kubernetes import client, config
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ApiException, NotFoundError

from consilia.errors import Refusal, Unavailable
from consilia.object_paths import API_VERSION
from consilia_operator.naming import FIELD_MANAGER, Manifest

KINDS: Mapping[str, str] = {
    "Federation": API_VERSION,
    "Cohort": API_VERSION,
    "StatefulSet": "apps/v1",
    "Service": "v1",
    "ConfigMap": "v1",
    "Secret": "v1",
    "Pod": "v1",
    "PersistentVolumeClaim": "v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "Lease": "coordination.k8s.io/v1",
}
BAD_REQUEST, CONFLICT, TOO_MANY = 400, 409, 429


class Conflict(Refusal):
    """Somebody else changed the object meanwhile."""


class Cluster(Protocol):
    """Blocking; every call may raise :class:`Unavailable`, and a write :class:`Refusal`."""

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """The object, or None."""
        ...

    def all(self, kind: str, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> list[Manifest]:
        """All objects of a kind, in one or in every namespace, with these labels."""
        ...

    def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply with our field manager, taking over what others set of it."""
        ...

    def replace(self, manifest: Manifest) -> Manifest:
        """Write an object that was read; :class:`Conflict` where it changed since."""
        ...

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete, if it is there."""
        ...

    def patch_status(self, kind: str, namespace: str, name: str, status: Manifest) -> None:
        """Set the status by JSON merge patch; a list is replaced whole."""
        ...

    def tell(self, about: Manifest, kind: str, reason: str, message: str) -> None:
        """An Event about an object; ``kind`` is Normal or Warning."""
        ...


class KubernetesCluster:
    """The cluster of the pod's service account, or of the current kubeconfig."""

    def __init__(self) -> None:
        try:
            config.load_incluster_config()
        except config.ConfigException:
            config.load_kube_config()
        self._api = DynamicClient(client.ApiClient())

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """See :class:`Cluster`."""
        try:
            return self._ask("get", kind, name=name, namespace=namespace)
        except NotFoundError:
            return None

    def all(self, kind: str, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> list[Manifest]:
        """See :class:`Cluster`."""
        selector = ",".join(f"{name}={value}" for name, value in (labels or {}).items())
        found = self._ask("get", kind, namespace=namespace, label_selector=selector or None)
        items: list[Manifest] = found["items"]
        return [item | {"kind": kind, "apiVersion": KINDS[kind]} for item in items]

    def apply(self, manifest: Manifest) -> Manifest:
        """See :class:`Cluster`."""
        return self._ask(
            "server_side_apply",
            manifest["kind"],
            body=manifest,
            name=manifest["metadata"]["name"],
            namespace=manifest["metadata"]["namespace"],
            field_manager=FIELD_MANAGER,
            force_conflicts=True,
        )

    def replace(self, manifest: Manifest) -> Manifest:
        """See :class:`Cluster`."""
        verb = "replace" if manifest["metadata"].get("resourceVersion") else "create"
        return self._ask(verb, manifest["kind"], body=manifest, namespace=manifest["metadata"]["namespace"])

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """See :class:`Cluster`."""
        try:
            self._ask("delete", kind, name=name, namespace=namespace)
        except NotFoundError:
            return

    def patch_status(self, kind: str, namespace: str, name: str, status: Manifest) -> None:
        """See :class:`Cluster`."""
        resource = self._api.resources.get(api_version=KINDS[kind], kind=kind)
        self._call(
            resource.subresources["status"].patch,
            body={"status": status},
            name=name,
            namespace=namespace,
            content_type="application/merge-patch+json",
            field_manager=FIELD_MANAGER,
        )

    def tell(self, about: Manifest, kind: str, reason: str, message: str) -> None:
        """See :class:`Cluster`."""
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        described = about["metadata"]
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{described['name']}.", "namespace": described["namespace"]},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": described["name"],
                "namespace": described["namespace"],
                "uid": described["uid"],
                "resourceVersion": described.get("resourceVersion"),
            },
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": "consilia"},
            "reportingComponent": "consilia",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        resource = self._api.resources.get(api_version="v1", kind="Event")
        self._call(resource.create, body=event, namespace=described["namespace"])

    def _ask(self, verb: str, kind: str, **arguments: Any) -> Manifest:
        resource = self._api.resources.get(api_version=KINDS[kind], kind=kind)
        return self._call(getattr(resource, verb), **arguments)

    def _call(self, call: Any, **arguments: Any) -> Manifest:
        try:
            answered: Manifest = call(**arguments).to_dict()
        except NotFoundError:
            raise
        except ApiException as error:
            raise _as_ours(error) from error
        except OSError as error:
            raise Unavailable(f"the Kubernetes API does not answer: {error}") from error
        return answered


def _as_ours(error: ApiException) -> Refusal | Unavailable:
    try:
        message = json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        message = str(error.reason)
    if error.status == CONFLICT:
        return Conflict(message)
    if error.status is not None and BAD_REQUEST <= error.status < TOO_MANY:
        return Refusal(f"the Kubernetes API refuses: {message}")
    return Unavailable(f"the Kubernetes API does not answer: {message}")
