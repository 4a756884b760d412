"""The tracking process against a real MLflow server: nothing is lost, nothing is there twice, and the model loads."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from consilia.model import predict_proba
from consilia_coordinator.tracking.__main__ import GRACE_SECONDS
from consilia_coordinator.tracking.entries import entries_of
from consilia_local.mlflow_server import mlflow_server
from deadline import until
from ports import free_port

pytestmark = pytest.mark.real

PATIENCE = 240.0
"""Seconds for anything at all: MLflow imports for several, and the tests share the machine."""

UNRELATED = ("MLFLOW_", "CONSILIA_")


def environment(**settings: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(UNRELATED)}
    return {**inherited, **settings}


class RealMlflow:
    """A tracking server in a process of its own, and its REST API."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._server = mlflow_server(folder, self.port)
        self.url = self._server.url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._server.command, env=environment(**self._server.environment))

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)

    async def call(self, path: str, query: dict[str, Any] | None = None, body: Any = None) -> dict[str, Any]:
        method = "GET" if body is None else "POST"
        async with aiohttp.ClientSession() as session:
            url = f"{self.url}/api/2.0/mlflow/{path}"
            async with session.request(method, url, params=query, json=body) as response:
                return dict(await response.json())

    async def runs(self, federation: str) -> list[dict[str, Any]]:
        found = await self.call("experiments/get-by-name", {"experiment_name": federation})
        if "experiment" not in found:
            return []
        experiments = [found["experiment"]["experiment_id"]]
        return list((await self.call("runs/search", body={"experiment_ids": experiments})).get("runs", []))

    async def history(self, run: dict[str, Any], key: str) -> list[tuple[int, float, int]]:
        query = {"run_id": run["info"]["run_id"], "metric_key": key, "max_results": 1000}
        metrics = (await self.call("metrics/get-history", query)).get("metrics", [])
        return sorted((int(each["step"]), float(each["value"]), int(each["timestamp"])) for each in metrics)

    async def versions(self, name: str) -> list[dict[str, Any]]:
        return list((await self.call("model-versions/search", {"filter": f"name='{name}'"})).get("model_versions", []))


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMlflow]:
    server = RealMlflow(tmp_path_factory.mktemp("mlflow"))
    server.start()
    yield server
    server.stop()


class Tracking:
    """The tracking process, started as its container starts it; it must say nothing on its standard output."""

    def __init__(self, settings: dict[str, str], output: Path) -> None:
        self._output = output
        with output.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "consilia_coordinator.tracking"],
                env=environment(**settings),
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> list[str]:
        return self._output.read_text().splitlines()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)

    async def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self._process.wait, PATIENCE)

    def ended(self) -> bool:
        return self._process.poll() is not None


