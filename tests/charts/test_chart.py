"""The chart as text: what helm makes of several sets of values, and what it refuses."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from chart_values import VALUES
from rendered_chart import CHART, Manifest, container, environment, helm, named, pods, template

ROLE = "consilia-spark-driver"
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_helm_finds_nothing_wrong(values: Manifest) -> None:
    done = helm("lint", "--strict", "--quiet", CHART, values=values)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_every_pod_is_restricted_bounded_and_probed(values: Manifest) -> None:
    for name, pod in pods(template(values)).items():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for each in pod["containers"]:
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert each["resources"]["requests"]["memory"]
            assert each["resources"]["limits"]["memory"]
            assert each["livenessProbe"]
            assert each["readinessProbe"]


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
    told = environment(template(), "consilia-operator")
    images = {name: value for name, value in told.items() if name.startswith("CONSILIA_IMAGE_")}
    assert images == {
        "CONSILIA_IMAGE_BROKER": f"localhost/consilia-broker:{version}",
        "CONSILIA_IMAGE_COORDINATOR": f"localhost/consilia-coordinator:{version}",
        "CONSILIA_IMAGE_HOSPITAL": f"localhost/consilia-agent:{version}",
        "CONSILIA_IMAGE_SPARK": f"localhost/consilia-spark:{version}",
        "CONSILIA_IMAGE_TRACKING": f"localhost/consilia-mlflow:{version}",
    }
    assert told["CONSILIA_MLFLOW_URI"] == "http://consilia-mlflow.consilia-system.svc:5000"
    assert told["CONSILIA_MLFLOW_PAGE"] == "http://localhost:5000"


def test_every_image_is_one_that_is_built() -> None:
    built = {path.parent.name for path in (ROOT / "images").glob("*/Dockerfile")}
    made = template({"image": {"registry": "registry.example/team", "tag": "7"}})
    named_here = {container["image"] for pod in pods(made).values() for container in pod["containers"]}
    named_here |= {v for n, v in environment(made, "consilia-operator").items() if n.startswith("CONSILIA_IMAGE_")}
    assert named_here == {f"registry.example/team/consilia-{name}:7" for name in built}


def test_an_mlflow_that_exists_takes_the_place_of_ones_own() -> None:
    made = template({"mlflow": {"uri": "https://mlflow.example:8443"}})
    told = environment(made, "consilia-operator")
    assert told["CONSILIA_MLFLOW_URI"] == told["CONSILIA_MLFLOW_PAGE"] == "https://mlflow.example:8443"
    assert not [each for each in made if each["metadata"]["name"] == "consilia-mlflow"]


def test_without_any_mlflow_runs_are_not_tracked() -> None:
    told = environment(template({"mlflow": {"enabled": False}}), "consilia-operator")
    assert "CONSILIA_MLFLOW_URI" not in told


def test_mlflow_answers_to_the_names_that_it_has() -> None:
    values = {"mlflow": {"allowedHosts": ["runs.example"], "ingress": {"enabled": True, "host": "mlflow.example"}}}
    hosts = environment(template(values), "consilia-mlflow")["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert {"consilia-mlflow.consilia-system.svc:5000", "localhost:*", "mlflow.example", "runs.example"} <= set(hosts)
    assert "*" not in hosts


def test_nobody_but_tracking_reaches_mlflow_unless_it_is_published() -> None:
    (rule,) = named(template(), "NetworkPolicy", "consilia-mlflow")["spec"]["ingress"]
    assert rule["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "tracking"
    published = template({"mlflow": {"ingress": {"enabled": True, "host": "mlflow.example"}}})
    (rule,) = named(published, "NetworkPolicy", "consilia-mlflow")["spec"]["ingress"]
    assert "from" not in rule


def mlflow_egress(manifests: list[Manifest]) -> set[int]:
    """The ports that MLflow may connect to."""
    policy = named(manifests, "NetworkPolicy", "consilia-mlflow")["spec"]
    assert "Egress" in policy["policyTypes"]
    return {port["port"] for rule in policy.get("egress", []) for port in rule["ports"]}


def test_mlflow_by_itself_has_a_volume_and_connects_to_nothing() -> None:
    made = template()
    assert mlflow_egress(made) == set()
    assert named(made, "PersistentVolumeClaim", "consilia-mlflow")
    assert not [
        each for each in container(made, "consilia-mlflow")["args"] if "database" in each or "artifacts" in each
    ]


def test_runs_go_to_a_postgresql_whose_address_no_pods_spec_holds() -> None:
    made = template(VALUES["runs in a postgresql"])
    assert "--database-file=/etc/consilia/secrets/database/uri" in container(made, "consilia-mlflow")["args"]
    volumes = {each["name"]: each for each in pods(made)["consilia-mlflow"]["volumes"]}
    assert volumes["database"]["secret"]["secretName"] == "runs-app"
    assert volumes["database"]["secret"]["items"] == [{"key": "uri", "path": "uri"}]
    assert mlflow_egress(made) == {53, 6432}
    assert named(made, "PersistentVolumeClaim", "consilia-mlflow"), "the artifacts are still on it"


def test_artifacts_go_behind_an_s3_api_with_keys_that_mlflow_alone_has() -> None:
    made = template(VALUES["artifacts behind an s3 api"])
    assert "--artifacts=s3://models/consilia" in container(made, "consilia-mlflow")["args"]
    settings = {each["name"]: each for each in container(made, "consilia-mlflow")["env"]}
    assert settings["MLFLOW_S3_ENDPOINT_URL"]["value"] == "http://minio.storage.svc:9000"
    keys = {name: settings[name]["valueFrom"]["secretKeyRef"] for name in settings if "valueFrom" in settings[name]}
    assert keys == {
        "AWS_ACCESS_KEY_ID": {"name": "models-keys", "key": "access-key-id"},
        "AWS_SECRET_ACCESS_KEY": {"name": "models-keys", "key": "secret-access-key"},
    }
    assert mlflow_egress(made) == {53, 9000}
    assert named(made, "PersistentVolumeClaim", "consilia-mlflow"), "the runs are still on it"
    others = yaml.safe_dump([each for each in made if each["metadata"]["name"] != "consilia-mlflow"])
    assert "models-keys" not in others


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        pytest.param("", 443, id="AWS's own"),
        pytest.param("https://s3.example", 443, id="https"),
        pytest.param("http://s3.example/", 80, id="http"),
        pytest.param("https://[fd00::1]:9000", 9000, id="an address of IPv6"),
    ],
)
def test_the_port_of_an_s3_api_is_that_of_its_address(endpoint: str, port: int) -> None:
    values = {"mlflow": {"artifacts": {"destination": "s3://models", "secret": "keys", "endpoint": endpoint}}}
    assert mlflow_egress(template(values)) == {53, port}


def test_with_both_elsewhere_there_is_no_volume() -> None:
    made = template(VALUES["nothing on a volume"])
    assert not [each for each in made if each["kind"] == "PersistentVolumeClaim"]
    volumes = {each["name"]: each for each in pods(made)["consilia-mlflow"]["volumes"]}
    assert volumes["mlflow"] == {"name": "mlflow", "emptyDir": {}}
    assert volumes["database"]["secret"]["items"] == [{"key": "address", "path": "uri"}]
    assert mlflow_egress(made) == {53, 5432, 443}


def test_the_flags_that_mlflow_is_given_are_flags_that_it_has() -> None:
    told = container(template(VALUES["nothing on a volume"]), "consilia-mlflow")["args"]
    assert told[0] == "consilia_local.mlflow_server"
    done = subprocess.run([sys.executable, "-m", told[0], "--help"], capture_output=True, text=True, check=True)
    assert {each.partition("=")[0] for each in told[1:]} <= set(re.findall(r"--[a-z-]+", done.stdout))


def test_the_login_token_is_long_and_never_the_same() -> None:
    # The same values would be rendered once.
    releases = [template(), template({"dashboard": {"enabled": True}})]
    first, second = (named(made, "Secret", "consilia-dashboard-login")["data"]["token"] for made in releases)
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


def test_the_hospitals_steward_alone_decides_what_its_patients_may_lose() -> None:
    writing = {
        role["metadata"]["name"]: {verb for verb in rule["verbs"] if verb not in ("get", "list", "watch")}
        for role in template()
        if role["kind"] in ("ClusterRole", "Role")
        for rule in role["rules"]
        if "cohorts" in rule["resources"]
    }
    assert writing["consilia-steward"] == {"create", "update", "patch", "delete"}
    assert [role for role, verbs in writing.items() if verbs] == ["consilia-steward"]
    assert "consilia-scientist" in writing


def test_a_cohorts_account_is_written_by_the_operator_alone() -> None:
    of_status = {
        role["metadata"]["name"]
        for role in template()
        if role["kind"] in ("ClusterRole", "Role")
        for rule in role["rules"]
        if "cohorts/status" in rule["resources"]
    }
    assert of_status == {"consilia-operator"}


def test_no_role_has_a_wildcard_or_makes_roles() -> None:
    for role in [each for each in template() if each["kind"] in ("ClusterRole", "Role")]:
        for rule in role["rules"]:
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
            if "rbac.authorization.k8s.io" in rule["apiGroups"]:
                assert rule["resources"] == ["rolebindings"] or rule["verbs"] == ["bind"]


def test_the_operator_can_bind_the_role_of_spark_and_no_other() -> None:
    role = named(template(), "ClusterRole", "consilia-operator")
    (rule,) = [each for each in role["rules"] if "bind" in each["verbs"]]
    assert (rule["resources"], rule["resourceNames"]) == (["clusterroles"], [ROLE])
    assert not [each for each in role["rules"] if {"escalate", "impersonate"} & set(each["verbs"])]


def test_spark_may_make_pods_and_touch_nothing_else() -> None:
    (rule,) = named(template(), "ClusterRole", ROLE)["rules"]
    assert (rule["apiGroups"], rule["resources"]) == ([""], ["pods"])
    assert not {"patch", "update"} & set(rule["verbs"])
    bound = [each["roleRef"]["name"] for each in template() if each["kind"].endswith("RoleBinding")]
    assert ROLE not in bound, "an installation by itself lets nobody make pods"


def test_where_the_api_server_is_reached_is_the_administrators_to_say() -> None:
    told = environment(template(), "consilia-operator")
    assert told["CONSILIA_API_SERVER_PORTS"] == "443,6443"
    assert "CONSILIA_API_SERVER_CIDRS" not in told
    told = environment(
        template({"spark": {"apiServer": {"ports": [16443], "cidrs": ["10.96.0.1/32", "192.0.2.7/32"]}}}),
        "consilia-operator",
    )
    assert told["CONSILIA_API_SERVER_PORTS"] == "16443"
    assert told["CONSILIA_API_SERVER_CIDRS"] == "10.96.0.1/32,192.0.2.7/32"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        pytest.param({"imag": {}}, "additional properties 'imag' not allowed", id="an unknown value"),
        pytest.param({"mlflow": {"uri": "mlflow:5000"}}, "does not match pattern", id="an address without http"),
        pytest.param({"mlflow": {"storage": "5"}}, "does not match pattern", id="a size without a unit"),
        pytest.param(
            {"mlflow": {"artifacts": {"destination": "s3://models"}}},
            "mlflow.artifacts.destination needs mlflow.artifacts.secret: a Secret with the keys to the bucket",
            id="a bucket without its keys",
        ),
        pytest.param({"mlflow": {"artifacts": {"destination": "/models"}}}, "does not match pattern", id="no bucket"),
        pytest.param({"mlflow": {"backendStore": {"port": 0}}}, "minimum", id="no port"),
        pytest.param({"certificates": {"issuer": {"kind": "CA"}}}, "value must be one of", id="no issuer's kind"),
        pytest.param({"spark": {"apiServer": {"cidrs": ["10.96.0.1"]}}}, "does not match pattern", id="no block"),
        pytest.param({"spark": {"apiServer": {"ports": []}}}, "minItems", id="no port of the API server"),
        pytest.param({"image": {"allowed": ["a,b"]}}, "does not match pattern", id="two registries in one word"),
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


def test_nothing_is_for_prometheus_unless_it_is_wanted() -> None:
    made = template()
    assert not [each for each in made if each["kind"] == "ServiceMonitor"]
    assert not [each for each in made if (each["kind"], each["metadata"]["name"]) == ("Service", "consilia-operator")]
    assert "ingress" not in named(made, "NetworkPolicy", "consilia-operator")["spec"]


def test_prometheus_asks_coordinators_and_the_operator_where_that_is_wanted() -> None:
    made = template(VALUES["monitored"])
    for name in ("consilia-coordinators", "consilia-operator"):
        monitor = named(made, "ServiceMonitor", name)
        assert monitor["metadata"]["labels"]["release"] == "prometheus"
        (endpoint,) = monitor["spec"]["endpoints"]
        assert (endpoint["path"], endpoint["interval"]) == ("/metrics", "15s")
    (rule,) = named(made, "NetworkPolicy", "consilia-operator")["spec"]["ingress"]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert rule["ports"] == [{"protocol": "TCP", "port": 8080}]


def test_prometheus_is_in_the_releases_namespace_unless_another_is_named() -> None:
    made = template({"serviceMonitor": {"enabled": True}})
    (rule,) = named(made, "NetworkPolicy", "consilia-operator")["spec"]["ingress"]
    assert rule["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] == "consilia-system"


def test_the_operator_is_told_which_other_images_may_be_asked_for_and_nothing_by_default() -> None:
    told = environment(template(VALUES["another registry"]), "consilia-operator")
    assert told["CONSILIA_ALLOWED_IMAGES"] == "registry.example/team,quay.example"
    assert "CONSILIA_ALLOWED_IMAGES" not in environment(template(), "consilia-operator")


def test_every_pod_has_the_keys_to_a_private_registry() -> None:
    for pod in pods(template(VALUES["another registry"])).values():
        assert pod["imagePullSecrets"] == [{"name": "registry-keys"}]
    for pod in pods(template()).values():
        assert "imagePullSecrets" not in pod


def test_cert_manager_is_asked_where_an_issuer_is_named_and_no_role_reaches_it_otherwise() -> None:
    made = template(VALUES["certificates of cert-manager"])
    assert environment(made, "consilia-operator")["CONSILIA_CERTIFICATE_ISSUER"] == "Issuer/hospital-net"
    assert "certificates" in yaml.safe_dump(named(made, "ClusterRole", "consilia-operator"))
    plain = template()
    assert "CONSILIA_CERTIFICATE_ISSUER" not in environment(plain, "consilia-operator")
    assert "certificates" not in yaml.safe_dump(named(plain, "ClusterRole", "consilia-operator"))


def test_the_operator_reads_every_setting_that_it_is_given() -> None:
    known = (ROOT / "operator" / "consilia_operator" / "settings.py").read_text()
    for values in VALUES.values():
        for name in environment(template(values), "consilia-operator"):
            assert name.startswith("CONSILIA_IMAGE_") or f'"{name}"' in known, name


def test_the_operator_is_ready_when_it_acts_and_alive_while_it_waits() -> None:
    operator = container(template(), "consilia-operator")
    assert operator["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert operator["livenessProbe"]["httpGet"]["path"] == "/healthz"


def test_kinds_configuration_is_one_node() -> None:
    configuration = yaml.safe_load((ROOT / "kind-config.yaml").read_text())
    assert [node["role"] for node in configuration["nodes"]] == ["control-plane"]
