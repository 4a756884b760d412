"""Claims: objects of their own, for a StatefulSet's templates can never be changed.

A claim's size grows with the spec and never shrinks, and its class stays: what the API server could only refuse is told
and not sent. A cohort's ledger is nobody's: no owner takes it along, no label of a federation has it pruned. So a
cohort that is deleted and made again finds it.
"""

from consilia.plan import BROKER, LEDGER, Component
from consilia.pod import Agent, Coordinator, Storage, quantity
from consilia.spec import Cohort
from consilia_operator.naming import COMPONENT_LABEL, Manifest, metadata, object_name, selector
from consilia_operator.problems import Problem
from consilia_operator.resources.site import Site

SIZE = "1Gi"
LEDGER_SIZE = "64Mi"
COHORT_LABEL = "consilia.health/cohort"
KEPT = "StorageKept"
"""Reason of a problem that hinders nothing: the claim stays as it is."""


def claims(site: Site, component: Component) -> list[Manifest]:
    """The claims of a component; the broker keeps nothing."""
    if component.name == BROKER:
        return []
    return [_claim(site, component, volume) for volume in component.volumes]


def claim_name(site: Site, component: Component, volume: str) -> str:
    """The name of a component's claim."""
    if volume == LEDGER and component.hospital is not None:
        return f"{site.cohorts[component.hospital].metadata.name}-{LEDGER}"
    return object_name(site.federation, f"{component.name}-{volume}", component.namespace)


def claim_problems(site: Site) -> list[Problem]:
    """A sentence for every claim that is there and cannot become what the spec asks for."""
    problems = []
    for component in site.components:
        for volume in component.volumes:
            said = _kept(site, component, volume)
            problems += [Problem(component.name, component.hospital, KEPT, message) for message in said]
    return problems


def _claim(site: Site, component: Component, volume: str) -> Manifest:
    name = claim_name(site, component, volume)
    if volume == LEDGER and component.hospital is not None:
        described = _ledger_metadata(site.cohorts[component.hospital], name)
    else:
        labels = selector(site.federation, component)
        described = metadata(site.federation, name, component.namespace, site.owner(component), labels)
    spec: Manifest = {
        "accessModes": (_present(site, component, volume) or {}).get("accessModes") or ["ReadWriteOnce"],
        "resources": {"requests": {"storage": _size(site, component, volume)}},
    }
    storage_class = _class(site, component, volume)
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": described, "spec": spec}


def _ledger_metadata(cohort: Cohort, name: str) -> Manifest:
    labels = {
        "app.kubernetes.io/name": "consilia",
        COMPONENT_LABEL: LEDGER,
        COHORT_LABEL: cohort.metadata.name,
    }
    return {"name": name, "namespace": cohort.metadata.namespace, "labels": labels}


def _storage(site: Site, component: Component) -> Storage:
    pod = site.pod(component)
    return pod.storage if isinstance(pod, Coordinator | Agent) else Storage()


def _present(site: Site, component: Component, volume: str) -> Manifest | None:
    """The specification of the claim that is there."""
    found = site.claims.get((component.namespace, claim_name(site, component, volume)))
    spec: Manifest | None = found["spec"] if found is not None else None
    return spec


def _size(site: Site, component: Component, volume: str) -> str:
    wished = LEDGER_SIZE if volume == LEDGER else _storage(site, component).size or SIZE
    present = _present(site, component, volume)
    if present is None:
        return wished
    held: str = present["resources"]["requests"]["storage"]
    return held if quantity(held) > quantity(wished) else wished


def _class(site: Site, component: Component, volume: str) -> str | None:
    present = _present(site, component, volume)
    if present is None:
        return _storage(site, component).class_name or site.settings.storage_class
    held: str | None = present.get("storageClassName")
    return held


def _kept(site: Site, component: Component, volume: str) -> list[str]:
    present = _present(site, component, volume)
    if present is None or volume == LEDGER:
        return []
    wished = _storage(site, component)
    place = f"PersistentVolumeClaim {component.namespace}/{claim_name(site, component, volume)}"
    said = []
    held, held_class = present["resources"]["requests"]["storage"], present.get("storageClassName")
    if wished.size is not None and quantity(wished.size) < quantity(held):
        said.append(f"{place} keeps {held}, for a claim cannot shrink to {wished.size}: set storage.size to {held}")
    if wished.class_name is not None and held_class is not None and wished.class_name != held_class:
        said.append(
            f"{place} keeps StorageClass {held_class}, for a claim cannot change to {wished.class_name}: set "
            f"storage.className to {held_class}"
        )
    return said
