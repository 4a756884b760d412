"""The whole thing, as a newcomer meets it: a suspended federation, the dashboard in a browser, the model in MLflow."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable

import pytest

from chromium import Page, chromium
from deadline import eventually
from ports import free_ports
from running import Command, example, private_example

pytestmark = pytest.mark.real

# In a process of its own: what a data scientist types, and nothing of ours imported.
PREDICT = """
import sys, json, mlflow
from sklearn.datasets import load_breast_cancer
model = mlflow.pyfunc.load_model(sys.argv[1])
data = load_breast_cancer(as_frame=True)
predicted = model.predict(data.data)
print(json.dumps({"ours": [name for name in sys.modules if name.startswith("consilia")],
                  "accuracy": float(((predicted == 1) == (data.target == 0)).mean())}))
"""
INKED = """
const canvas = document.querySelector("#chart-accuracy canvas");
const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
copy.drawImage(canvas, 0, 0);
const pixels = copy.getImageData(0, 0, canvas.width, canvas.height).data;
return pixels.filter((value, at) => at % 4 === 3 && value > 200).length;
"""


def test_start_watch_stop_and_take_the_model(consilia: Callable[..., Command]) -> None:
    dashboard_port, mlflow_port = free_ports(2)
    ports = ("--dashboard-port", str(dashboard_port), "--mlflow-port", str(mlflow_port))
    command = consilia(example(suspend="true", rounds=5000), "--broker", "prosody", *ports)
    entrance = command.link("dashboard")
    command.until(lambda: command.phase() == "Idle", "Idle")
    with chromium() as page:
        enter(page, entrance, command)
        page.until("document.getElementById('badge').textContent.trim() === 'Idle'", within=30)
        page.click("#start")
        page.until("Number(document.getElementById('round').textContent) >= 3", within=30)
        few = page.run(INKED)
        page.until("Number(document.getElementById('round').textContent) >= 60", within=30)
        # The chart is drawn a frame after the figures.
        eventually(lambda: page.run(INKED) > few, 10)
        assert page.text("badge").strip() == "Training"
        page.click("#stop")
        page.click("#stop-dialog button[value=yes]")
        page.until("document.getElementById('badge').textContent.trim() === 'Idle'", within=30)
        reached = int(page.text("round"))
        assert reached < 5000
        page.open(entrance.split("/?")[0] + "/agents")
        page.until("document.querySelectorAll('.card [data-metric] .meter').length === 20", within=30)
        command.api("PATCH", {"rounds": reached + 2, "suspend": False})
        page.until("document.getElementById('badge').textContent.trim() === 'Complete'", within=60)
        assert page.complaints() == []
    assert command.wait() == 0, command.text()
    uri = re.search(r"models:/breast-cancer/1", command.text())
    assert uri is not None, command.text()


def test_mlflow_has_every_round_of_every_hospital_and_a_model_that_predicts(consilia: Callable[..., Command]) -> None:
    dashboard_port, mlflow_port = free_ports(2)
    ports = ("--dashboard-port", str(dashboard_port), "--mlflow-port", str(mlflow_port))
    command = consilia(example(), *ports, terminal=True)
    command.until(lambda: command.api()["status"].get("model"), "a registered model")
    status = command.api()["status"]
    url = f"http://127.0.0.1:{mlflow_port}"
    found = ask(f"{url}/api/2.0/mlflow/runs/get?run_id={status['mlflow']['runId']}")["run"]["data"]
    parameters = {entry["key"]: entry["value"] for entry in found["params"]}
    assert (parameters["rounds"], parameters["quorum"], parameters["epsilon"]) == ("10", "5", "0")
    names = {entry["key"] for entry in found["metrics"]}
    for who in ("global", "harbor", "hillview", "lakeside", "north", "riverside"):
        # A hospital whose few patients of the holdout leave a score undefined has none.
        scores = status["metrics"] if who == "global" else next(h for h in status["hospitals"] if h["name"] == who)
        assert {"accuracy", "loss"} <= scores.keys()
        for metric in {"accuracy", "loss", "precision", "recall"} & scores.keys():
            assert f"{who}/{metric}" in names
    history = ask(f"{url}/api/2.0/mlflow/metrics/get-history?run_id={status['mlflow']['runId']}&metric_key=north/loss")
    assert sorted({entry.get("step", 0) for entry in history["metrics"]}) == list(range(1, 11))
    assert predicted_accuracy(status["model"]["uri"], url) > 0.95
    command.until(lambda: "Dashboard and MLflow stay up; Ctrl-C stops them." in command.text(), "the last line")
    assert command.process is not None
    command.process.send_signal(signal.SIGINT)
    assert command.wait(20) == 0
    assert command.processes() == {}


def test_make_demos_file_keeps_its_promise_and_shows_it_everywhere(consilia: Callable[..., Command]) -> None:
    dashboard_port, mlflow_port = free_ports(2)
    ports = ("--dashboard-port", str(dashboard_port), "--mlflow-port", str(mlflow_port))
    command = consilia(private_example(), *ports, terminal=True)
    command.until(lambda: command.api()["status"].get("model"), "a registered model")
    status = command.api()["status"]
    assert (status["round"], status["private"], status["privacy"]["epsilon"]) == (20, True, 1.0)
    assert 0.9 < status["privacy"]["epsilonSpent"] <= 1.0
    assert all("rows" not in hospital for hospital in status["hospitals"])
    url = f"http://127.0.0.1:{mlflow_port}"
    found = ask(f"{url}/api/2.0/mlflow/runs/get?run_id={status['mlflow']['runId']}")["run"]["data"]
    parameters = {entry["key"]: entry["value"] for entry in found["params"]}
    assert (parameters["rounds"], float(parameters["epsilon"])) == ("20", 1.0)
    # Six standard deviations below what bench-privacy measures over fresh seeds.
    assert predicted_accuracy(status["model"]["uri"], url) > 0.85
    with chromium() as page:
        enter(page, command.link("dashboard"), command)
        page.until("document.getElementById('badge').textContent.trim() === 'Complete'", within=30)
        assert "NON-PRIVATE" not in page.run("return document.body.innerText")
        page.open(f"http://localhost:{dashboard_port}/agents")
        page.until("[...document.querySelectorAll('.card .budget')].filter((each) => !each.hidden).length === 5", 30)
        assert page.complaints() == []
    # The terminal is narrow: the line goes on in the next one.
    assert "epsilon 1.0 per patient (delta 1e-5)" in " ".join(command.text().split())
    assert command.process is not None
    command.process.send_signal(signal.SIGINT)
    assert command.wait(20) == 0


def predicted_accuracy(model: str, url: str) -> float:
    """The accuracy of a registered model on all patients, whose records it is given as they are."""
    predicted = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PREDICT, model],
        env={"MLFLOW_TRACKING_URI": url, "PATH": "/usr/bin:/bin", "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert predicted.returncode == 0, predicted.stderr
    answer = json.loads(predicted.stdout.splitlines()[-1])
    assert answer["ours"] == []
    return float(answer["accuracy"])


def enter(page: Page, entrance: str, command: Command) -> None:
    command.until(lambda: answers(entrance.split("/?", maxsplit=1)[0] + "/healthz"), "the dashboard")
    page.open(entrance)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def ask(url: str) -> dict[str, dict[str, dict[str, list[dict[str, str]]]]]:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)  # type: ignore[no-any-return]
