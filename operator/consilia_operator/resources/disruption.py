"""One PodDisruptionBudget over the hospitals of each namespace: a drain takes one at a time.

A budget counts the pods of its own namespace alone. It is there only where a hospital is; in a hospital's namespace it
is owned by a cohort there and goes with it.
"""

from consilia_operator.naming import COMPONENT_LABEL, UID_LABEL, Manifest, Owner, metadata, object_name
from consilia_operator.resources.site import Site


def disruption_budgets(site: Site) -> list[Manifest]:
    """The budgets of the federation's hospitals, by namespace."""
    owners: dict[str, Owner] = {}
    for component in site.components:
        if component.hospital is not None:
            owners.setdefault(component.namespace, site.owner(component))
    home = site.federation.metadata.namespace
    if home in owners:
        owners[home] = Owner.of(site.federation)
    return [_budget(site, namespace, owner) for namespace, owner in sorted(owners.items())]


def _budget(site: Site, namespace: str, owner: Owner) -> Manifest:
    federation = site.federation
    name = object_name(federation, "hospitals", namespace)
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(federation, name, namespace, owner),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": {UID_LABEL: federation.metadata.uid or "", COMPONENT_LABEL: "hospital"}},
        },
    }
