"""All objects of a federation, in the order in which they are applied."""

import base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType

from consilia_operator.naming import Manifest, object_name
from consilia_operator.resources.certificates import (
    SERVERS,
    certificate_secret,
    issued_certificates,
    issued_secret,
    waited_certificates,
)
from consilia_operator.resources.configuration import config_maps
from consilia_operator.resources.disruption import disruption_budgets
from consilia_operator.resources.network import network_policy, services
from consilia_operator.resources.rotation import workload
from consilia_operator.resources.secrets import Data, SigningKey, held_secrets, next_secrets, secret_manifests
from consilia_operator.resources.site import Site
from consilia_operator.resources.spark import driver_rights
from consilia_operator.resources.storage import claims

OWN_KINDS = (
    "StatefulSet",
    "Service",
    "ConfigMap",
    "ServiceAccount",
    "RoleBinding",
    "Secret",
    "PersistentVolumeClaim",
    "NetworkPolicy",
    "PodDisruptionBudget",
)
"""The kinds that are pruned by label."""


def everything(
    site: Site,
    existing: Mapping[tuple[str, str], Data],
    key: SigningKey,
    now: datetime,
    confirmed: Mapping[str, str] = MappingProxyType({}),
) -> list[Manifest]:
    """Secrets first, workloads last: a pod that starts finds what it mounts.

    ``existing``: the data of each of :func:`.secrets.secret_names`, empty where there is none. ``confirmed``: the
    revision of each component's pod that is Ready (:func:`.rotation.confirmed_revisions`).
    """
    secrets = next_secrets(site, held_secrets(site, existing), key, now, confirmed)
    manifests = issued_certificates(site) + secret_manifests(site, secrets)
    for component in site.components:
        manifests += config_maps(site, component)
        manifests += claims(site, component)
        manifests += services(site, component)
        manifests += driver_rights(site, component)
        manifests.append(network_policy(site, component))
    manifests += [network_policy(site, component) for component in site.executors]
    manifests += disruption_budgets(site)
    manifests += filter(None, (workload(site, component, secrets) for component in site.components))
    return manifests


def authority_of(site: Site, manifests: Iterable[Manifest]) -> bytes:
    """PEM of the authorities that a federation's clients trust, among its objects; empty while there is none."""
    own = site.federation.metadata
    place = "Secret", own.namespace, object_name(site.federation, "authority")
    for manifest in manifests:
        if (manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"]) == place:
            return base64.b64decode(manifest["data"]["ca.crt"])
    return b""


def waiting(site: Site, existing: Mapping[tuple[str, str], Data]) -> dict[str, str]:
    """A sentence for each component that cannot start before somebody else has done something."""
    held = held_secrets(site, existing)
    found = waited_certificates(site, {server: held.get(issued_secret(server), {}) for server in SERVERS})
    return {server: why for server, why in found.items() if not held[certificate_secret(server)]}
