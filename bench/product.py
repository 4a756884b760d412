"""This project on a workload: the command that a user types, over Prosody, without MLflow and dashboard."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from bench.memory import PeakPss, marked
from bench.runs import FederationRun
from consilia.journal import AnyFact, RoundCommitted, RunCompleted, decode
from consilia.protocol import unpack

FLAGS = ["--broker", "prosody", "--no-mlflow", "--no-dashboard"]
DEADLINE = 300.0  # seconds for one run, start to end


def run(file: Path, scratch: Path) -> FederationRun:
    """Run a Federation's file to its end; `scratch` (a new folder) receives the state and the log.

    Raises RuntimeError with the log's place when the command fails.
    """
    scratch.mkdir(parents=True)
    mark = uuid4().hex
    command = [str(Path(sys.executable).parent / "consilia"), "run", str(file.resolve()), *FLAGS]
    began = time.time()
    with marked(mark) as environment, PeakPss(mark) as memory, (scratch / "run.log").open("wb") as log:
        ended = subprocess.run(
            command,
            cwd=scratch,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            timeout=DEADLINE,
            check=False,
        )
    journals = [Path(folder) / name for folder, _, names in os.walk(scratch) for name in names if name == "journal"]
    if ended.returncode or len(journals) != 1:
        raise RuntimeError(f"consilia run ended with {ended.returncode}; its log is {scratch / 'run.log'}")
    facts, _ = decode(journals[0].read_bytes(), str(journals[0]))
    return measured(facts, began, memory.value)


def measured(facts: Iterable[AnyFact], began: float, memory: int, coordinator_peak: int = 0) -> FederationRun:
    """Read a run from the coordinator's facts; `began` is the POSIX time at which its first process started.

    A model too large to be in the facts is left out.

    Raises RuntimeError when the facts tell of no completed run.
    """
    rounds, parameters, finished = [], None, None
    for fact in facts:
        if isinstance(fact, RoundCommitted) and fact.task == "train":
            rounds.append(fact.seconds)
            parameters = fact.parameters
        elif isinstance(fact, RunCompleted):
            finished = datetime.fromisoformat(fact.at).timestamp()
    if finished is None or parameters is None:
        raise RuntimeError("the coordinator's journal tells of no completed run")
    values = unpack(parameters).tolist() if parameters.inline else []
    return FederationRun(tuple(rounds), finished - began, memory, coordinator_peak, tuple(values))
