"""Claims: objects of their own, for a StatefulSet's templates can never be changed."""

from consilia.plan import BROKER, Component
from consilia_operator.naming import Manifest, metadata, selector
from consilia_operator.resources.site import Site
from consilia_operator.resources.workloads import claim_name

SIZE = "1Gi"


def claims(site: Site, component: Component) -> list[Manifest]:
    """The claims of a component; the broker keeps nothing."""
    if component.name == BROKER:
        return []
    return [_claim(site, component, volume) for volume in component.volumes]


def _claim(site: Site, component: Component, volume: str) -> Manifest:
    name = claim_name(site, component, volume)
    labels = selector(site.federation, component)
    spec: Manifest = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": SIZE}}}
    if site.settings.storage_class is not None:
        spec["storageClassName"] = site.settings.storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(site.federation, name, component.namespace, site.owner(component), labels),
        "spec": spec,
    }
