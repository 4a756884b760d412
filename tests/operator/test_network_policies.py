"""The network policies, evaluated over every pair of pods: what is a link passes, and nothing else does.

Pods are the federation's, in its own namespace and in a hospital's, with the executors of a hospital's Spark; the
installation's (operator, dashboard, MLflow); another federation's of the same name; and a stranger's beside each.
"""

import itertools
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from operator import attrgetter
from typing import Any

import pytest

from consilia.plan import KUBERNETES, MLFLOW, MLFLOW_PORT
from consilia.spark_settings import PORTS as SPARK_PORTS
from consilia_operator.naming import selector
from consilia_operator.resources.network import DNS_PORTS, NAMESPACE_LABEL, network_policy
from consilia_operator.resources.site import Site
from sites import settings, site

SPARK = {"engine": "spark", "spark": {"executors": 2}}
INSTALLED = settings(api_server_cidrs=("10.96.0.1/32", "192.0.2.7/32"))
SITE = site(
    hospitals=("north", "south", "west"),
    namespaces={"north": "clinic"},
    specs={"north": SPARK, "west": SPARK},
    installation=INSTALLED,
)
OTHER = site(
    hospitals=("north",), namespaces={"north": "clinic"}, uid="another", specs={"north": SPARK}, installation=INSTALLED
)
SYSTEM = "consilia-system"
API_SERVER_PORTS = (443, 6443)
DRIVERS = ("hospital-north", "hospital-west")
NAME = attrgetter("name")


@dataclass(frozen=True)
class Pod:
    """A pod, as a network plugin knows it; ``policies`` are those that select it."""

    name: str
    namespace: str
    labels: dict[str, str]
    ports: tuple[int, ...] = ()
    policies: tuple[dict[str, Any], ...] = field(default=())
    address: str = "10.244.0.1"


def pods_of(made: Site, mark: str = "") -> list[Pod]:
    return [
        Pod(
            f"{component.name}{mark}",
            component.namespace,
            selector(made.federation, component) | {"app.kubernetes.io/name": "consilia"},
            tuple(component.ports.values()),
            (network_policy(made, component)["spec"],),
        )
        for component in [*made.components, *made.executors]
    ]


def installed(component: str, *ports: int) -> Pod:
    labels = {"app.kubernetes.io/name": "consilia", "app.kubernetes.io/component": component}
    return Pod(component, SYSTEM, labels, ports)


OURS, THEIRS = pods_of(SITE), pods_of(OTHER, "-of-another")
OPERATOR, DASHBOARD = installed("operator", 8080), installed("dashboard", 8081)
MLFLOW_POD, NEIGHBOUR = installed("mlflow", MLFLOW_PORT), Pod("neighbour", SYSTEM, {"app": "other"}, (MLFLOW_PORT,))
STRANGERS = [
    Pod(f"stranger-in-{place}", place, {"app": "other"}, (443, 5000, 5222, 8443))
    for place in ("consortium", "clinic", "x")
]
DNS = Pod("dns", "kube-system", {"k8s-app": "kube-dns"}, (53,))
API_SERVER = Pod("api-server", "default", {}, API_SERVER_PORTS, address="192.0.2.7")
PODS = [*OURS, *THEIRS, OPERATOR, DASHBOARD, MLFLOW_POD, NEIGHBOUR, DNS, API_SERVER, *STRANGERS]


def linked(made: Site, mark: str = "") -> set[tuple[str, str]]:
    """The links of the plan, and those that are not the plan's: tracking's server, who asks a coordinator, and DNS."""
    found = {
        (f"{link.source}{mark}", f"{link.target}{mark}")
        for link in made.plan.links
        if link.target not in (MLFLOW, KUBERNETES, link.source)  # executors are several pods, here one
    }
    found |= {(f"tracking{mark}", MLFLOW)}
    found |= {(pod.name, f"coordinator{mark}") for pod in (OPERATOR, DASHBOARD, MLFLOW_POD, NEIGHBOUR)}
    found |= {(f"{hospital}{mark}", "api-server") for hospital in DRIVERS if hospital in map(NAME, made.components)}
    return found | {(f"{component.name}{mark}", "dns") for component in [*made.components, *made.executors]}


