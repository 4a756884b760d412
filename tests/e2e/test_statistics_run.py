"""The example of federated statistics, as its reader runs it: the table, MLflow, the ledgers."""

import json
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consilia.privacy import entries
from consilia.privacy.entries import Released
from ports import free_ports
from running import Command

pytestmark = pytest.mark.real
EXAMPLE = Path(__file__).parents[2] / "examples" / "statistics.yaml"


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def test_the_example_ends_with_a_table_is_in_mlflow_and_costs_epsilon_once(consilia: Callable[..., Command]) -> None:
    (port,) = free_ports(1)
    command = consilia(EXAMPLE.read_text(), "--no-dashboard", "--mlflow-port", str(port), terminal=True)
    command.until(lambda: "MLflow stays up" in command.text() or None, "the last line")
    text = " ".join(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", command.text()).split())
    assert "5 hospitals · statistics of 2 features · epsilon 1.0 per patient (delta 1e-5)" in text
    assert "Statistics of 2 features." in text
    assert "mean texture" in text
    assert "Accuracy" not in text
    status = command.api()["status"]
    assert (status["phase"], status["round"], status["task"]) == ("Complete", 1, "Statistics")
    for told in status["statistics"]:
        # Three bars, of two deviations each: not once in a million runs.
        assert abs(told["count"] - 363) < 3 * told["errors"]["count"]
    run = ask(f"http://127.0.0.1:{port}/api/2.0/mlflow/runs/get?run_id={status['mlflow']['runId']}")["run"]
    assert run["info"]["status"] == "FINISHED"
    metrics = {metric["key"]: metric["value"] for metric in run["data"]["metrics"]}
    assert metrics["statistics/mean radius/count"] == pytest.approx(status["statistics"][0]["count"])
    files = ask(f"http://127.0.0.1:{port}/api/2.0/mlflow/artifacts/list?run_id={status['mlflow']['runId']}")["files"]
    assert {file["path"] for file in files} == {"statistics.json", "statistics.csv"}
    found = f"http://127.0.0.1:{port}/get-artifact?path=statistics.json&run_uuid={status['mlflow']['runId']}"
    assert ask(found)["statistics"] == status["statistics"]
    assert "model" not in status
    for hospital in ("harbor", "north"):
        ledger = command.state / "ledgers" / "default" / f"{hospital}-2024" / "ledger.jsonl"
        released = [each for each in entries.decode(ledger.read_bytes(), hospital) if isinstance(each, Released)]
        assert [each.kind for each in released] == ["statistics"]
