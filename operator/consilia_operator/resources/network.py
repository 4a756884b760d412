"""Services, and NetworkPolicies drawn from the plan's links: what is not a link is not a connection.

Only the way to a hospital's data is no link but its cohort's word.

DNS is wherever it is: clusters keep it in a namespace, on every node or outside. The operator and the dashboard reach
the coordinator from the operator's namespace, and so does whoever scrapes its metrics there.
"""

from urllib.parse import urlsplit

from consilia.plan import KUBERNETES, MLFLOW, Component, Link
from consilia.pod import Egress
from consilia_operator.naming import COMPONENT_LABEL, Manifest, metadata, object_name, selector
from consilia_operator.resources.site import Site

DNS_PORTS: list[Manifest] = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
OWN_MLFLOW = "consilia-mlflow"
"""The Service of the chart's MLflow server."""
OWN_MLFLOW_LABELS = {"app.kubernetes.io/name": "consilia", COMPONENT_LABEL: "mlflow"}
"""The labels of its pod."""
SCHEME_PORTS = {"http": 80, "https": 443}


def services(site: Site, component: Component) -> list[Manifest]:
    """The Service of a component that others connect to; else none."""
    if not component.ports:
        return []
    labels = selector(site.federation, component)
    name = object_name(site.federation, component.name, component.namespace)
    spec: Manifest = {
        "selector": labels,
        # A broker that is starting is where its clients should be trying.
        "publishNotReadyAddresses": True,
        "ports": [{"name": n, "port": p, "targetPort": n} for n, p in sorted(component.ports.items())],
    }
    if component.kind == "hospital":
        # A name for the pod itself: Spark's executors join their own driver, and nothing stands between.
        spec = {"clusterIP": "None"} | spec
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(site.federation, name, component.namespace, site.owner(component), labels),
            "spec": spec,
        }
    ]


def network_policy(site: Site, component: Component) -> Manifest:
    """Default deny for a component's pods, but for DNS and its links."""
    labels = selector(site.federation, component)
    name = object_name(site.federation, component.name, component.namespace)
    ingress = [_incoming(site, component, link) for link in site.plan.links if link.target == component.name]
    if component.kind == "coordinator":
        port = component.ports["https"]
        ingress.append({"from": [_in(site.settings.namespace)], "ports": [{"protocol": "TCP", "port": port}]})
    egress: list[Manifest] = [{"ports": DNS_PORTS}]
    egress += [_outgoing(site, link) for link in site.plan.links if link.source == component.name]
    if component.hospital is not None:
        egress += [_to_data(wished) for wished in site.cohorts[component.hospital].spec.egress]
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
    if target.name == MLFLOW:
        return _to_mlflow(site)
    if target.name == KUBERNETES:
        return _to_api_server(site)
    return {"to": [_peer(site, target)], "ports": [{"protocol": "TCP", "port": target.ports[link.port]}]}


def _to_data(wished: Egress) -> Manifest:
    """Where a hospital says that its data are; a policy cannot tell from a name."""
    peer = {"ipBlock": {"cidr": wished.cidr}} if wished.cidr is not None else _in(wished.namespace or "")
    return {"to": [peer], "ports": [{"protocol": "TCP", "port": port} for port in wished.ports]}


def _to_api_server(site: Site) -> Manifest:
    """By its ports, for it is no pod that a policy could select; within its addresses where those are given.

    Some network plugins look at a connection to its Service before, others after it has become one to its own port.
    """
    rule: Manifest = {"ports": [{"protocol": "TCP", "port": port} for port in site.settings.api_server_ports]}
    if site.settings.api_server_cidrs:
        rule = {"to": [{"ipBlock": {"cidr": cidr}} for cidr in site.settings.api_server_cidrs]} | rule
    return rule


def _to_mlflow(site: Site) -> Manifest:
    """To the chart's own server, to a namespace of this cluster, or to a port, wherever that is.

    A policy is about the ports of pods, and of another's Service only its own port is known: there the namespace has to
    be enough.
    """
    address = urlsplit(site.mlflow_uri or "")
    ports = [{"protocol": "TCP", "port": address.port or SCHEME_PORTS[address.scheme]}]
    match (address.hostname or "").split("."):
        case [service, namespace, "svc", *_] if (service, namespace) == (OWN_MLFLOW, site.settings.namespace):
            return {"to": [_in(namespace) | {"podSelector": {"matchLabels": OWN_MLFLOW_LABELS}}], "ports": ports}
        case [_, namespace, "svc", *_]:
            return {"to": [_in(namespace)]}
    return {"ports": ports}


def _in(namespace: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: namespace}}}


def _peer(site: Site, component: Component) -> Manifest:
    return _in(component.namespace) | {"podSelector": {"matchLabels": selector(site.federation, component)}}
