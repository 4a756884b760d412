"""This project on large vectors: its coordinator and its hospitals as processes, over Prosody and the blobs' HTTPS."""

import asyncio
import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from bench.broker import DOMAIN, Broker, prosody
from bench.memory import PeakPss, field_bytes, marked
from bench.ports import await_port, free_ports
from bench.product import measured
from bench.runs import FederationRun
from bench.workload import load
from consilia import tokens
from consilia.errors import Unavailable
from consilia.journal import decode
from consilia.spec import Cohort, FederationSpec
from consilia_local.coordinator_client import CoordinatorClient

COORDINATOR = "coordinator"
FEDERATION = "bench/vectors"  # its UID too, as a coordinator takes it that is given none
DEADLINE = 600.0  # seconds for one run, start to end
RETRY = 0.1  # seconds between attempts to reach a coordinator that is starting


def run(workload: Path, scratch: Path) -> FederationRun:
    """Run the vectors of a workload's folder; `scratch` (a new folder) receives state and logs."""
    names = [f"hospital-{number}" for number in range(load(workload).hospitals)]
    mark = uuid4().hex
    began = time.time()
    with (
        prosody(scratch, [COORDINATOR, *names]) as broker,
        marked(mark) as environment,
        PeakPss(mark) as memory,
    ):
        parts = _Parts(scratch, environment | {"BENCH_WORKLOAD": str(workload)}, broker)
        coordinator = parts.coordinator()
        for number, name in enumerate(names):
            parts.hospital(number, name)
        await_port(parts.port, DEADLINE)
        asyncio.run(asyncio.wait_for(parts.complete(specification(names, load(workload).rounds)), DEADLINE))
        peak = field_bytes(Path(f"/proc/{coordinator.pid}/status").read_text(), "VmHWM")
    parts.reap()
    journal = scratch / COORDINATOR / "journal"
    facts, _ = decode(journal.read_bytes(), str(journal))
    return measured(facts, began, memory.value, peak)


def specification(names: list[str], rounds: int) -> FederationSpec:
    """Return a spec of these hospitals; its one column is there because a spec has columns."""
    return FederationSpec.model_validate(
        {
            "rounds": rounds,
            "roundTimeout": "10m",
            "features": {"label": "label", "codebook": [{"name": "column", "min": 0, "max": 1}]},
            "privacy": {"epsilon": 0},
            "hospitals": [{"name": name, "cohort": {"name": name}} for name in names],
        }
    )


def cohort(name: str) -> Cohort:
    """Return a Cohort for a hospital's settings; its source is not read."""
    source = {"builtin": {"dataset": "breast-cancer", "shard": 0, "of": 1}}
    spec = {"hospital": name, "source": source, "allowNonPrivate": True}
    return Cohort.model_validate({"metadata": {"name": name}, "spec": spec})


class _Parts:
    """Starts the processes, each with the settings that a plan would give it."""

    def __init__(self, scratch: Path, environment: dict[str, str], broker: Broker) -> None:
        self._scratch = scratch
        self._environment = environment
        self._broker = broker
        self._started: list[subprocess.Popen[bytes]] = []
        self._signing_key, public_key = tokens.generate_keypair()
        (self.port,) = free_ports(1)
        certificate = broker.authority.issue([DOMAIN], datetime.now(UTC), days=1)
        for name, content in (
            ("tls.pem", certificate.cert_pem),
            ("tls.key", certificate.key_pem),
            ("public", public_key),
        ):
            (scratch / name).write_bytes(content)

    @property
    def _url(self) -> str:
        return f"https://{DOMAIN}:{self.port}"

    def coordinator(self) -> subprocess.Popen[bytes]:
        """Start the coordinator."""
        settings = {
            "CONSILIA_FEDERATION": FEDERATION,
            "CONSILIA_HTTP_PORT": str(self.port),
            "CONSILIA_TLS_CERTIFICATE": str(self._scratch / "tls.pem"),
            "CONSILIA_TLS_KEY": str(self._scratch / "tls.key"),
            "CONSILIA_TOKEN_PUBLIC_KEY": str(self._scratch / "public"),
        }
        return self._start("coordinator", COORDINATOR, settings)

    def hospital(self, number: int, name: str) -> None:
        """Start the hospital of this number."""
        file = self._scratch / f"{name}.json"
        file.write_text(json.dumps(cohort(name).to_json()))
        settings = {
            "BENCH_HOSPITAL": str(number),
            "CONSILIA_COHORT_FILE": str(file),
            "CONSILIA_COORDINATOR": COORDINATOR,
            "CONSILIA_COORDINATOR_URL": self._url,
        }
        self._start("hospital", name, settings)

    async def complete(self, spec: FederationSpec) -> None:
        """Ask for the run and return when it is complete."""
        client = CoordinatorClient(self._url, self._broker.authority.cert_pem, self._token)
        try:
            while True:
                try:
                    await client.put_run(1, spec)
                    break
                except Unavailable:
                    await asyncio.sleep(RETRY)
            async for published in client.events("0"):
                if published.kind == "status" and json.loads(published.data)["phase"] == "Complete":
                    return
        finally:
            await client.close()

    def reap(self) -> None:
        """Collect the ends of what was started, once it was told to end."""
        for process in self._started:
            process.wait()

    def _token(self) -> str:
        hour = timedelta(hours=1)
        return tokens.sign(self._signing_key, "operator", "bench", datetime.now(UTC), hour, federation=FEDERATION)

    def _start(self, role: str, account: str, settings: dict[str, str]) -> subprocess.Popen[bytes]:
        own = {
            "CONSILIA_ACCOUNT": account,
            "CONSILIA_CA_FILE": str(self._broker.authority_file),
            "CONSILIA_PASSWORD_FILE": str(self._broker.passwords[account]),
            "CONSILIA_STATE": str(self._scratch / account),
            "XMPP_SERVER": DOMAIN,
            "XMPP_PORT": str(self._broker.port),
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", f"bench.vector_{role}"]
        with (self._scratch / f"{account}.log").open("wb") as log:
            process = subprocess.Popen(
                command, env=self._environment | own | settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._started.append(process)
        return process
