"""Where MLflow keeps things: what is refused, and a real PostgreSQL and a real S3 API in place of its folder."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from consilia.errors import InvalidSetting, Unavailable
from consilia_local.mlflow_server import mlflow_server
from consilia_local.mlflow_stores import Stores
from deadline import eventually
from ports import free_port
from stores import PASSWORD, QUOTED_PASSWORD, postgresql, s3

PATIENCE = 240.0


def written(folder: Path, text: str) -> Path:
    file = folder / "uri"
    file.write_text(text)
    return file


def test_a_folder_holds_both_unless_something_else_is_said(tmp_path: Path) -> None:
    assert Stores.of(tmp_path, None, None) == Stores(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "artifacts"))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("postgresql://u:p@db:5432/runs\n", id="as PostgreSQL writes it, with a line's end"),
        pytest.param("postgres://u:p@db:5432/runs", id="the old name"),
        pytest.param("postgresql+psycopg://u:p@db:5432/runs", id="with the driver"),
    ],
)
def test_a_postgresql_is_known_by_its_address(text: str, tmp_path: Path) -> None:
    assert Stores.of(tmp_path, written(tmp_path, text), None).database == "postgresql://u:p@db:5432/runs"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("mysql://u:hidden@db/runs", id="another database"),
        pytest.param("postgresql+psycopg2://u:hidden@db/runs", id="a driver that is not here"),
        pytest.param("postgresql://u:hid/den@db/runs", id="a password that cuts the address in two"),
        pytest.param("postgresql://u:hidden@db:many/runs", id="no port"),
        pytest.param("postgresql://u:hidden@db", id="no database"),
        pytest.param("postgresql:///runs?password=hidden", id="no host"),
    ],
)
def test_what_is_no_address_is_refused_without_being_quoted(text: str, tmp_path: Path) -> None:
    file = written(tmp_path, text)
    with pytest.raises(InvalidSetting, match=re.escape(f"{file} holds no address of a PostgreSQL: it must be")) as told:
        Stores.of(tmp_path, file, None)
    assert "hid" not in str(told.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=f"cannot be read from {tmp_path}/uri"):
        Stores.of(tmp_path, tmp_path / "uri", None)


@pytest.mark.parametrize("artifacts", ["", "bucket", "https://bucket", "s3://", "s3://Bucket", "s3://b u"])
def test_artifacts_go_to_a_bucket_or_nowhere(artifacts: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="it must be s3://BUCKET"):
        Stores.of(tmp_path, None, artifacts)


def test_a_database_that_is_not_there_is_one_sentence_without_the_password() -> None:
    port = free_port()
    with pytest.raises(Unavailable, match=r"does not let it in: .*refused") as told:
        Stores(f"postgresql://u:hidden@127.0.0.1:{port}/runs", "s3://bucket").require()
    assert "hidden" not in str(told.value)


def test_an_address_with_an_unknown_part_is_one_sentence_without_the_password() -> None:
    with pytest.raises(InvalidSetting, match="a part that PostgreSQL does not know") as told:
        Stores("postgresql://u:hidden@127.0.0.1:1/runs?colour=red", "s3://bucket").require()
    assert "hidden" not in str(told.value)


def call(url: str, body: Any = None, method: str | None = None) -> Any:
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        content = answer.read()
    return json.loads(content) if answer.headers.get_content_type() == "application/json" else content


@contextmanager
def served(folder: Path, *flags: str, **settings: str) -> Iterator[str]:
    """The address of an MLflow server that is up; it ends with exit code 0 and has said nothing."""
    server = mlflow_server(folder, free_port())
    process = subprocess.Popen(
        [*server.command, *flags],
        env=os.environ | server.environment | settings,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )

    def answers() -> bool:
        assert process.poll() is None, process.communicate()[0]
        try:
            call(server.ready_url)
        except OSError:
            return False
        return True

    try:
        eventually(answers, PATIENCE, lambda: f"{server.ready_url} answers", pause=0.1)
        yield server.url
        process.terminate()
        said, _ = process.communicate(timeout=PATIENCE)
        assert (process.returncode, said) == (0, "")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.real
def test_runs_are_in_a_postgresql_and_artifacts_behind_an_s3_api_and_a_server_that_comes_anew_finds_both(
    tmp_path: Path,
) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    with postgresql() as (address, _), s3("models") as endpoint:
        flags = [f"--database-file={written(tmp_path, address)}", "--artifacts=s3://models/consilia"]
        with served(tmp_path / "first", *flags, MLFLOW_S3_ENDPOINT_URL=endpoint, **keys) as url:
            run = call(f"{url}/api/2.0/mlflow/runs/create", {"experiment_id": "0"})["run"]["info"]
            metric = {"run_id": run["run_id"], "key": "accuracy", "value": 0.95, "timestamp": 1, "step": 3}
            call(f"{url}/api/2.0/mlflow/runs/log-metric", metric)
            assert run["artifact_uri"].startswith("mlflow-artifacts:/")
            path = run["artifact_uri"].removeprefix("mlflow-artifacts:/").lstrip("/")
            # As tracking does: through the server, with no key of the S3 API.
            call(f"{url}/api/2.0/mlflow-artifacts/artifacts/{path}/model.bin", b"\0weights", "PUT")
        assert f"consilia/{path}/model.bin" in call(f"{endpoint}/models?list-type=2").decode()
        with served(tmp_path / "second", *flags, MLFLOW_S3_ENDPOINT_URL=endpoint, **keys) as url:
            found = call(f"{url}/api/2.0/mlflow/runs/get?run_id={run['run_id']}")["run"]["data"]["metrics"]
            assert [(each["key"], each["value"]) for each in found] == [("accuracy", 0.95)]
            assert call(f"{url}/api/2.0/mlflow-artifacts/artifacts/{path}/model.bin") == b"\0weights"
        assert not list((tmp_path / "second").rglob("*")), "something was kept in the folder"


@pytest.mark.real
def test_a_wrong_password_is_one_sentence_that_does_not_tell_it(tmp_path: Path) -> None:
    with postgresql() as (address, port):
        file = written(tmp_path, address.replace(QUOTED_PASSWORD, "wrong-one"))
        server = mlflow_server(tmp_path / "state", free_port())
        command = [*server.command, f"--database-file={file}"]
        done = subprocess.run(command, env=os.environ | server.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("MLflow's database does not let it in: ")
    assert 'password authentication failed for user "mlflow"' in done.stderr
    assert done.stderr.count("\n") == 1
    assert str(port) in done.stderr
    assert "wrong-one" not in done.stderr
    assert PASSWORD not in done.stderr