LINKS = linked(SITE) | linked(OTHER, "-of-another")
PAIRS = [
    (source, target)
    for source, target in itertools.permutations(PODS, 2)
    if source.policies or target.policies  # of the others no policy of ours decides
]


def passes(source: Pod, target: Pod, port: int) -> bool:
    """As a network plugin decides: the one's egress and the other's ingress must both allow it, where policies are."""
    out = not source.policies or any(_allowed(p["egress"], "to", target, port) for p in source.policies)
    into = not target.policies or any(_allowed(p["ingress"], "from", source, port) for p in target.policies)
    return out and into


def _allowed(rules: list[dict[str, Any]], side: str, other: Pod, port: int) -> bool:
    return any(
        ("ports" not in rule or any(each["port"] == port for each in rule["ports"]))
        and (side not in rule or any(_matches(peer, other) for peer in rule[side]))
        for rule in rules
    )


def _matches(peer: dict[str, Any], pod: Pod) -> bool:
    if "ipBlock" in peer:
        return ip_address(pod.address) in ip_network(peer["ipBlock"]["cidr"])
    # A peer without a namespace would be of the policy's own; none of ours is, and one would be a mistake.
    labels = peer.get("podSelector", {}).get("matchLabels", {})
    at_home: bool = peer["namespaceSelector"]["matchLabels"] == {NAMESPACE_LABEL: pod.namespace}
    return at_home and labels.items() <= pod.labels.items()


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=lambda pod: pod.name)
def test_a_connection_passes_where_there_is_a_link_and_nowhere_else(source: Pod, target: Pod) -> None:
    for port in target.ports:
        assert passes(source, target, port) is ((source.name, target.name) in LINKS)


def test_every_link_of_the_plan_is_among_the_pairs() -> None:
    tried = {(source.name, target.name) for source, target in PAIRS}
    assert tried >= LINKS
    links = {(link.source, link.target) for link in SITE.plan.links if link.source != link.target}
    assert {(source, "api-server" if target == KUBERNETES else target) for source, target in links} <= tried


@pytest.mark.parametrize("pod", OURS, ids=lambda pod: pod.name)
def test_a_port_that_is_no_links_is_closed_and_so_is_the_api_server(pod: Pod) -> None:
    for other, port in itertools.product(PODS, (22, 80, 8080, *API_SERVER_PORTS)):
        assert not passes(pod, other, port) or port in other.ports
        assert port in pod.ports or not passes(other, pod, port)
    for port in API_SERVER_PORTS:
        assert passes(pod, API_SERVER, port) is (pod.name in DRIVERS)


def test_executors_of_one_hospital_send_one_another_blocks_and_those_of_another_none() -> None:
    north, west = (pod for pod in OURS if pod.name.startswith("executors-"))
    blocks = SPARK_PORTS["blocks"]
    assert all(passes(pod, replace(pod, address="10.244.0.2"), blocks) for pod in (north, west))
    assert not passes(north, west, blocks)
    assert not passes(north, replace(north, name="another"), SPARK_PORTS["driver"])


def test_where_nobody_says_where_the_api_server_is_a_driver_reaches_its_ports_anywhere_and_nobody_else_does() -> None:
    made = pods_of(site(specs={"north": SPARK}))
    reached = {pod.name for pod in made if passes(pod, STRANGERS[2], 443)}
    assert reached == {"hospital-north"}
    assert not any(passes(pod, STRANGERS[2], 8443) for pod in made)


