"""What one object of the chart says of another is so: selectors, ports, volumes, accounts."""

from typing import Any

import pytest

from chart_values import VALUES
from rendered_chart import Manifest, named, pods, template

EVERY = pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)

NOT_OURS = {"app.kubernetes.io/managed-by": "consilia-operator"}
"""What the operator makes is labelled so: the chart has no pod of that kind."""


def labels(manifests: list[Manifest]) -> dict[str, dict[str, str]]:
    """The pods' labels by the name of their Deployment."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"]
        for each in manifests
        if each["kind"] == "Deployment"
    }


def selected(selector: dict[str, str], pods_labels: dict[str, dict[str, str]]) -> list[str]:
    """The Deployments whose pods a selector takes."""
    return [name for name, has in pods_labels.items() if selector.items() <= has.items()]


@EVERY
def test_every_selector_takes_the_pods_of_its_name_and_no_other(values: dict[str, Any]) -> None:
    made = template(values)
    for each in made:
        name, spec = each["metadata"]["name"], each.get("spec", {})
        selector = {
            "Service": lambda spec: spec["selector"],
            "Deployment": lambda spec: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
        }.get(each["kind"])
        if selector is not None:
            assert selected(selector(spec), labels(made)) == [name], (each["kind"], name)


@EVERY
def test_a_monitor_finds_one_service_of_the_release_or_those_of_federations(values: dict[str, Any]) -> None:
    made = template(values)
    for monitor in [each for each in made if each["kind"] == "ServiceMonitor"]:
        wanted = monitor["spec"]["selector"]["matchLabels"]
        found = [e for e in made if e["kind"] == "Service" and wanted.items() <= e["metadata"]["labels"].items()]
        if NOT_OURS.items() <= wanted.items():
            assert monitor["spec"]["namespaceSelector"] == {"any": True}
        else:
            (service,) = found
            ports = {port["name"] for port in service["spec"]["ports"]}
            assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports


@EVERY
def test_every_port_that_is_named_is_one_of_the_container(values: dict[str, Any]) -> None:
    made = template(values)
    for name, pod in pods(made).items():
        (container,) = pod["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        probes = [container[probe] for probe in container if probe.endswith("Probe")]
        assert {probe["httpGet"]["port"] for probe in probes} <= set(ports)
        for service in [e for e in made if (e["kind"], e["metadata"]["name"]) == ("Service", name)]:
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= set(ports)
        if values.get("networkPolicies", {}).get("enabled", True):
            rules = named(made, "NetworkPolicy", name)["spec"].get("ingress", [])
            assert {port["port"] for rule in rules for port in rule["ports"]} <= set(ports.values())


@EVERY
def test_every_ingress_leads_to_a_port_of_a_service(values: dict[str, Any]) -> None:
    made = template(values)
    for ingress in [each for each in made if each["kind"] == "Ingress"]:
        (rule,) = ingress["spec"]["rules"]
        for path in rule["http"]["paths"]:
            service = named(made, "Service", path["backend"]["service"]["name"])
            assert path["backend"]["service"]["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


@EVERY
def test_volumes_that_are_mounted_are_those_that_there_are(values: dict[str, Any]) -> None:
    made = template(values)
    claims = {each["metadata"]["name"] for each in made if each["kind"] == "PersistentVolumeClaim"}
    for name, pod in pods(made).items():
        (container,) = pod["containers"]
        assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}, name
        mine = {
            each["persistentVolumeClaim"]["claimName"] for each in pod["volumes"] if "persistentVolumeClaim" in each
        }
        assert mine <= claims, name


@EVERY
def test_accounts_and_roles_that_are_named_are_made(values: dict[str, Any]) -> None:
    made = template(values)
    for pod in pods(made).values():
        if "serviceAccountName" in pod:
            named(made, "ServiceAccount", pod["serviceAccountName"])
    for binding in [each for each in made if each["kind"].endswith("RoleBinding")]:
        named(made, binding["roleRef"]["kind"], binding["roleRef"]["name"])
        for subject in binding["subjects"]:
            named(made, subject["kind"], subject["name"])


@EVERY
def test_no_image_is_whatever_is_newest(values: dict[str, Any]) -> None:
    for name, pod in pods(template(values)).items():
        for container in pod["containers"]:
            tag = container["image"].rpartition(":")[2]
            assert "/" not in tag, f"{name} has no tag"
            assert tag != "latest", name
