"""Services, and NetworkPolicies drawn from the plan's links: what is not a link is not a connection."""

from consilia.plan import MLFLOW, Component, Link
from consilia_operator.naming import Manifest, metadata, object_name, selector
from consilia_operator.resources.site import Site

DNS_PORTS: list[Manifest] = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
NAMESPACE_LABEL = "kubernetes.io/metadata.name"


def services(site: Site, component: Component) -> list[Manifest]:
    """The Service of a component that others connect to; else none."""
    if not component.ports or component.kind in ("mlflow", "dashboard"):
        return []
    labels = selector(site.federation, component)
    name = object_name(site.federation, component.name)
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(site.federation, name, component.namespace, site.owner(component), labels),
            "spec": {
                "selector": labels,
                # A broker that is starting is where its clients should be trying.
                "publishNotReadyAddresses": True,
                "ports": [{"name": n, "port": p, "targetPort": n} for n, p in sorted(component.ports.items())],
            },
        }
    ]


def network_policy(site: Site, component: Component) -> Manifest:
    """Default deny for a component's pods, but for DNS and its links."""
    labels = selector(site.federation, component)
    name = object_name(site.federation, component.name)
    ingress = [_incoming(site, component, link) for link in site.plan.links if link.target == component.name]
    if component.kind == "coordinator":
        port = component.ports["https"]
        operator = {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: site.settings.namespace}}}
        ingress.append({"from": [operator], "ports": [{"protocol": "TCP", "port": port}]})
    egress: list[Manifest] = [{"ports": DNS_PORTS}]
    egress += [_outgoing(site, link) for link in site.plan.links if link.source == component.name]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(site.federation, name, component.namespace, site.owner(component), labels),
        "spec": {
            "podSelector": {"matchLabels": labels},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }


def _incoming(site: Site, component: Component, link: Link) -> Manifest:
    source = site.plan.component(link.source)
    return {"from": [_peer(site, source)], "ports": [{"protocol": "TCP", "port": component.ports[link.port]}]}


def _outgoing(site: Site, link: Link) -> Manifest:
    target = site.plan.component(link.target)
    ports: list[Manifest] = [{"protocol": "TCP", "port": target.ports[link.port]}]
    if target.name == MLFLOW:
        # MLflow is the installation's, or somebody else's altogether: by port, wherever it is.
        return {"ports": ports}
    return {"to": [_peer(site, target)], "ports": ports}


def _peer(site: Site, component: Component) -> Manifest:
    return {
        "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: component.namespace}},
        "podSelector": {"matchLabels": selector(site.federation, component)},
    }
