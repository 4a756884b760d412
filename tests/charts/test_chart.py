"""The chart as text: what helm makes of several sets of values, and what it refuses."""

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart_values import VALUES
from cluster.api_server import located

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "consilia"

Manifest = dict[str, Any]


def helm(*arguments: str | Path, values: Manifest | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm on these values, whatever comes of it."""
    command = [located("helm"), *arguments, "--values=-"]
    text = yaml.safe_dump(values or {})
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def template(values: Manifest | None = None) -> list[Manifest]:
    """The objects of a release."""
    done = helm("template", "consilia", CHART, "--namespace=consilia-system", values=values)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one object of this kind and name."""
    (found,) = [each for each in manifests if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """The pods' specs by the name of their Deployment."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in manifests if each["kind"] == "Deployment"
    }


def environment(pod: Manifest) -> dict[str, str]:
    """The settings of a pod's one container that have a value."""
    (container,) = pod["containers"]
    return {each["name"]: each["value"] for each in container.get("env", []) if "value" in each}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_helm_finds_nothing_wrong(values: Manifest) -> None:
    done = helm("lint", "--strict", "--quiet", CHART, values=values)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_every_pod_is_restricted_bounded_and_probed(values: Manifest) -> None:
    for name, pod in pods(template(values)).items():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"]["memory"]
            assert container["resources"]["limits"]["memory"]
            assert container["livenessProbe"]


def test_only_operator_and_dashboard_hold_a_token_of_the_cluster() -> None:
    holders = {name for name, pod in pods(template()).items() if pod["automountServiceAccountToken"]}
    assert holders == {"consilia-operator", "consilia-dashboard"}


def test_the_definitions_are_those_of_the_repository_and_stay() -> None:
    shipped = [each for each in template() if each["kind"] == "CustomResourceDefinition"]
    ours = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    assert sorted(shipped, key=lambda each: each["metadata"]["name"]) == ours
    assert {each["metadata"]["annotations"]["helm.sh/resource-policy"] for each in shipped} == {"keep"}


def test_the_definitions_can_be_left_to_somebody_else() -> None:
    assert not [each for each in template({"crds": {"install": False}}) if each["kind"] == "CustomResourceDefinition"]


def test_the_chart_is_of_the_products_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)


def test_the_operator_is_told_every_image_and_where_runs_are_tracked() -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    told = environment(pods(template())["consilia-operator"])
    images = {name: value for name, value in told.items() if name.startswith("CONSILIA_IMAGE_")}
    assert images == {
        "CONSILIA_IMAGE_BROKER": f"localhost/consilia-broker:{version}",
        "CONSILIA_IMAGE_COORDINATOR": f"localhost/consilia-coordinator:{version}",
        "CONSILIA_IMAGE_HOSPITAL": f"localhost/consilia-agent:{version}",
        "CONSILIA_IMAGE_TRACKING": f"localhost/consilia-mlflow:{version}",
    }
    assert told["CONSILIA_MLFLOW_URI"] == "http://consilia-mlflow.consilia-system.svc:5000"


def test_every_image_is_one_that_is_built() -> None:
    built = {path.parent.name for path in (ROOT / "images").glob("*/Dockerfile")}
    made = template({"image": {"registry": "registry.example/team", "tag": "7"}})
    named_here = {container["image"] for pod in pods(made).values() for container in pod["containers"]}
    named_here |= {
        v for n, v in environment(pods(made)["consilia-operator"]).items() if n.startswith("CONSILIA_IMAGE_")
    }
    assert named_here == {f"registry.example/team/consilia-{name}:7" for name in built}


def test_an_mlflow_that_exists_takes_the_place_of_ones_own() -> None:
    made = template({"mlflow": {"uri": "https://mlflow.example:8443"}})
    assert environment(pods(made)["consilia-operator"])["CONSILIA_MLFLOW_URI"] == "https://mlflow.example:8443"
    assert not [each for each in made if each["metadata"]["name"] == "consilia-mlflow"]


def test_without_any_mlflow_runs_are_not_tracked() -> None:
    told = environment(pods(template({"mlflow": {"enabled": False}}))["consilia-operator"])
    assert "CONSILIA_MLFLOW_URI" not in told


def test_mlflow_answers_to_the_names_that_it_has() -> None:
    values = {"mlflow": {"allowedHosts": ["runs.example"], "ingress": {"enabled": True, "host": "mlflow.example"}}}
    hosts = environment(pods(template(values))["consilia-mlflow"])["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert {"consilia-mlflow.consilia-system.svc:5000", "localhost:*", "mlflow.example", "runs.example"} <= set(hosts)
    assert "*" not in hosts


def test_nobody_but_tracking_reaches_mlflow_unless_it_is_published() -> None:
    (rule,) = named(template(), "NetworkPolicy", "consilia-mlflow")["spec"]["ingress"]
    assert rule["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "tracking"
    published = template({"mlflow": {"ingress": {"enabled": True, "host": "mlflow.example"}}})
    (rule,) = named(published, "NetworkPolicy", "consilia-mlflow")["spec"]["ingress"]
    assert "from" not in rule


def test_the_login_token_is_long_and_never_the_same() -> None:
    first, second = (named(template(), "Secret", "consilia-dashboard-login")["data"]["token"] for _ in range(2))
    assert first != second
    assert len(first) >= 40


def test_a_login_secret_of_ones_own_is_used_and_none_is_made() -> None:
    made = template({"dashboard": {"loginSecret": "ours"}})
    assert not [each for each in made if each["kind"] == "Secret"]
    volumes = {each["name"]: each for each in pods(made)["consilia-dashboard"]["volumes"]}
    assert volumes["login"]["secret"]["secretName"] == "ours"


def test_the_dashboard_sees_the_private_half_of_the_key_and_no_more() -> None:
    volumes = {each["name"]: each for each in pods(template())["consilia-dashboard"]["volumes"]}
    assert volumes["token-key"]["secret"]["items"] == [{"key": "private.pem", "path": "private.pem"}]


def test_the_dashboard_may_read_and_patch_federations_and_nothing_else() -> None:
    (rule,) = named(template(), "ClusterRole", "consilia-dashboard")["rules"]
    assert rule == {
        "apiGroups": ["consilia.health"],
        "resources": ["federations"],
        "verbs": ["get", "list", "watch", "patch"],
    }


def test_no_role_has_a_wildcard_or_makes_roles() -> None:
    for role in [each for each in template() if each["kind"] in ("ClusterRole", "Role")]:
        for rule in role["rules"]:
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
            assert "rbac.authorization.k8s.io" not in rule["apiGroups"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        pytest.param({"imag": {}}, "additional properties 'imag' not allowed", id="an unknown value"),
        pytest.param({"mlflow": {"uri": "mlflow:5000"}}, "does not match pattern", id="an address without http"),
        pytest.param({"mlflow": {"storage": "5"}}, "does not match pattern", id="a size without a unit"),
        pytest.param({"dashboard": {"enabled": "yes"}}, "got string, want boolean", id="a word as a flag"),
        pytest.param(
            {"dashboard": {"ingress": {"enabled": True}}},
            "dashboard.ingress.enabled needs dashboard.ingress.host: the name under which people reach it",
            id="an ingress to nowhere",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_a_sentence(values: Manifest, sentence: str) -> None:
    done = helm("template", "consilia", CHART, values=values)
    assert done.returncode != 0
    assert sentence in done.stderr


def paths(values: Manifest, schema: Manifest, definitions: Manifest) -> tuple[set[str], set[str]]:
    """The names of values, those that the values have and those that the schema has, with their folders."""
    schema = definitions[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
    had, known = set(values), set(schema.get("properties", {}))
    for name in had & known:
        if isinstance(values[name], dict) and "properties" in schema["properties"][name] | definitions.get(
            schema["properties"][name].get("$ref", "").rpartition("/")[2], {}
        ):
            inner = paths(values[name], schema["properties"][name], definitions)
            had |= {f"{name}.{each}" for each in inner[0]}
            known |= {f"{name}.{each}" for each in inner[1]}
    return had, known


def test_the_schema_knows_every_value_that_is_written_down_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    written, known = paths(yaml.safe_load((CHART / "values.yaml").read_text()), schema, schema["definitions"])
    assert written == known - {"global"}


def test_federations_are_watched_by_prometheus_where_that_is_wanted() -> None:
    monitor = named(template(VALUES["monitored"]), "ServiceMonitor", "consilia-coordinators")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["endpoints"][0]["path"] == "/metrics"


def test_kinds_configuration_is_one_node() -> None:
    configuration = yaml.safe_load((ROOT / "kind-config.yaml").read_text())
    assert [node["role"] for node in configuration["nodes"]] == ["control-plane"]
