"""The chart on a real API server: accepted, upgraded, taken away and brought back; and what its roles let people do."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from builders import changed, cohort_document, federation_document
from chart_values import VALUES
from cluster.api_server import ApiServer, api_server
from cluster.operator_process import operator_process
from cluster.release import SYSTEM
from deadline import eventually

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "consilia"
OPERATOR = f"system:serviceaccount:{SYSTEM}:consilia-operator"
DASHBOARD = f"system:serviceaccount:{SYSTEM}:consilia-dashboard"

SERVICE_MONITORS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
    "spec": {
        "group": "monitoring.coreos.com",
        "names": {"kind": "ServiceMonitor", "plural": "servicemonitors"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
"""The Prometheus operator's kind, as far as a dry run asks for it."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server with the namespace of the release, some of people, and the kind of a Prometheus operator."""
    with api_server(tmp_path_factory.mktemp("api-server")) as started:
        for namespace in (SYSTEM, "consortium", "north", "whole"):
            started.kubectl("create", "namespace", namespace)
        started.kubectl("create", "--filename=-", stdin=json.dumps(SERVICE_MONITORS))
        yield started


@pytest.fixture(scope="module")
def release(server: ApiServer) -> ApiServer:
    """The server with the chart on it, and a scientist and a steward, each in a namespace of their own."""
    helm(server, "upgrade", "--install")
    for namespace, role, user in (("consortium", "scientist", "ada"), ("north", "steward", "bo")):
        server.kubectl(
            "create",
            "rolebinding",
            user,
            f"--namespace={namespace}",
            f"--clusterrole=consilia-{role}",
            f"--user={user}",
        )
    return server


def helm(server: ApiServer, *verb: str, values: dict[str, Any] | None = None) -> str:
    """What helm says about the release; fails with its error."""
    flags = [] if verb == ("uninstall",) else [CHART, "--values=-"]
    done = server.run("helm", *verb, "consilia", *flags, f"--namespace={SYSTEM}", stdin=yaml.safe_dump(values or {}))
    assert done.returncode == 0, done.stderr
    return done.stdout


def may(server: ApiServer, who: str, verb: str, what: str, namespace: str) -> bool:
    """Whether somebody may do something in a namespace."""
    resource, _, part = what.partition("/")
    flags = [f"--as={who}", f"--namespace={namespace}", f"--subresource={part}"]
    answer = server.run("kubectl", "auth", "can-i", verb, resource, *flags)
    return answer.stdout.strip() == "yes"


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_the_server_accepts_every_object_of_the_chart(server: ApiServer, values: dict[str, Any]) -> None:
    done = server.run(
        "helm", "template", "consilia", CHART, "--values=-", f"--namespace={SYSTEM}", stdin=yaml.safe_dump(values)
    )
    assert done.returncode == 0, done.stderr
    server.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-", stdin=done.stdout)


@pytest.mark.parametrize(
    ("who", "verb", "what", "namespace", "allowed"),
    [
        pytest.param("ada", "create", "federations.consilia.health", "consortium", True, id="scientist: federations"),
        pytest.param("ada", "list", "cohorts.consilia.health", "consortium", True, id="scientist: sees cohorts"),
        pytest.param("ada", "patch", "cohorts.consilia.health", "consortium", False, id="scientist: changes no cohort"),
        pytest.param("ada", "get", "cohorts.consilia.health", "north", False, id="scientist: not the hospital's"),
        pytest.param("ada", "get", "secrets", "consortium", False, id="scientist: no secret"),
        pytest.param("ada", "get", "pods", "consortium", False, id="scientist: no pod"),
        pytest.param("ada", "create", "pods/exec", "consortium", False, id="scientist: into no pod"),
        pytest.param(
            "ada", "patch", "federations.consilia.health/status", "consortium", False, id="scientist: no status"
        ),
        pytest.param("bo", "patch", "cohorts.consilia.health", "north", True, id="steward: cohorts"),
        pytest.param("bo", "patch", "federations.consilia.health", "north", False, id="steward: no federation"),
        pytest.param("bo", "get", "secrets", "north", False, id="steward: no secret"),
        pytest.param(DASHBOARD, "patch", "federations.consilia.health", "consortium", True, id="dashboard: starts"),
        pytest.param(
            DASHBOARD, "delete", "federations.consilia.health", "consortium", False, id="dashboard: ends none"
        ),
        pytest.param(DASHBOARD, "get", "secrets", SYSTEM, False, id="dashboard: no secret"),
        pytest.param(OPERATOR, "update", "leases.coordination.k8s.io", "north", False, id="operator: its own Lease"),
        pytest.param(
            OPERATOR, "create", "clusterroles.rbac.authorization.k8s.io", SYSTEM, False, id="operator: no role"
        ),
        pytest.param(OPERATOR, "create", "pods", "north", False, id="operator: no pod but through its sets"),
        pytest.param(OPERATOR, "create", "pods/exec", "north", False, id="operator: into no pod"),
        pytest.param(OPERATOR, "watch", "secrets", "north", True, id="operator: sees a secret go"),
        pytest.param(OPERATOR, "watch", "statefulsets.apps", "north", True, id="operator: sees a set edited"),
        pytest.param(OPERATOR, "list", "events", "north", True, id="operator: reads why a pod does not come up"),
        pytest.param(OPERATOR, "delete", "persistentvolumeclaims", "north", True, id="operator: claims"),
        pytest.param(
            OPERATOR, "list", "customresourcedefinitions.apiextensions.k8s.io", "", False, id="operator: no definition"
        ),
        pytest.param(
            OPERATOR, "create", "certificates.cert-manager.io", "north", False, id="operator: no cert-manager"
        ),
        pytest.param(OPERATOR, "patch", "federations.consilia.health", "north", False, id="operator: no spec"),
    ],
)
def test_a_role_is_for_what_it_is_for(
    release: ApiServer, who: str, verb: str, what: str, namespace: str, allowed: bool
) -> None:
    assert may(release, who, verb, what, namespace) is allowed


