"""StatefulSets: one pod a component, restricted, with its settings, secrets, files and volumes.

A StatefulSet even without a volume: never two pods of one broker account, or of one broker, at once.
"""

import hashlib
import json
import math
from collections.abc import Mapping

from consilia.plan import BROKER, SPARK_FILE, Component
from consilia.pod import Amounts, Spark, quantity
from consilia.spark_settings import MEBI, with_overhead
from consilia_operator.images import CHOSEN_BY, image_of
from consilia_operator.naming import Manifest, metadata, object_name, selector, volume_name
from consilia_operator.resources.pod_shape import CONTAINER_SECURITY, data_mounts, data_volumes, placement, pod_security
from consilia_operator.resources.site import CONFIG, SECRETS, VOLUMES, Site
from consilia_operator.resources.storage import claim_name

REVISION = "consilia.health/revision"
PULSE = "/tmp/pulse"  # noqa: S108 - in an emptyDir of the pod's own
SCRATCH = "/tmp"  # noqa: S108 - the same
"""Where Spark keeps rows: gone with the pod, and not on a volume that outlives it."""
PULSE_AGE_SECONDS = 60
"""A pulse is touched every five seconds; after three looks at an old one, half a minute apart, the pod is ended."""
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


def stateful_set(site: Site, component: Component, secrets_revision: str) -> Manifest | None:
    """The StatefulSet of a component; None where the image that it is to run is not allowed.

    ``secrets_revision`` changes when a pod must read its secrets anew.
    """
    choice = image_of(site, component)
    if choice is None:
        return None
    name = object_name(site.federation, component.name, component.namespace)
    labels = selector(site.federation, component)
    pod = _pod(site, component, choice.image)
    revision = hashlib.sha256(json.dumps([component.files, secrets_revision], sort_keys=True).encode()).hexdigest()[:16]
    described = metadata(site.federation, name, component.namespace, site.owner(component), labels)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": described | {"annotations": {CHOSEN_BY: choice.chosen_by}},
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


def _pod(site: Site, component: Component, image: str) -> Manifest:
    pod: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": pod_security(),
        "containers": [_container(site, component, image)],
        "volumes": _volumes(site, component),
    }
    if site.is_driver(component):
        account = object_name(site.federation, component.name, component.namespace)
        pod |= {"serviceAccountName": account, "automountServiceAccountToken": True}
    return pod | placement(site, component)


def _resources(site: Site, component: Component) -> Manifest:
    """What is wished, else the component's own: a wished request raises a limit that is not wished, and the reverse."""
    wished, beside = site.pod(component).resources, _java(site, component)
    requests = _more(REQUESTS[component.kind], beside) | _amounts(wished.requests)
    limits = _more(LIMITS[component.kind], beside) | _amounts(wished.limits)
    for name in requests.keys() & limits.keys():
        if quantity(requests[name]) > quantity(limits[name]):
            if name in _amounts(wished.limits):
                requests[name] = limits[name]
            else:
                limits[name] = requests[name]
    return {"requests": requests, "limits": limits}


def _java(site: Site, component: Component) -> int:
    """Bytes of the Java process beside a hospital's own."""
    if SPARK_FILE not in component.files or component.hospital is None:
        return 0
    return with_overhead((site.cohorts[component.hospital].spec.spark or Spark()).driver_memory)


def _more(amounts: Mapping[str, str], memory: int) -> dict[str, str]:
    """These amounts and so many more bytes of memory, in whole mebibytes."""
    if not memory:
        return dict(amounts)
    return dict(amounts) | {"memory": f"{math.ceil((quantity(amounts['memory']) + memory) / MEBI)}Mi"}


def _amounts(amounts: Amounts) -> dict[str, str]:
    written: dict[str, str] = amounts.to_json()
    return written


def _container(site: Site, component: Component, image: str) -> Manifest:
    container: Manifest = {
        "name": component.kind,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": name, "value": value} for name, value in sorted(_environment(site, component).items())],
        "ports": [{"name": name, "containerPort": port} for name, port in sorted(component.ports.items())],
        "resources": _resources(site, component),
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": _mounts(component),
    }
    if component.kind == "tracking":
        container["command"] = ["python", "-m", "consilia_coordinator.tracking"]
    return container | _probes(component)


def _environment(site: Site, component: Component) -> dict[str, str]:
    environment = site.environment(component)
    if component.kind == "hospital":
        environment["CONSILIA_PULSE_FILE"] = PULSE
    if SPARK_FILE in component.files:
        environment["CONSILIA_SCRATCH"] = SCRATCH
    return environment


def _probes(component: Component) -> Manifest:
    """Ready: it does its work. Alive: it can.

    A hospital has no port: it is alive while its event loop touches its pulse, which it starts within the first delay.
    Tracking has neither; it ends when it cannot go on, and no round waits for it.
    """
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
    if component.kind == "hospital":
        look = f"import os, sys, time; sys.exit(time.time() - os.stat({PULSE!r}).st_mtime > {PULSE_AGE_SECONDS})"
        return {
            "livenessProbe": {
                "exec": {"command": ["python", "-I", "-S", "-c", look]},
                "initialDelaySeconds": 60,
                "periodSeconds": 30,
                "timeoutSeconds": 10,
                "failureThreshold": 3,
            }
        }
    return {}


def _mounts(component: Component) -> list[Manifest]:
    mounts: list[Manifest] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - an emptyDir of the pod's own
    mounts += [{"name": volume_name(s), "mountPath": f"{SECRETS}/{s}", "readOnly": True} for s in component.secrets]
    if component.files or component.name == BROKER:
        mounts.append({"name": "config", "mountPath": CONFIG, "readOnly": True})
    mounts += [{"name": v, "mountPath": f"{VOLUMES}/{v}"} for v in component.volumes]
    return mounts + data_mounts(component)


def _volumes(site: Site, component: Component) -> list[Manifest]:
    volumes: list[Manifest] = [{"name": "tmp", "emptyDir": {}}]
    for secret in component.secrets:
        name = object_name(site.federation, secret, component.namespace)
        volumes.append({"name": volume_name(secret), "secret": {"secretName": name, "defaultMode": 0o440}})
    if component.files or component.name == BROKER:
        config: Manifest = {"name": object_name(site.federation, component.name, component.namespace)}
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
    return volumes + data_volumes(component)
