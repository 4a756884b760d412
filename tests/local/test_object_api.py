"""The object API over HTTP, as the dashboard and the other verbs use it."""

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from consilia.spec import Federation
from consilia.status import FederationStatus
from consilia_local.folder import StateFolder
from consilia_local.held_federation import HeldFederation, hold
from consilia_local.object_api import object_api

COLLECTION = "/apis/consilia.health/v1alpha1/federations"
NAMESPACED = "/apis/consilia.health/v1alpha1/namespaces/consortium/federations"
ITEM = "/apis/consilia.health/v1alpha1/namespaces/consortium/federations/trial"
TOKEN = "the-token"
PATCH = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
def held(federation: Federation, folder: StateFolder) -> HeldFederation:
    """The federation, as a first start holds it."""
    return hold(federation, folder)


@pytest.fixture
async def client(held: HeldFederation) -> AsyncIterator[TestClient]:  # type: ignore[type-arg]
    """A client that carries the token."""
    server = TestServer(object_api(held, TOKEN))
    async with TestClient(server, headers={"Authorization": f"Bearer {TOKEN}"}) as made:
        yield made


async def test_the_list_holds_the_one_federation_with_spec_status_and_identity(client: TestClient) -> None:  # type: ignore[type-arg]
    found = await (await client.get(COLLECTION)).json()
    assert found["kind"] == "FederationList"
    [item] = found["items"]
    assert item["metadata"]["name"] == "trial"
    assert item["metadata"]["uid"]
    assert item["spec"]["rounds"] == 3
    assert item["status"]["phase"] == "Pending"


async def test_a_merge_patch_of_rounds_and_suspend_is_applied_versioned_and_persisted(
    client: TestClient,  # type: ignore[type-arg]
    folder: StateFolder,
) -> None:
    before = await (await client.get(ITEM)).json()
    answer = await client.patch(ITEM, data=json.dumps({"spec": {"rounds": 7, "suspend": True}}), headers=PATCH)
    after = await answer.json()
    assert (after["spec"]["rounds"], after["spec"]["suspend"]) == (7, True)
    assert int(after["metadata"]["resourceVersion"]) == int(before["metadata"]["resourceVersion"]) + 1
    assert json.loads(folder.federation.read_text())["federation"]["spec"]["rounds"] == 7


async def test_a_patch_that_changes_nothing_keeps_the_version(client: TestClient) -> None:  # type: ignore[type-arg]
    before = await (await client.get(ITEM)).json()
    after = await (await client.patch(ITEM, data=json.dumps({"spec": {"rounds": 3}}), headers=PATCH)).json()
    assert after == before


@pytest.mark.parametrize(
    ("patch", "sentence"),
    [
        pytest.param({"spec": {"rounds": -1}}, "spec.rounds is -1; it must be at least 1", id="negative"),
        pytest.param({"spec": {"rounds": "ten"}}, 'spec.rounds is "ten"; it must be a whole number', id="text"),
        pytest.param(
            {"spec": {"seed": 1}},
            "spec.seed cannot be edited here: only spec.suspend, spec.rounds and spec.run can",
            id="another field",
        ),
        pytest.param(
            {"metadata": {}, "spec": {}},
            "metadata cannot be edited here: only spec.suspend, spec.rounds and spec.run can",
            id="metadata",
        ),
        pytest.param([1], 'the patch must be {"spec": {..}} with suspend, rounds or run', id="no mapping"),
    ],
)
async def test_an_edit_that_cannot_be_is_422_with_one_sentence(
    client: TestClient,  # type: ignore[type-arg]
    held: HeldFederation,
    patch: object,
    sentence: str,
) -> None:
    before = held.spec
    answer = await client.patch(ITEM, data=json.dumps(patch), headers=PATCH)
    found = await answer.json()
    assert (answer.status, found["kind"], found["code"], found["message"]) == (422, "Status", 422, sentence)
    assert held.spec == before


async def test_who_carries_no_token_gets_401_and_nothing_else(client: TestClient) -> None:  # type: ignore[type-arg]
    for headers in ({"Authorization": "Bearer wrong"}, {"Authorization": "Bearer ünknown"}, {"Authorization": ""}):
        answer = await client.get(COLLECTION, headers=headers)
        assert (answer.status, (await answer.json())["kind"]) == (401, "Status")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        pytest.param("GET", ITEM.replace("trial", "other"), {}, 404, id="another name"),
        pytest.param("GET", ITEM.replace("consortium", "default"), {}, 404, id="another namespace"),
        pytest.param("GET", "/api/v1/pods", {}, 404, id="another kind"),
        pytest.param("PATCH", ITEM, {"Content-Type": "application/json"}, 415, id="another patch"),
        pytest.param("DELETE", ITEM, {}, 405, id="another verb"),
    ],
)
async def test_other_requests_are_answered_by_a_status_object(
    client: TestClient,  # type: ignore[type-arg]
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
) -> None:
    answer = await client.request(method, path, headers=headers, data="{}" if method == "PATCH" else None)
    found = await answer.json()
    assert (answer.status, found["kind"], found["code"]) == (status, "Status", status)


async def test_a_patch_that_is_no_json_is_refused(client: TestClient) -> None:  # type: ignore[type-arg]
    answer = await client.patch(ITEM, data="{", headers=PATCH)
    assert answer.status == 422
    assert (await answer.json())["message"].startswith("the patch is not JSON: ")


async def test_the_status_that_the_coordinator_told_is_served(client: TestClient, held: HeldFederation) -> None:  # type: ignore[type-arg]
    await held.observe(FederationStatus(phase="Training", run=1, round=2, rounds=3))
    found = await (await client.get(ITEM)).json()
    assert (found["status"]["phase"], found["status"]["round"]) == ("Training", 2)


async def test_a_watch_tells_what_is_newer_than_the_list_and_ends_in_time(client: TestClient) -> None:  # type: ignore[type-arg]
    listed = await (await client.get(f"{NAMESPACED}?fieldSelector=metadata.name=trial")).json()
    assert [item["metadata"]["name"] for item in listed["items"]] == ["trial"]
    query = f"watch=true&timeoutSeconds=1&resourceVersion={listed['metadata']['resourceVersion']}"
    async with client.get(f"{NAMESPACED}?fieldSelector=metadata.name=trial&{query}") as watch:
        await client.patch(ITEM, data=json.dumps({"spec": {"rounds": 8}}), headers=PATCH)
        told = [json.loads(line) async for line in watch.content]
    assert [(each["type"], each["object"]["spec"]["rounds"]) for each in told] == [("MODIFIED", 8)]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/apis/consilia.health/v1alpha1/namespaces/elsewhere/federations", id="another namespace"),
        pytest.param(f"{COLLECTION}?fieldSelector=metadata.name=other", id="another name"),
    ],
)
async def test_what_is_not_here_is_not_listed(client: TestClient, path: str) -> None:  # type: ignore[type-arg]
    assert (await (await client.get(path)).json())["items"] == []
