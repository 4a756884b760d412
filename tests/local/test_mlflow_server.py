"""The MLflow server of a local federation, started for real."""

import os
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consilia_local.mlflow_server import MlflowServer, mlflow_server
from deadline import eventually
from ports import free_port

PATIENCE = 240.0


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def start() -> Iterator[Callable[[MlflowServer], subprocess.Popen[str]]]:
    """Start servers that do not outlive the test."""
    processes: list[subprocess.Popen[str]] = []

    def run(server: MlflowServer) -> subprocess.Popen[str]:
        environment = {**os.environ, **server.environment}
        process = subprocess.Popen(
            server.command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def status(url: str, host: str | None = None) -> int:
    request = urllib.request.Request(url, headers={} if host is None else {"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def wait_until_ready(server: MlflowServer, process: subprocess.Popen[str]) -> None:
    def answers() -> bool:
        assert process.poll() is None, process.communicate()[0]
        try:
            return status(server.ready_url) == 200
        except OSError:
            return False

    eventually(answers, PATIENCE, lambda: f"{server.ready_url} answers", pause=0.05)


def children(process: subprocess.Popen[str]) -> list[str]:
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()


@pytest.mark.real
def test_it_serves_quietly_in_one_process_and_stops_with_exit_code_0(
    tmp_path: Path, port: int, start: Callable[[MlflowServer], subprocess.Popen[str]]
) -> None:
    server = mlflow_server(tmp_path / "state", port)
    process = start(server)
    wait_until_ready(server, process)
    assert status(f"{server.url}/api/2.0/mlflow/experiments/search?max_results=1") == 200
    assert status(f"http://localhost:{port}/") == 200
    assert children(process) == []
    process.terminate()
    said, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, said) == (0, "")
    assert (tmp_path / "state" / "mlflow.db").exists()


@pytest.mark.real
def test_it_refuses_a_page_that_rebinds_its_name(
    tmp_path: Path, port: int, start: Callable[[MlflowServer], subprocess.Popen[str]]
) -> None:
    server = mlflow_server(tmp_path, port)
    wait_until_ready(server, start(server))
    assert status(f"{server.url}/api/2.0/mlflow/experiments/search?max_results=1", host="evil.example") == 403


def test_a_taken_port_is_one_sentence_before_anything_is_imported(
    tmp_path: Path, start: Callable[[MlflowServer], subprocess.Popen[str]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(mlflow_server(tmp_path / "state", port))
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert said == (
        f"MLflow cannot listen on 127.0.0.1:{port}: the port is taken; stop what uses it or choose another port\n"
    )
    assert not (tmp_path / "state").exists()
