"""All objects of a federation, in the order in which they are applied."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

from consilia_operator.naming import Manifest, object_name
from consilia_operator.resources.configuration import config_maps
from consilia_operator.resources.disruption import disruption_budget
from consilia_operator.resources.network import network_policy, services
from consilia_operator.resources.secrets import Data, SigningKey, secret_manifests
from consilia_operator.resources.site import Site
from consilia_operator.resources.storage import claims
from consilia_operator.resources.workloads import stateful_set

OWN_KINDS = (
    "StatefulSet",
    "Service",
    "ConfigMap",
    "Secret",
    "PersistentVolumeClaim",
    "NetworkPolicy",
    "PodDisruptionBudget",
)
"""The kinds that are pruned by label."""


def everything(site: Site, existing: Mapping[tuple[str, str], Data], key: SigningKey, now: datetime) -> list[Manifest]:
    """Secrets first, workloads last: a pod that starts finds what it mounts."""
    secrets = secret_manifests(site, existing, key, now)
    components = [c for c in site.plan.components if c.kind not in ("mlflow", "dashboard")]
    manifests = list(secrets)
    for component in components:
        manifests += config_maps(site, component)
        manifests += claims(site, component)
        manifests += services(site, component)
        manifests.append(network_policy(site, component))
    manifests.append(disruption_budget(site))
    for component in components:
        manifests.append(stateful_set(site, component, _revision(site, component.secrets, secrets)))
    return manifests


def _revision(site: Site, mounted: tuple[str, ...], secrets: list[Manifest]) -> str:
    """Changes with the certificates that a process reads at its start alone; accounts are read at each login."""
    names = {object_name(site.federation, secret) for secret in mounted if secret.endswith("-certificate")}
    data = {s["metadata"]["name"]: s["data"] for s in secrets if s["metadata"]["name"] in names}
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16] if data else ""