@pytest.fixture
async def track(serve: Any, mlflow: RealMlflow, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Serve a federation once, and start a tracking process for it at each call."""
    started: list[Tracking] = []
    served: dict[str, Any] = {}

    async def start(federation: Any, name: str, uri: str = mlflow.url) -> Tracking:
        if name not in served:
            served[name] = await serve(federation)
        at = served[name]
        settings = {
            "CONSILIA_COORDINATOR_URL": at.url,
            "CONSILIA_CA_FILE": str(at.authority),
            "CONSILIA_TOKEN_FILE": str(at.token),
            "CONSILIA_FEDERATION": f"consortium/{name}",
            "MLFLOW_TRACKING_URI": uri,
        }
        started.append(Tracking(settings, tmp_path / "said"))
        return started[-1]

    yield start
    for process in started:
        if not process.ended():
            process.kill()


async def eventually(condition: Callable[[], Any]) -> Any:
    """Ask until there is an answer; a server that is down has none."""

    async def answer() -> Any:
        try:
            return await condition()
        except aiohttp.ClientError:
            return None

    return await until(answer, PATIENCE, pause=0.05)


def logged(mlflow: RealMlflow, name: str, round_: int) -> Callable[[], Any]:
    async def check() -> bool:
        runs = await mlflow.runs(f"consortium/{name}")
        return bool(runs) and any(step == round_ for step, *_ in await mlflow.history(runs[0], "global/loss"))

    return check


def finished(mlflow: RealMlflow, federation: Any, name: str) -> Callable[[], Any]:
    async def check() -> Any:
        runs = await mlflow.runs(f"consortium/{name}")
        reported = federation.reports and federation.reports[-1].model
        return reported and len(runs) == 1 and runs[0]["info"]["status"] == "FINISHED" and runs[0]

    return check


async def everything(mlflow: RealMlflow, run: dict[str, Any], federation: Any) -> None:
    """Every metric of every round is in MLflow, once and no more."""
    expected: dict[str, list[tuple[int, float, int]]] = {}
    for record in federation.records[1]:
        for entry in entries_of(record):
            expected.setdefault(entry.key, []).append((entry.step, entry.value, entry.timestamp))
    assert {metric["key"] for metric in run["data"]["metrics"]} == set(expected)
    for key, history in expected.items():
        assert await mlflow.history(run, key) == history, key


async def test_a_federation_is_all_in_mlflow(federation: Any, track: Any, mlflow: RealMlflow) -> None:
    federation.begin()
    process = await track(federation, "whole")
    for number in (1, 2, 3):
        federation.commit(number)
        await eventually(logged(mlflow, "whole", number))
    federation.complete()
    run = await eventually(finished(mlflow, federation, "whole"))

    await everything(mlflow, run, federation)
    parameters = {each["key"]: each["value"] for each in run["data"]["params"]}
    assert parameters["rounds"] == "3"
    assert parameters["quorum"] == "2"
    assert (parameters["epsilon"], parameters["private"]) == ("0", "NON-PRIVATE")
    tags = {each["key"]: each["value"] for each in run["data"]["tags"]}
    assert (tags["consilia.uid"], tags["consilia.run"]) == ("uid-1", "1")
    assert tags["consilia.privacy"] == "NON-PRIVATE"
    (registered,) = await mlflow.versions("whole")
    assert registered["run_id"] == run["info"]["run_id"]
    assert {"key": "consilia.privacy", "value": "NON-PRIVATE"} in registered["tags"]
    assert federation.reports[-1].model.uri == "models:/whole/1"
    assert f"/runs/{run['info']['run_id']}" in federation.reports[-1].url
    assert await process.stop() == 0
    assert [line for line in process.said if "MLflow" not in line] == []


async def test_mlflow_killed_in_the_middle_of_a_run_has_all_of_it_in_the_end(
    federation: Any, track: Any, mlflow: RealMlflow
) -> None:
    federation.begin()
    process = await track(federation, "outage")
    federation.commit(1)
    await eventually(logged(mlflow, "outage", 1))
    mlflow.kill()
    federation.commit(2, 3)
    federation.complete()
    async with asyncio.timeout(PATIENCE):
        while not any("rounds go on" in line for line in process.said):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    mlflow.start()
    run = await eventually(finished(mlflow, federation, "outage"))
    await everything(mlflow, run, federation)
    assert await process.stop() == 0
    assert process.said[-1] == "MLflow answers again"


async def test_a_tracking_process_killed_in_the_middle_resumes_its_run_without_duplicates(
    federation: Any, track: Any, mlflow: RealMlflow
) -> None:
    federation.begin()
    process = await track(federation, "killed")
    federation.commit(1, 2)
    await eventually(logged(mlflow, "killed", 2))
    process.kill()
    federation.commit(3)
    federation.complete()
    for _ in range(2):
        federation.reports.clear()
        process = await track(federation, "killed")
        run = await eventually(finished(mlflow, federation, "killed"))
        process.kill()
    await everything(mlflow, run, federation)
    assert len(await mlflow.versions("killed")) == 1


async def test_told_to_stop_it_ends_within_seconds_though_mlflow_never_answers(federation: Any, track: Any) -> None:
    federation.begin()
    asked = asyncio.Event()

    async def never_answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            writer.close()

    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    process = await track(federation, "silent", uri)
    async with asyncio.timeout(PATIENCE):
        await asked.wait()
    before = time.monotonic()
    assert await process.stop() == 0
    assert time.monotonic() - before < GRACE_SECONDS + 10
    server.close()


FRESH = """
import importlib.util, json, sys
import mlflow, pandas
assert importlib.util.find_spec("consilia") is None
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
rows = pandas.DataFrame(json.loads(sys.argv[3]), columns=model.metadata.get_input_schema().input_names())
print(json.dumps([int(label) for label in model.predict(rows).ravel()]))
"""


def fresh_environment() -> Path:
    """The Python of an environment with MLflow and scikit-learn alone, made once for each pair of versions."""
    packages = [f"{name}=={version(name)}" for name in ("mlflow", "scikit-learn")]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "consilia"
    place = cache / f"{'-'.join(packages).replace('==', '-')}-python{sys.version_info.major}.{sys.version_info.minor}"
    python, ready = place / "bin" / "python", place / "ready"
    if not ready.exists():
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
        subprocess.run([str(python), "-m", "pip", "install", *quiet, *packages], check=True)
        ready.touch()
    return python


async def test_the_registered_model_predicts_where_there_is_only_mlflow_and_scikit_learn(
    federation: Any, track: Any, mlflow: RealMlflow
) -> None:
    federation.begin()
    federation.commit(1, 2, 3)
    federation.complete()
    process = await track(federation, "portable")
    await eventually(finished(mlflow, federation, "portable"))
    assert await process.stop() == 0

    rows = np.random.default_rng(42).uniform(-2, 12, size=(50, 2))
    model = federation.models[1]
    expected = (predict_proba(model.map.apply(rows), model.parameters) >= 0.5).astype(int).tolist()
    assert set(expected) == {0, 1}
    python = await asyncio.to_thread(fresh_environment)
    answer = await asyncio.to_thread(
        subprocess.run,
        [str(python), "-I", "-c", FRESH, mlflow.url, "models:/portable/1", json.dumps(rows.tolist())],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout.splitlines()[-1]) == expected
