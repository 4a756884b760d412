"""StatefulSets: one pod a component, restricted, with its settings, secrets, files and volumes.

A StatefulSet even without a volume: never two pods of one broker account, or of one broker, at once.
"""

import hashlib
import json
from collections.abc import Mapping

from consilia.plan import BROKER, Component
from consilia_operator.naming import Manifest, metadata, object_name, selector
from consilia_operator.resources.site import CONFIG, SECRETS, VOLUMES, Site

USER = 10001
REVISION = "consilia.health/revision"
REQUESTS: Mapping[str, Mapping[str, str]] = {
    "broker": {"cpu": "50m", "memory": "64Mi"},
    "coordinator": {"cpu": "100m", "memory": "128Mi"},
    "hospital": {"cpu": "100m", "memory": "256Mi"},
    "tracking": {"cpu": "50m", "memory": "384Mi"},
}
LIMITS: Mapping[str, Mapping[str, str]] = {
    "broker": {"memory": "256Mi"},
    "coordinator": {"memory": "1Gi"},
    "hospital": {"memory": "1Gi"},
    "tracking": {"memory": "1Gi"},
}


def stateful_set(site: Site, component: Component, secrets_revision: str) -> Manifest:
    """The StatefulSet of a component. ``secrets_revision`` changes when a pod must read its secrets anew."""
    name = object_name(site.federation, component.name)
    labels = selector(site.federation, component)
    pod = _pod(site, component)
    revision = hashlib.sha256(json.dumps([component.files, secrets_revision], sort_keys=True).encode()).hexdigest()[:16]
    described = metadata(site.federation, name, component.namespace, site.owner(component), labels)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": described,
        "spec": {
            "replicas": 1,
            "serviceName": name,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": described["labels"], "annotations": {REVISION: revision}},
                "spec": pod,
            },
        },
    }


def _pod(site: Site, component: Component) -> Manifest:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(site, component)],
        "volumes": _volumes(site, component),
    }


def _container(site: Site, component: Component) -> Manifest:
    container: Manifest = {
        "name": component.kind,
        "image": site.settings.images[component.kind],
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": name, "value": value} for name, value in sorted(site.environment(component).items())],
        "ports": [{"name": name, "containerPort": port} for name, port in sorted(component.ports.items())],
        "resources": {"requests": dict(REQUESTS[component.kind]), "limits": dict(LIMITS[component.kind])},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": _mounts(component),
    }
    if component.kind == "tracking":
        container["command"] = ["python", "-m", "consilia_coordinator.tracking"]
    return container | _probes(component)


def _probes(component: Component) -> Manifest:
    """Ready: it does its work. Alive: it can. A hospital and tracking have no port; they end when they cannot go on."""
    if component.kind == "broker":
        probe = {"tcpSocket": {"port": "xmpp"}}
        return {"readinessProbe": probe | {"periodSeconds": 1}, "livenessProbe": probe | {"periodSeconds": 10}}
    if component.kind == "coordinator":
        return {
            "readinessProbe": {
                "httpGet": {"path": "/healthz", "port": "https", "scheme": "HTTPS"},
                "periodSeconds": 1,
                "timeoutSeconds": 5,
            },
            "livenessProbe": {
                "httpGet": {"path": "/healthz", "port": "https", "scheme": "HTTPS"},
                "periodSeconds": 10,
                "timeoutSeconds": 5,
                "failureThreshold": 6,
            },
        }
    return {}


def _mounts(component: Component) -> list[Manifest]:
    mounts: list[Manifest] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - an emptyDir of the pod's own
    mounts += [{"name": s, "mountPath": f"{SECRETS}/{s}", "readOnly": True} for s in component.secrets]
    if component.files or component.name == BROKER:
        mounts.append({"name": "config", "mountPath": CONFIG, "readOnly": True})
    mounts += [{"name": v, "mountPath": f"{VOLUMES}/{v}"} for v in component.volumes]
    return mounts


def _volumes(site: Site, component: Component) -> list[Manifest]:
    volumes: list[Manifest] = [{"name": "tmp", "emptyDir": {}}]
    for secret in component.secrets:
        name = object_name(site.federation, secret)
        volumes.append({"name": secret, "secret": {"secretName": name, "defaultMode": 0o440}})
    if component.files or component.name == BROKER:
        config: Manifest = {"name": object_name(site.federation, component.name)}
        if component.name == BROKER:
            config["items"] = [
                {"key": "prosody.cfg.lua", "path": "prosody.cfg.lua"},
                {"key": "mod_auth_folder.lua", "path": "modules/mod_auth_folder.lua"},
            ]
        volumes.append({"name": "config", "configMap": config})
    for volume in component.volumes:
        if component.name == BROKER:
            volumes.append({"name": volume, "emptyDir": {}})
        else:
            claim = {"claimName": claim_name(site, component, volume)}
            volumes.append({"name": volume, "persistentVolumeClaim": claim})
    return volumes


def claim_name(site: Site, component: Component, volume: str) -> str:
    """The name of a component's claim."""
    return object_name(site.federation, f"{component.name}-{volume}")
