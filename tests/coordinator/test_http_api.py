"""The HTTP API over real HTTPS: who may ask what, what the answers are, and every error as one sentence."""

import asyncio
import base64
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from builders import accepted, committed, federation_spec, ordered, private_spec, vector_ref
from consilia.features import FeatureMap
from consilia.status import FederationStatus, RoundRecord
from deadline import until
from serving import Served, get, put, run_body, sentence_of, serve

FEDERATED = {"label": "malignant", "scaling": "federated", "codebook": [{"name": "mean radius"}]}
SPEC = federation_spec(evaluation={"builtin": {"dataset": "breast-cancer"}})


# Who may ask for what.


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_a_probe_needs_no_token(served: Served, path: str) -> None:
    async with served.session.get(served.url + path) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("authorization", "sentence"),
    [
        pytest.param(None, "no token: send Authorization: Bearer <token>", id="none"),
        pytest.param("Basic YTpi", "no token: send Authorization: Bearer", id="a password"),
        pytest.param("Bearer ", "no token", id="nothing after Bearer"),
        pytest.param("Bearer a.b.c", "token refused", id="no token at all"),
        pytest.param("Bearer \udcff\udcfe", "token refused: it is not in ASCII", id="bytes"),
    ],
)
async def test_without_a_token_of_ours_the_answer_is_401(
    served: Served, authorization: str | None, sentence: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    if authorization is not None and not authorization.isascii():
        status, message = await raw_get(served, "/v1/status", b"Bearer \xff\xfe")
    else:
        async with served.session.get(f"{served.url}/v1/status", headers=headers) as answer:
            status, message = answer.status, await sentence_of(answer)
    assert status == 401
    assert sentence in message


async def test_an_expired_token_is_401(served: Served) -> None:
    headers = served.headers("viewer")
    served.coordinator.clock.pass_time(timedelta(minutes=5).total_seconds())
    async with served.session.get(f"{served.url}/v1/status", headers=headers) as answer:
        assert answer.status == 401
        assert "expired; fetch a new one" in await sentence_of(answer)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        pytest.param("GET", "/v1/status", {"viewer", "operator", "tracking"}, id="status"),
        pytest.param("GET", "/v1/rounds", {"viewer", "operator", "tracking"}, id="rounds"),
        pytest.param("GET", "/v1/model", {"viewer", "operator", "tracking"}, id="model"),
        pytest.param("PUT", "/v1/run", {"operator"}, id="run"),
        pytest.param("PUT", "/v1/tracking", {"tracking"}, id="tracking"),
        pytest.param("GET", f"/v1/blobs/{'0' * 64}", {"hospital"}, id="read a blob"),
        pytest.param("PUT", f"/v1/blobs/{'0' * 64}", {"hospital"}, id="write a blob"),
    ],
)
async def test_a_role_may_do_its_own_and_gets_403_for_the_rest(
    served: Served, method: str, path: str, allowed: set[str]
) -> None:
    for role in ("viewer", "operator", "tracking", "hospital"):
        async with served.session.request(method, served.url + path, headers=served.headers(role)) as answer:
            if role in allowed:
                assert answer.status not in (401, 403)
            else:
                assert answer.status == 403
                assert f"role {role} may not do this: it takes" in await sentence_of(answer)


