"""What the operator's own pods and those that Spark makes for a hospital have in common. Pure."""

from collections.abc import Mapping

from consilia.plan import Component
from consilia_operator.naming import Manifest
from consilia_operator.resources.site import CREDENTIALS, DATA, Site

USER = 10001
CONTAINER_SECURITY: Mapping[str, object] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def pod_security() -> Manifest:
    """As restricted as pods can be."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def placement(site: Site, component: Component) -> Manifest:
    """On which nodes the pod may run."""
    pod = site.pod(component)
    placed: Manifest = {}
    if pod.node_selector:
        placed["nodeSelector"] = dict(pod.node_selector)
    if pod.tolerations:
        placed["tolerations"] = [toleration.to_json() for toleration in pod.tolerations]
    return placed


def data_mounts(component: Component) -> list[Manifest]:
    """Where a hospital's own claim and secret are seen; never to write."""
    mounts: list[Manifest] = []
    if component.claim is not None:
        mounts.append({"name": "data", "mountPath": DATA, "readOnly": True})
    if component.credentials is not None:
        mounts.append({"name": "credentials", "mountPath": CREDENTIALS, "readOnly": True})
    return mounts


def data_volumes(component: Component) -> list[Manifest]:
    """A hospital's own claim and secret."""
    volumes: list[Manifest] = []
    if component.claim is not None:
        claim = {"claimName": component.claim, "readOnly": True}
        volumes.append({"name": "data", "persistentVolumeClaim": claim})
    if component.credentials is not None:
        secret = {"secretName": component.credentials, "defaultMode": 0o440}
        volumes.append({"name": "credentials", "secret": secret})
    return volumes
