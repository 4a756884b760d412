"""What the operator makes, as a real API server takes it: nothing unknown, every name legal, every pod restricted."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cluster.api_server import ApiServer, api_server
from consilia.tokens import generate_keypair
from consilia_operator.resources.everything import everything
from consilia_operator.resources.secrets import SigningKey
from consilia_operator.resources.site import Site
from golden_manifests import AGENTS, SPEC
from sites import NAMESPACE, site

pytestmark = pytest.mark.cluster

RESTRICTED = "pod-security.kubernetes.io/warn=restricted"
LONGEST_NAMESPACE, LONGEST_CLINIC = "n" * 63, "c" * 63
LONGEST = "h" * 54
NAMESPACES = (NAMESPACE, "clinic", LONGEST_NAMESPACE, LONGEST_CLINIC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server whose namespaces warn of every pod that is not restricted."""
    with api_server(tmp_path_factory.mktemp("api-server")) as started:
        for namespace in NAMESPACES:
            started.kubectl("create", "namespace", namespace)
            started.kubectl("label", "namespace", namespace, RESTRICTED)
        yield started


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(site(namespaces={"south": "clinic"}, agents=AGENTS, spec=SPEC), id="everything said"),
        pytest.param(
            site("f" * 63, (LONGEST, f"{LONGEST[:-1]}i"), {LONGEST: LONGEST_CLINIC}, namespace=LONGEST_NAMESPACE),
            id="the longest names",
        ),
    ],
)
def test_every_object_is_taken_without_a_warning(server: ApiServer, made: Site, tmp_path: Path) -> None:
    manifests = everything(made, {}, SigningKey(*generate_keypair()), datetime(2026, 11, 24, tzinfo=UTC))
    file = tmp_path / "made.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
    answer = server.run(
        "kubectl", "apply", "--server-side", "--validate=strict", "--dry-run=server", f"--filename={file}"
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    assert len(answer.stdout.splitlines()) == len(manifests)


def test_a_pod_that_is_not_restricted_would_be_warned_of(server: ApiServer, tmp_path: Path) -> None:
    made = site()
    stateful_set = next(
        each
        for each in everything(made, {}, SigningKey(*generate_keypair()), datetime(2026, 11, 24, tzinfo=UTC))
        if each["kind"] == "StatefulSet"
    )
    stateful_set["spec"]["template"]["spec"]["securityContext"].pop("runAsNonRoot")
    file = tmp_path / "made.json"
    file.write_text(json.dumps(stateful_set))
    answer = server.run("kubectl", "apply", "--server-side", "--dry-run=server", f"--filename={file}")
    assert "would violate PodSecurity" in answer.stderr