async def test_a_ticket_of_another_process_is_refused(served: Served, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with serve(tmp_path / "other") as other:
        headers = other.ticket_headers
    async with served.session.get(f"{served.url}/v1/blobs/{'0' * 64}", headers=headers) as answer:
        assert answer.status == 401
        assert "ticket refused" in await sentence_of(answer)


async def test_a_client_that_trusts_another_authority_never_gets_as_far_as_asking(
    served: Served, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    async with serve(tmp_path / "other") as other:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await other.session.get(f"{served.url}/healthz")


async def raw_get(served: Served, path: str, authorization: bytes) -> tuple[int, str]:
    """A request whose header no client library would send."""
    host, port = served.url.removeprefix("https://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=served.tls)
    writer.write(b"GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" % path.encode())
    writer.write(b"Authorization: %s\r\n\r\n" % authorization)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), json.loads(body)["message"]


# Whatever is wrong is one sentence in JSON.


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        pytest.param("GET", "/v1/nothing", 404, "GET /v1/nothing is no call of this API", id="unknown path"),
        pytest.param("POST", "/v1/status", 405, "POST /v1/status is no call of this API", id="unknown method"),
        pytest.param("GET", "/v1/status?after=soon", 400, 'after is "soon"; it must be a whole', id="a word"),
        pytest.param("GET", "/v1/status?after=-1", 400, 'after is "-1"', id="negative"),
        pytest.param("GET", "/v1/status?after=²", 400, 'after is "²"', id="a superscript"),
        pytest.param("GET", f"/v1/rounds?run={'9' * 5000}", 400, "run is", id="5000 digits"),
        pytest.param("GET", "/v1/model", 404, "no round of this run is committed yet", id="no model yet"),
        pytest.param("GET", "/v1/model?run=7", 404, "no round of this run", id="no such run"),
    ],
)
async def test_a_wrong_question_is_told_what_is_wrong(
    served: Served, method: str, path: str, status: int, sentence: str
) -> None:
    async with served.session.request(method, served.url + path, headers=served.headers("viewer")) as answer:
        assert answer.status == status
        assert sentence in await sentence_of(answer)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        pytest.param(b"{", "it is not valid JSON", id="half of JSON"),
        pytest.param(b"", "it is not valid JSON", id="nothing"),
        pytest.param(b"\xff\xfe", "it is not valid JSON", id="not UTF-8"),
        pytest.param([1], "it is a list; it must be a mapping", id="a list"),
        pytest.param({"run": 1}, "spec is missing: add it", id="no spec"),
        pytest.param(run_body(SPEC, run=0), "run is 0; it must be at least 1", id="run zero"),
        pytest.param(run_body(SPEC, rounds=-1), "spec.rounds is -1; it must be at least 1", id="negative"),
        pytest.param(run_body(SPEC, rouns=1), "spec.rouns is not a known field", id="unknown field"),
        pytest.param(run_body(SPEC, quorum=9), "quorum 9 is more than the 2 hospitals", id="quorum"),
        pytest.param(run_body(SPEC, privacy={"epsilon": 1}), "epsilon 1 needs features.nominalRows", id="nominal rows"),
        pytest.param(run_body(SPEC, privacy={"epsilon": 200}), "epsilon 200 promises next to nothing", id="epsilon"),
        pytest.param(
            run_body(
                SPEC,
                features={"label": "malignant", "scaling": "federated", "codebook": [{"name": "shoe size"}]},
            ),
            "shoe size",
            id="a column that the evaluation lacks",
        ),
    ],
)
async def test_a_wrong_wish_is_422_and_nothing_is_written_down(served: Served, body: object, sentence: str) -> None:
    status, answer = await put(served, "/v1/run", body)
    assert status == 422
    assert sentence in answer["message"]
    assert served.coordinator.journal.history.sequence == 0


async def test_a_wish_for_a_run_that_is_over_is_422(served: Served) -> None:
    await put(served, "/v1/run", run_body(SPEC, run=3))
    status, answer = await put(served, "/v1/run", run_body(SPEC, run=2))
    assert status == 422
    assert "run 2 is over: the current run is 3" in answer["message"]


async def test_a_body_that_is_too_large_is_413(served: Served) -> None:
    status, answer = await put(served, "/v1/run", b" " * (2 * 1024 * 1024 + 1))
    assert status == 413
    assert "Maximum request body size" in answer["message"]


# The long poll.


async def test_before_any_spec_the_status_says_what_it_waits_for(served: Served) -> None:
    answer = await get(served, "/v1/status")
    assert answer["status"]["phase"] == "Pending"
    assert answer["status"]["message"] == "waiting for the federation's spec"


async def test_it_answers_at_once_when_the_sequence_is_another(served: Served) -> None:
    served.coordinator.start()
    for after in (
        0,
        served.coordinator.conductor.changes.version - 1,
        served.coordinator.conductor.changes.version + 100,
    ):
        answer = await asyncio.wait_for(get(served, f"/v1/status?after={after}"), 5)
        assert answer["sequence"] == served.coordinator.conductor.changes.version


async def test_it_waits_for_a_change_and_then_answers_with_it(served: Served) -> None:
    served.coordinator.start()
    after = (await get(served, "/v1/status"))["sequence"]
    poll = asyncio.ensure_future(get(served, f"/v1/status?after={after}"))
    await until(lambda: served.coordinator.conductor.changes.waiting == 1)
    assert not poll.done()
    served.coordinator.commit_round()
    answer = await poll
    assert answer["sequence"] > after
    assert answer["status"]["round"] == 1


