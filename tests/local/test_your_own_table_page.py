"""The tutorial about one's own table: its commands are run as they stand on the page, its documents are read."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from consilia.manifest import parse
from consilia.spec import Cohort
from deadline import eventually
from ports import free_ports
from running import Command

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "your-own-table.md").read_text("utf-8")
RUN = "consilia run own-table.yaml"
EXIT_CODE = re.compile(r"# exit code (\d)$", re.MULTILINE)


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


class Typed(Command):
    """`consilia run` as the page has it, in a terminal."""

    def __init__(self, folder: Path, *flags: str) -> None:
        super().__init__(folder, "", *flags)
        self.file = folder / "own-table.yaml"
        self.state = folder / ".consilia" / "own-table"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own-table.yaml").write_text(blocks("yaml")[0])
    return tmp_path


def typed(folder: Path, commands: str) -> str:
    """What a shell says to a block of the page, which ends as the page says that it does."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=folder,
        env=os.environ | {"PATH": path, "CONSILIA": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = EXIT_CODE.search(commands)
    assert done.returncode == int(said.group(1) if said else 0), done.stdout + done.stderr
    return " ".join(done.stdout.split())


@contextmanager
def running(folder: Path, mlflow_port: int) -> Iterator[Command]:
    command = Typed(folder, "--mlflow-port", str(mlflow_port), "--no-dashboard").start(terminal=True)
    try:
        yield command
    finally:
        if command.process is not None and command.process.poll() is None:
            command.process.send_signal(signal.SIGINT)
        command.stop()


def test_every_cohort_of_the_page_is_valid_and_says_the_same_of_its_columns(tmp_path: Path) -> None:
    cohorts = [
        Cohort.model_validate(each)
        for text in blocks("yaml")
        for each in yaml.safe_load_all(text)
        if each["kind"] == "Cohort"
    ]
    ours = [cohort for cohort in cohorts if cohort.spec.hospital == "yours"]
    assert [cohort.spec.source.kind for cohort in ours] == ["csv", "csv", "sql"]
    assert len(parse(blocks("yaml")[0], "own-table.yaml").cohorts) == 3
    in_centimetres = ours[0].spec.mapping.to_json() | {}
    in_centimetres["columns"][0]["unit"] = "cm"
    assert ours[1].spec.mapping.to_json() == in_centimetres
    assert ours[2].spec.mapping.to_json()["columns"] == in_centimetres["columns"]


@pytest.mark.real
def test_what_the_page_types_works_as_it_says(folder: Path) -> None:
    copy, first, again, run, model, shard = blocks("sh")
    assert run.strip() == RUN
    head, shown = (block.splitlines() for block in blocks("text"))
    assert " ".join(head) == typed(folder, copy)
    said = typed(folder, first)
    for line in shown:
        words = " ".join(line.partition("…")[0].split())
        assert words.partition("column")[0] in said or words in said, line
    said = typed(folder, again)
    for hospital in ("yours · cohort biopsies · csv", "lakeside · cohort lakeside · builtin", "harbor"):
        assert hospital in said
    assert "not accepted" not in said
    (port,) = free_ports(1)
    with running(folder, port) as command:
        command.until(lambda: "Ctrl-C" in command.text(), "the run's end")
        assert "Model own-table v1 is in MLflow" in " ".join(command.text().split())
        said = typed(folder, model.replace("localhost:5000", f"localhost:{port}"))
        assert re.search(r"\[0\.? 1\.?\]", said), said
        assert "Ledger of cohort yours/biopsies" in said
    assert "shard-3.csv" in typed(folder, shard)
    eventually(lambda: not (folder / ".consilia" / "own-table" / "control.json").exists(), 20)
