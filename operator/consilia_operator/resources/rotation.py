"""What a pod reads of its secrets at its start, and which pods have confirmed it: what a rotation waits for. Pure.

A pod's revision changes with what its process reads once and with nothing else. What is read at each use (the broker's
accounts, a tracking token, an authority that is no longer needed) changes without a restart.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping

from consilia.plan import Component
from consilia_operator.naming import Manifest, component_of
from consilia_operator.pods import is_ready
from consilia_operator.resources.certificates import SERVERS, certificate_secret, split
from consilia_operator.resources.configuration import config_maps
from consilia_operator.resources.passwords import ROTATION
from consilia_operator.resources.site import Site
from consilia_operator.resources.workloads import REVISION, stateful_set

Data = Mapping[str, bytes]


def workload(site: Site, component: Component, secrets: Mapping[str, Data]) -> Manifest | None:
    """The StatefulSet of a component that mounts ``secrets``, by the names that the plan has for them."""
    read = {name: _read_once(name, secrets.get(name, {})) for name in component.secrets}
    config = [found["data"] for found in config_maps(site, component)]
    digest = hashlib.sha256(json.dumps([read, config], sort_keys=True).encode()).hexdigest()
    return stateful_set(site, component, digest)


def settled(site: Site, secrets: Mapping[str, Data], confirmed: Mapping[str, str]) -> frozenset[str]:
    """The components whose pod is Ready with what ``secrets`` have now."""
    return frozenset(
        component.name
        for component in site.components
        if component.name in confirmed
        and (wished := workload(site, component, secrets)) is not None
        and revision_of(wished["spec"]["template"]) == confirmed[component.name]
    )


def revision_of(pod: Manifest) -> str | None:
    """The revision that a pod, or a template of pods, carries."""
    revision: str | None = (pod["metadata"].get("annotations") or {}).get(REVISION)
    return revision


def _read_once(name: str, data: Data) -> dict[str, str]:
    match name:
        case "accounts":
            read = {ROTATION: data.get(ROTATION, b"")}
        case "authority":
            read = {"latest": b"".join(split(data.get("ca.crt", b""))[:1])}
        case "tracking-token":
            read = {}
        case _ if name in map(certificate_secret, SERVERS):
            read = {key: data.get(key, b"") for key in ("tls.crt", "tls.key")}
        case _:
            read = dict(data)
    return {key: value.decode(errors="replace") for key, value in read.items()}


def confirmed_revisions(pods: Iterable[Manifest]) -> Mapping[str, str]:
    """The revision that each component of one federation runs at, by component.

    A component whose pod is not Ready, is ending, or of which there are two (its cohort moved to another namespace)
    has confirmed nothing.
    """
    found: dict[str, set[str | None]] = {}
    for pod in pods:
        component = component_of(pod["metadata"].get("labels") or {})
        if component is not None:
            found.setdefault(component, set()).add(_confirmed(pod))
    return {name: revision for name, (revision, *others) in found.items() if revision and not others}


def _confirmed(pod: Manifest) -> str | None:
    return revision_of(pod) if is_ready(pod) and not pod["metadata"].get("deletionTimestamp") else None