async def test_it_answers_with_the_same_sequence_when_its_time_is_over(tmp_path: Path) -> None:
    async with serve(tmp_path, long_poll_seconds=0.05) as served:
        served.coordinator.start()
        after = (await get(served, "/v1/status"))["sequence"]
        assert (await get(served, f"/v1/status?after={after}"))["sequence"] == after


async def test_a_client_that_goes_away_leaves_no_watcher(served: Served) -> None:
    version = served.coordinator.conductor.changes.version
    poll = asyncio.ensure_future(get(served, f"/v1/status?after={version}"))
    await until(lambda: served.coordinator.conductor.changes.waiting == 1)
    poll.cancel()
    await until(lambda: served.coordinator.conductor.changes.waiting == 0)


async def test_the_status_reads_back_as_the_model_that_everybody_shares(served: Served) -> None:
    served.coordinator.start(spec=SPEC)
    served.coordinator.commit_round()
    status = FederationStatus.model_validate((await get(served, "/v1/status"))["status"])
    assert status == served.coordinator.conductor.status()
    assert status.phase == "Training"
    assert status.metrics is not None


# What was committed.


async def test_rounds_come_after_a_number_and_read_back_as_records(served: Served) -> None:
    served.coordinator.start(spec=SPEC)
    served.coordinator.commit_round(loss=0.7)
    served.coordinator.commit_round(loss=0.6)
    answer = await get(served, "/v1/rounds")
    records = [RoundRecord.model_validate(record) for record in answer["rounds"]]
    assert [record.round for record in records] == [1, 2]
    assert records[0].hospitals["north"].loss == 0.6
    assert records[0].seconds == 0.25
    assert [record["round"] for record in (await get(served, "/v1/rounds?run=1&after=1"))["rounds"]] == [2]
    assert await get(served, "/v1/rounds?run=9") == {"run": 9, "rounds": []}


async def test_without_a_run_there_are_no_rounds(served: Served) -> None:
    assert await get(served, "/v1/rounds") == {"run": 0, "rounds": []}


@pytest.mark.parametrize(
    ("features", "answers"),
    [pytest.param(SPEC.features.to_json(), 3, id="codebook"), pytest.param(FEDERATED, 4, id="federated")],
)
async def test_the_model_comes_bit_by_bit_with_all_that_is_needed_to_apply_it(
    served: Served, features: dict[str, Any], answers: int
) -> None:
    spec = federation_spec(features=features)
    served.coordinator.start(spec=spec)
    for number in range(answers):
        served.coordinator.commit_round(10 + number + 1 / 3)
        early = await served.session.get(f"{served.url}/v1/model", headers=served.headers("viewer"))
        assert early.status == (404 if features is FEDERATED and number == 0 else 200)
    served.coordinator.commit_round()  # the final evaluation
    model = await get(served, "/v1/model?run=1")
    parameters = np.frombuffer(base64.b64decode(model["parameters"]), dtype="<f8")
    assert parameters.tolist() == [10 + answers - 1 + 1 / 3] * (len(spec.features.names) + 1)
    assert (model["run"], model["round"], model["final"]) == (1, 3, True)
    assert (model["names"], model["label"]) == (spec.features.names, "malignant")
    assert FeatureMap.model_validate_json(json.dumps(model["map"])).size == len(parameters)


async def test_the_model_of_a_private_run_is_the_released_one_and_says_so(served: Served) -> None:
    released = vector_ref(1.0, 2.0, 3.0)
    served.coordinator.journal.history.add([accepted(spec=private_spec())])
    served.coordinator.journal.history.add([ordered(1), committed(1, released=released, contributors=[])])
    model = await get(served, "/v1/model")
    assert np.frombuffer(base64.b64decode(model["parameters"]), dtype="<f8").tolist() == [1.0, 2.0, 3.0]
    assert model["privacy"] == "epsilon 1"


# Health and metrics.


async def test_readiness_says_why_not(served: Served) -> None:
    served.coordinator.conductor.broker_problem = "broker localhost:5222 is down"
    async with served.session.get(f"{served.url}/readyz") as answer:
        assert answer.status == 503
        assert await answer.json() == {"ok": False, "message": "broker localhost:5222 is down"}


async def test_the_metrics_are_prometheus_text(served: Served) -> None:
    served.coordinator.start()
    async with served.session.get(f"{served.url}/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await answer.text()
    assert re.search(r'^consilia_hospitals_connected\{federation="consortium/breast-cancer"\} 2$', text, re.M)
