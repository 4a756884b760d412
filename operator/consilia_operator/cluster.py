"""The seam to Kubernetes: what the operator does to a cluster, and what tests fake."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import urllib3
from kubernetes import client, config
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ApiException, NotFoundError, ResourceNotFoundError

from consilia.errors import Refusal, Unavailable
from consilia.object_paths import API_VERSION
from consilia_operator.naming import FIELD_MANAGER, Manifest

KINDS: Mapping[str, str] = {
    "Federation": API_VERSION,
    "Cohort": API_VERSION,
    "StatefulSet": "apps/v1",
    "Service": "v1",
    "ConfigMap": "v1",
    "ServiceAccount": "v1",
    "RoleBinding": "rbac.authorization.k8s.io/v1",
    "Secret": "v1",
    "Pod": "v1",
    "PersistentVolumeClaim": "v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "Lease": "coordination.k8s.io/v1",
    "Certificate": "cert-manager.io/v1",
}
BAD_REQUEST, CONFLICT, TOO_MANY = 400, 409, 429
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 15.0
"""How long a request may take; the client would wait for ever."""


class Conflict(Refusal):
    """Somebody else changed the object meanwhile."""


class Absent(Refusal):
    """There is no such object, or no such namespace."""


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

    def patch_status(self, kind: str, namespace: str, name: str, status: Manifest, version: int = 0) -> Manifest:
        """Set the status by JSON merge patch; a list is replaced whole. The object as it is then.

        :class:`Conflict` where the object has another resource version than ``version``, unless that is 0.
        """
        ...

    def events_about(self, kind: str, namespace: str, name: str) -> list[Manifest]:
        """The Events about an object, in no order."""
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
        configuration = client.Configuration.get_default_copy()
        # A connection that the server closed meanwhile is opened anew; more attempts are our own affair.
        configuration.retries = urllib3.Retry(1, read=0)
        api = client.ApiClient(configuration)
        self._api = _asked(lambda: DynamicClient(api))

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """See :class:`Cluster`."""
        try:
            return self._ask("get", kind, name=name, namespace=namespace)
        except Absent:
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
        except Absent:
            return

    def patch_status(self, kind: str, namespace: str, name: str, status: Manifest, version: int = 0) -> Manifest:
        """See :class:`Cluster`."""
        precondition = {"metadata": {"resourceVersion": str(version)}} if version else {}
        resource = self._resource(kind, KINDS[kind])
        return self._call(
            resource.subresources["status"].patch,
            body=precondition | {"status": status},
            name=name,
            namespace=namespace,
            content_type="application/merge-patch+json",
            field_manager=FIELD_MANAGER,
        )

    def events_about(self, kind: str, namespace: str, name: str) -> list[Manifest]:
        """See :class:`Cluster`."""
        about = f"involvedObject.kind={kind},involvedObject.name={name}"
        resource = self._resource("Event", "v1")
        items: list[Manifest] = self._call(resource.get, namespace=namespace, field_selector=about)["items"]
        return items

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
        self._call(self._resource("Event", "v1").create, body=event, namespace=described["namespace"])

    def _ask(self, verb: str, kind: str, **arguments: Any) -> Manifest:
        return self._call(getattr(self._resource(kind, KINDS[kind]), verb), **arguments)

    def _resource(self, kind: str, version: str) -> Any:
        try:
            return _asked(lambda: self._api.resources.get(api_version=version, kind=kind))
        except ResourceNotFoundError as error:
            raise Unavailable(f"the Kubernetes API knows no {kind} of {version}: install the definitions") from error

    def _call(self, call: Any, **arguments: Any) -> Manifest:
        answered: Manifest = _asked(
            lambda: call(**arguments, _request_timeout=(CONNECT_SECONDS, ANSWER_SECONDS)).to_dict()
        )
        return answered


def _asked(ask: Callable[[], Any]) -> Any:
    """What the API answers; the client's errors as ours."""
    try:
        return ask()
    except ApiException as error:
        raise _as_ours(error) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Unavailable(f"the Kubernetes API does not answer ({type(error).__name__}): {error}") from error


def _as_ours(error: ApiException) -> Refusal | Unavailable:
    try:
        message = json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        message = str(error.reason)
    if isinstance(error, NotFoundError):
        return Absent(message)
    if error.status == CONFLICT:
        return Conflict(message)
    if error.status is not None and BAD_REQUEST <= error.status < TOO_MANY:
        return Refusal(f"the Kubernetes API refuses: {message}")
    return Unavailable(f"the Kubernetes API does not answer: {message}")
