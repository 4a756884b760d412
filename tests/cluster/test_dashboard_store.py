"""The dashboard before a real API server, with the chart's role for it; and who wins when a file is applied again."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.api_server import ApiServer, api_server, apply_definitions
from consilia import edits
from consilia_dashboard.store import ApiRefused, ApiStore, Key, NoSuchFederation

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "breast-cancer-non-private.yaml"
CHART = ROOT / "charts" / "consilia"
ACCOUNT = "consilia-dashboard"
SERVER_SIDE = "--server-side"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that knows our resources, and the chart's account and role of the dashboard."""
    with api_server(tmp_path_factory.mktemp("api-server")) as started:
        apply_definitions(started, ROOT / "crds")
        started.kubectl("create", "namespace", "consilia-system")
        rendered = started.run("helm", "template", "consilia", CHART, "--namespace=consilia-system")
        assert rendered.returncode == 0, rendered.stderr
        roles = [
            document
            for document in yaml.safe_load_all(rendered.stdout)
            if document and document["kind"] in ("ServiceAccount", "ClusterRole", "ClusterRoleBinding")
            if document["metadata"]["name"] == ACCOUNT
        ]
        assert len(roles) == 3
        started.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(roles))
        yield started


@pytest.fixture(scope="module")
def store(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> ApiStore:
    """The dashboard's own client, with the token that its pod would have."""
    folder = tmp_path_factory.mktemp("account")
    (folder / "token").write_text(server.kubectl("create", "token", ACCOUNT, "--namespace=consilia-system"))
    config = yaml.safe_load(server.kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    if "certificate-authority-data" in cluster:
        (folder / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    else:
        (folder / "ca.crt").write_bytes((server.kubeconfig.parent / cluster["certificate-authority"]).read_bytes())
    return ApiStore(cluster["server"], folder / "token", folder / "ca.crt")


@pytest.fixture
def key(server: ApiServer, request: pytest.FixtureRequest) -> Key:
    """A namespace of the test's own, with the example in it."""
    namespace = f"test-{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}"
    server.kubectl("create", "namespace", namespace)
    return Key(namespace, "breast-cancer")


def apply(server: ApiServer, key: Key, *flags: str, **spec: Any) -> str:
    """Apply the example's Federation, with more in its spec where given; what kubectl says, whatever comes of it."""
    documents = [each for each in yaml.safe_load_all(EXAMPLE.read_text()) if each["kind"] == "Federation"]
    documents[0]["metadata"]["namespace"] = key.namespace
    documents[0]["spec"] |= spec
    done = server.run("kubectl", "apply", *flags, "--filename=-", stdin=yaml.safe_dump_all(documents))
    return done.stdout + done.stderr


def become(server: ApiServer, key: Key, **status: Any) -> None:
    """Write the status, as the operator does."""
    patch = json.dumps({"status": status})
    where = ("federation", key.name, f"--namespace={key.namespace}", "--subresource=status", "--type=merge")
    server.kubectl("patch", *where, "--patch", patch)


def commanded(store: ApiStore, key: Key) -> dict[str, Any]:
    """What Start, Stop and Rounds change, as it is."""
    spec = store.get(key)["spec"]
    return {name: spec.get(name) for name in edits.COMMANDED}


def test_names_looks_watches_and_edits_are_what_the_role_is_enough_for(
    server: ApiServer, store: ApiStore, key: Key
) -> None:
    look = store.look(key)
    assert look.federation is None
    watch = store.watch(key, look.version)
    looks = watch.looks()
    apply(server, key)
    made = next(looks)
    assert made.federation is not None
    assert key in store.names()
    edited = store.patch(key, {"rounds": 12})
    seen = next(looks)
    assert seen.federation is not None
    assert (seen.federation["spec"]["rounds"], seen.version) == (12, edited["metadata"]["resourceVersion"])
    server.kubectl("delete", "federation", key.name, f"--namespace={key.namespace}")
    assert next(looks).federation is None
    watch.close()
    with pytest.raises(NoSuchFederation):
        store.get(key)


def test_a_refused_edit_has_the_servers_sentence(server: ApiServer, store: ApiStore, key: Key) -> None:
    apply(server, key)
    with pytest.raises(ApiRefused, match=r"spec.rounds"):
        store.patch(key, {"rounds": 0})


def test_without_its_role_the_refusal_names_the_remedy(server: ApiServer, store: ApiStore) -> None:
    binding = server.kubectl("get", "clusterrolebinding", ACCOUNT, "--output=json")
    server.kubectl("delete", "clusterrolebinding", ACCOUNT)
    try:
        with pytest.raises(ApiRefused, match=r"cannot list resource.*the ClusterRole consilia-dashboard has what"):
            store.names()
    finally:
        kept = json.loads(binding)
        kept["metadata"] = {"name": ACCOUNT}
        server.kubectl("create", "--filename=-", stdin=json.dumps(kept))


@pytest.mark.parametrize("flags", [pytest.param((), id="client"), pytest.param((SERVER_SIDE,), id="server")])
def test_an_unchanged_file_applied_again_leaves_a_start_as_it_is(
    server: ApiServer, store: ApiStore, key: Key, flags: tuple[str, ...]
) -> None:
    apply(server, key, *flags)
    become(server, key, phase="Complete", run=1, round=10, rounds=10)
    document = store.get(key)
    store.patch(key, edits.start(document["spec"], document["status"]))
    answer = apply(server, key, *flags)
    assert "error" not in answer.lower(), answer
    assert commanded(store, key) == {"suspend": False, "rounds": 10, "run": 2}


@pytest.mark.parametrize("flags", [pytest.param((), id="client"), pytest.param((SERVER_SIDE,), id="server")])
def test_a_stop_holds_though_the_file_is_applied_again(
    server: ApiServer, store: ApiStore, key: Key, flags: tuple[str, ...]
) -> None:
    apply(server, key, *flags)
    store.patch(key, edits.stop())
    apply(server, key, *flags)
    assert commanded(store, key)["suspend"] is True


def test_what_the_file_says_itself_wins_when_a_client_applies_it_again(
    server: ApiServer, store: ApiStore, key: Key
) -> None:
    apply(server, key, suspend=True)
    store.patch(key, {"suspend": False, "rounds": 15})
    apply(server, key, suspend=True)
    assert commanded(store, key) == {"suspend": True, "rounds": 10, "run": None}


def test_a_server_side_apply_of_what_the_dashboard_changed_is_refused_and_names_it(
    server: ApiServer, store: ApiStore, key: Key
) -> None:
    apply(server, key, SERVER_SIDE)
    store.patch(key, {"rounds": 15})
    answer = apply(server, key, SERVER_SIDE)
    assert 'conflict with "consilia-dashboard"' in answer
    assert ".spec.rounds" in answer
    assert commanded(store, key)["rounds"] == 15
    apply(server, key, SERVER_SIDE, "--force-conflicts")
    assert commanded(store, key)["rounds"] == 10