def login(server: ApiServer) -> str:
    """The dashboard's login token."""
    secret = json.loads(
        server.kubectl("get", "secret", "consilia-dashboard-login", f"--namespace={SYSTEM}", "--output=json")
    )
    return base64.b64decode(secret["data"]["token"]).decode()


def test_an_upgrade_keeps_the_token_of_the_links_that_people_have(release: ApiServer) -> None:
    before = login(release)
    helm(release, "upgrade", values={"mlflow": {"enabled": False}})
    assert login(release) == before
    helm(release, "upgrade")


def test_a_definition_that_is_older_is_upgraded(release: ApiServer) -> None:
    name = "federations.consilia.health"
    columns = [{"op": "replace", "path": "/spec/versions/0/additionalPrinterColumns", "value": []}]
    release.kubectl("patch", "crd", name, "--type=json", "--patch", json.dumps(columns))
    helm(release, "upgrade", "--force-conflicts")
    assert "hospitalsReady" in release.kubectl("get", "crd", name, "--output=json")


def test_an_uninstall_leaves_federations_and_a_reinstall_takes_them_up(release: ApiServer) -> None:
    document = changed(federation_document(), "metadata.name", "stays")
    release.kubectl("create", "--namespace=consortium", "--filename=-", stdin=json.dumps(document))
    helm(release, "uninstall")
    assert "stays" in release.kubectl("get", "fed", "--namespace=consortium")
    assert "consilia-mlflow" in release.kubectl("get", "persistentvolumeclaims", f"--namespace={SYSTEM}")
    assert "consilia-operator" not in release.kubectl("get", "deployments", f"--namespace={SYSTEM}")
    helm(release, "install")
    assert "stays" in release.kubectl("get", "fed", "--namespace=consortium")


def test_the_operators_role_is_enough_for_a_federation_from_its_start_to_its_end(
    release: ApiServer, tmp_path: Path
) -> None:
    here = "--namespace=whole"
    names = ("north", "south")
    documents = [changed(federation_document(names), "metadata.name", "whole")]
    documents += [cohort_document(name, shard) for shard, name in enumerate(names)]
    with operator_process(release.kubectl, tmp_path, "test") as running:
        for document in documents:
            release.kubectl("create", here, "--filename=-", stdin=json.dumps(document))

        def sets() -> set[str]:
            return set(release.kubectl("get", "statefulsets", here, "--output=name").split())

        def federation() -> str:
            return release.kubectl("get", "fed", "whole", here, "--output=json")

        def story() -> str:
            return f"{sets()}\n{federation()}\n{running.log.read_text()}"

        def wished(hospitals: tuple[str, ...]) -> set[str]:
            parts = ["broker", "coordinator", "tracking", *(f"hospital-{name}" for name in hospitals)]
            return {f"statefulset.apps/whole-{part}" for part in parts}

        eventually(lambda: sets() == wished(names), 30, story, pause=0.2)
        eventually(lambda: "phase" in federation(), 30, story, pause=0.2)
        edited = changed(documents[0], "spec.hospitals", documents[0]["spec"]["hospitals"][:1])
        release.kubectl("replace", here, "--filename=-", stdin=json.dumps(edited))
        eventually(lambda: sets() == wished(names[:1]), 30, story, pause=0.2)
        assert "forbidden" not in running.log.read_text().lower()
