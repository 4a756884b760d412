"""One PodDisruptionBudget over the hospitals of a namespace: a drain takes one at a time."""

from consilia_operator.naming import COMPONENT_LABEL, UID_LABEL, Manifest, Owner, metadata, object_name
from consilia_operator.resources.site import Site


def disruption_budget(site: Site) -> Manifest:
    """The budget of the hospitals in the federation's own namespace."""
    federation = site.federation
    namespace = federation.metadata.namespace
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(federation, object_name(federation, "hospitals"), namespace, Owner.of(federation)),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": {UID_LABEL: federation.metadata.uid or "", COMPONENT_LABEL: "hospital"}},
        },
    }
