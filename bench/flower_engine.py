"""Flower's deployment engine on a workload: one SuperLink, a SuperNode a hospital, `flwr run`, all on loopback.

Without TLS, which spares Flower that cost. Its environment is made on first use, from hashed requirements: flwr 1.42.0
wants a certifi newer than an index may hold, so it is installed without its dependency check.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

from bench.memory import PeakPss, marked
from bench.ports import await_port, free_ports
from bench.runs import FederationRun
from bench.workload import load

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "bench" / "flower"
ENVIRONMENT = FOLDER / ".venv"
DEADLINE = 900.0  # seconds for one run, start to end


def install() -> None:
    """Make Flower's environment, unless it is there and made from these requirements."""
    locks = [FOLDER / "requirements.txt", FOLDER / "flwr.txt"]
    stamp = ENVIRONMENT / "made-from"
    wanted = "".join(lock.read_text() for lock in locks)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
    pip: list[str | Path] = [
        ENVIRONMENT / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "-r",
    ]
    subprocess.run([*pip, locks[0]], check=True)
    subprocess.run([*pip, locks[1], "--no-deps"], check=True)
    stamp.write_text(wanted)


def run(workload: Path, scratch: Path, simulation: bool = False) -> FederationRun:
    """Run the workload of a folder; `scratch` (a new folder) receives Flower's home, its logs and the report.

    With `simulation` the hospitals are actors of Ray inside one process tree, without SuperNodes.
    Raises RuntimeError with the log's place when `flwr run` ends without a report.
    """
    scratch.mkdir(parents=True)
    hospitals = load(workload).hospitals
    report = scratch / "report.json"
    settings = ["--run-config", f"workload='{workload}' report='{report}'"]
    mark = uuid4().hex
    began = time.time()
    with marked(mark) as environment, PeakPss(mark) as memory:
        launch = _Launcher(scratch, environment)
        if simulation:
            launch.start("superlink", "flower-superlink", "--insecure", f"--port={launch.port}", "--simulation")
            settings += ["--federation-config", f"num-supernodes={hospitals} client-resources-num-cpus=1"]
        else:
            launch.start("superlink", "flower-superlink", "--insecure", f"--port={launch.port}")
            launch.supernodes(hospitals)
        await_port(launch.port, DEADLINE)
        command = launch.start("run", "flwr", "run", str(FOLDER / "app"), "bench", "--stream", *settings)
        command.wait(DEADLINE)
    launch.reap()
    if not report.exists():
        raise RuntimeError(f"Flower ended without a final model; its logs are in {scratch}")
    facts = json.loads(report.read_text())
    total = facts["finished"] - began
    return FederationRun(tuple(facts["rounds"]), total, memory.value, facts["peak"], tuple(facts["parameters"]))


class _Launcher:
    """Starts Flower's commands in its environment, with a home and logs of this run."""

    def __init__(self, scratch: Path, environment: dict[str, str]) -> None:
        (self.port,) = free_ports(1)
        self._scratch = scratch
        self._started: list[subprocess.Popen[bytes]] = []
        connection = (
            f'[superlink]\ndefault = "bench"\n[superlink.bench]\naddress = "127.0.0.1:{self.port}"\ninsecure = true\n'
        )
        (scratch / "config.toml").write_text(connection)
        self._environment = environment | {
            "FLWR_HOME": str(scratch),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "PATH": f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'core'}",
        }

    def start(self, name: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [str(ENVIRONMENT / "bin" / program), *arguments]
        with (self._scratch / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self._scratch, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._started.append(process)
        return process

    def supernodes(self, hospitals: int) -> None:
        """Start one a hospital."""
        for hospital, port in enumerate(free_ports(hospitals)):
            node = [f"--port={port}", f"--superlink=127.0.0.1:{self.port}", f"--node-config=partition-id={hospital}"]
            self.start(f"supernode-{hospital}", "flower-supernode", "--insecure", *node)

    def reap(self) -> None:
        """Collect the ends of what was started, once it was told to end."""
        for process in self._started:
            process.wait()
