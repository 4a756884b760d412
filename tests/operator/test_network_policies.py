"""The network policies, evaluated over every pair of components: what is a link passes, and nothing else does."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from consilia.manifest import parse
from consilia.plan import Component, plan
from consilia_operator.naming import selector
from consilia_operator.resources.network import NAMESPACE_LABEL, network_policy
from consilia_operator.resources.site import Site
from consilia_operator.settings import COMPONENTS, Settings

EXAMPLE = Path(__file__).parents[2] / "examples" / "breast-cancer.yaml"
MANIFEST = parse(EXAMPLE.read_text(), EXAMPLE.name)
FEDERATION = MANIFEST.federations[0]
COHORTS = MANIFEST.cohorts_of(FEDERATION)
SETTINGS = Settings("consilia-system", "me", dict.fromkeys(COMPONENTS, "image"), "http://mlflow:5000", None, 8080)
PLAN = plan(FEDERATION, COHORTS, dashboard=False)
SITE = Site(FEDERATION, COHORTS, PLAN, SETTINGS)
PODS = [component for component in PLAN.components if component.kind != "mlflow"]
LINKS = {(link.source, link.target) for link in PLAN.links}


def matches(peer: dict[str, Any], component: Component) -> bool:
    pods = peer.get("podSelector", {}).get("matchLabels", {})
    namespaces = peer["namespaceSelector"]["matchLabels"]
    return (
        pods.items() <= selector(FEDERATION, component).items() and namespaces[NAMESPACE_LABEL] == component.namespace
    )


def passes(source: Component, target: Component, port: int) -> bool:
    """As a network plugin decides: the one's egress and the other's ingress must both allow it."""
    out = network_policy(SITE, source)["spec"]["egress"]
    into = network_policy(SITE, target)["spec"]["ingress"]
    return _allowed(out, "to", target, port) and _allowed(into, "from", source, port)


def _allowed(rules: list[dict[str, Any]], side: str, component: Component, port: int) -> bool:
    return any(
        any(peer["port"] == port for peer in rule["ports"])
        and (side not in rule or any(matches(peer, component) for peer in rule[side]))
        for rule in rules
    )


@pytest.mark.parametrize(
    ("source", "target"),
    list(itertools.permutations(PODS, 2)),
    ids=lambda component: component.name,
)
def test_a_connection_passes_where_the_plan_has_a_link_and_nowhere_else(source: Component, target: Component) -> None:
    linked = (source.name, target.name) in LINKS
    for port in target.ports.values():
        assert passes(source, target, port) is linked
    if not target.ports:
        assert network_policy(SITE, target)["spec"]["ingress"] == []


def test_the_operator_reaches_the_coordinator_from_its_own_namespace() -> None:
    rules = network_policy(SITE, PLAN.component("coordinator"))["spec"]["ingress"]
    assert {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: "consilia-system"}}} in rules[-1]["from"]
