"""The desired run over the HTTP API: idempotent, edited in mid-run, with what others saw of ledgers."""

import pytest

from builders import federation_spec, private_spec
from consilia.spec import FederationSpec
from serving import Served, get, put, run_body, sentence_of

SPEC = federation_spec(evaluation={"builtin": {"dataset": "breast-cancer"}})


async def test_the_same_wish_twice_is_one_run(served: Served) -> None:
    first = await put(served, "/v1/run", run_body(SPEC))
    facts = served.coordinator.journal.history.sequence
    second = await put(served, "/v1/run", run_body(SPEC))
    assert first[0] == second[0] == 200
    assert served.coordinator.journal.history.sequence == facts


async def test_what_was_asked_of_a_run_reads_back(served: Served) -> None:
    assert (await put(served, "/v1/run", run_body(SPEC)))[0] == 200
    asked = await get(served, "/v1/run")
    assert (asked["run"], asked["quorum"], asked["uid"]) == (1, 2, "uid-1")
    assert FederationSpec.model_validate(asked["spec"]) == SPEC
    assert asked == await get(served, "/v1/run?run=1", "tracking")


async def test_what_others_saw_of_ledgers_comes_with_the_wish_and_is_written_down_once(served: Served) -> None:
    seen = {"sequence": 7, "head": "ab" * 32}
    history = served.coordinator.journal.history
    assert (await put(served, "/v1/run", run_body(SPEC) | {"witnesses": {"north": seen}}))[0] == 200
    assert history.witnesses["north"].to_json() == seen
    facts = history.sequence
    older = {"north": seen | {"sequence": 6}}
    for witnesses in ({"north": seen}, older, {}):
        assert (await put(served, "/v1/run", run_body(SPEC) | {"witnesses": witnesses}))[0] == 200
    assert history.sequence == facts
    newer = {"north": seen | {"sequence": 8}, "south": seen}
    assert (await put(served, "/v1/run", run_body(SPEC) | {"witnesses": newer}))[0] == 200
    assert {name: witness.sequence for name, witness in history.witnesses.items()} == {"north": 8, "south": 7}


@pytest.mark.parametrize("witness", [{"sequence": -1, "head": "ab" * 32}, {"sequence": 1, "head": "ab"}, {}, 7])
async def test_a_witness_that_is_none_is_422(served: Served, witness: object) -> None:
    status, body = await put(served, "/v1/run", run_body(SPEC) | {"witnesses": {"north": witness}})
    assert status == 422
    assert body["message"].startswith("witnesses.north")
    assert served.coordinator.journal.history.sequence == 0


async def test_a_private_run_reads_back_with_the_terms_that_it_began_with(served: Served) -> None:
    assert (await put(served, "/v1/run", run_body(private_spec(rounds=5))))[0] == 200
    assert (await put(served, "/v1/run", run_body(private_spec(rounds=2))))[0] == 200
    asked = await get(served, "/v1/run")
    terms = asked["privacy"]
    assert asked["spec"]["rounds"] == 2
    assert (terms["uid"], terms["name"], terms["run"]) == ("uid-1", "consortium/breast-cancer", 1)
    assert (terms["epsilon"], terms["rounds"], terms["hospitals"], terms["nominalRows"]) == (1.0, 5, 2, 400)


async def test_a_run_that_nobody_asked_for_is_404(served: Served) -> None:
    async with served.session.get(f"{served.url}/v1/run?run=2", headers=served.headers("viewer")) as answer:
        assert answer.status == 404
        assert await sentence_of(answer) == "no such run is known here"


async def test_an_edit_of_the_target_takes_hold_in_the_run_under_way(served: Served) -> None:
    served.coordinator.start()
    served.coordinator.commit_round()
    await put(served, "/v1/run", run_body(federation_spec(rounds=7)))
    status = (await get(served, "/v1/status"))["status"]
    assert (status["rounds"], status["round"], status["run"]) == (7, 1, 1)


async def test_what_mlflow_knows_is_in_the_status(served: Served) -> None:
    served.coordinator.start()
    report = {
        "run": 1,
        "runId": "abc",
        "url": "http://localhost:5000/#/runs/abc",
        "model": {"name": "breast-cancer", "version": "1", "uri": "models:/breast-cancer/1"},
        "loggedThrough": 0,
    }
    assert (await put(served, "/v1/tracking", report, "tracking"))[0] == 200
    status = (await get(served, "/v1/status"))["status"]
    assert status["mlflow"] == {"runId": "abc", "url": report["url"]}
    assert status["model"] == report["model"]


async def test_a_report_on_an_unknown_run_is_422(served: Served) -> None:
    status, answer = await put(served, "/v1/tracking", {"run": 4, "runId": "abc"}, "tracking")
    assert status == 422
    assert answer["message"] == "run 4 is not known here"