@pytest.mark.parametrize(
    ("source", "reached"),
    [("hospital-north", True), ("executors-north", True), ("hospital-south", False), ("coordinator", False)],
)
def test_a_cohorts_way_out_is_open_to_its_hospital_and_its_executors_alone(source: str, reached: bool) -> None:
    egress = [{"cidr": "10.20.0.0/16", "ports": [5432]}, {"namespace": "storage", "ports": [9000]}]
    pod = next(each for each in pods_of(site(specs={"north": SPARK | {"egress": egress}})) if each.name == source)
    database, store = Pod("database", "", {}, address="10.20.3.4"), Pod("store", "storage", {})
    assert passes(pod, database, 5432) is reached
    assert passes(pod, store, 9000) is reached
    assert not passes(pod, database, 5433)
    assert not passes(pod, replace(database, address="10.21.0.1"), 5432)
    assert not passes(pod, replace(store, namespace="x"), 9000)


def test_without_executors_a_hospital_with_spark_is_as_shut_off_as_any() -> None:
    made = site(specs={"north": {"engine": "spark"}})
    (spark, plain) = (network_policy(made, made.plan.component(f"hospital-{name}")) for name in ("north", "south"))
    assert spark["spec"]["egress"] == plain["spec"]["egress"]
    assert spark["spec"]["ingress"] == []


@pytest.mark.parametrize("pod", OURS, ids=lambda pod: pod.name)
def test_names_are_asked_for_over_both_transports_wherever_dns_is(pod: Pod) -> None:
    (policy,) = pod.policies
    assert {"ports": DNS_PORTS} in policy["egress"]
    assert {(port["protocol"], port["port"]) for port in DNS_PORTS} == {("UDP", 53), ("TCP", 53)}
    assert policy["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.parametrize("made", [SITE, OTHER], ids=["one", "another"])
def test_every_pod_is_selected_by_its_own_policy_alone(made: Site) -> None:
    for component, other in itertools.product([*made.components, *made.executors], repeat=2):
        selected = network_policy(made, component)["spec"]["podSelector"]["matchLabels"]
        assert (selected.items() <= selector(made.federation, other).items()) is (component == other)
        assert network_policy(made, component)["metadata"]["namespace"] == component.namespace


SERVER_ELSEWHERE = Pod("server", "mlops", {"app": "mlflow"}, (5000,))
OUTSIDE = Pod("outside", "", {})


@pytest.mark.parametrize(
    ("uri", "target", "port", "reached"),
    [
        pytest.param(None, MLFLOW_POD, 5000, True, id="the chart's own"),
        pytest.param(None, NEIGHBOUR, 5000, False, id="the chart's own, and not its neighbour"),
        pytest.param(None, MLFLOW_POD, 22, False, id="the chart's own, at its port"),
        pytest.param(None, OUTSIDE, 5000, False, id="the chart's own, and nobody outside"),
        pytest.param("http://mlflow.mlops.svc:80", SERVER_ELSEWHERE, 5000, True, id="another namespace, whatever port"),
        pytest.param("http://mlflow.mlops.svc.cluster.local", SERVER_ELSEWHERE, 5000, True, id="by its full name"),
        pytest.param("http://mlflow.mlops.svc:80", MLFLOW_POD, 5000, False, id="another namespace, and no third"),
        pytest.param("http://other.consilia-system.svc:5000", NEIGHBOUR, 5000, True, id="another of the operator's"),
        pytest.param("https://mlflow.example", OUTSIDE, 443, True, id="outside, at https' port"),
        pytest.param("http://mlflow.example", OUTSIDE, 80, True, id="outside, at http's port"),
        pytest.param("https://mlflow.example:8443/team", OUTSIDE, 8443, True, id="outside, at its own port"),
        pytest.param("https://mlflow.example:8443", OUTSIDE, 443, False, id="outside, at no other port"),
    ],
)
def test_tracking_reaches_its_mlflow_server_and_no_other(
    uri: str | None, target: Pod, port: int, reached: bool
) -> None:
    made = site(spec={"tracking": {"mlflowUri": uri} if uri else {}})
    tracking = next(pod for pod in pods_of(made) if pod.name == "tracking")
    assert passes(tracking, target, port) is reached
