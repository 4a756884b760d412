"""An API server alone: etcd and kube-apiserver on loopback, for what needs admission and no pod. Up in four seconds.

Unlike the cluster's node it needs no privilege and no fixed address, and a machine can have many.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.kit import pins
from cluster.kit.credentials import Credentials
from cluster.kit.daemons import Daemons
from deadline import eventually
from ports import free_ports

START_SECONDS = 60.0


@dataclass(frozen=True)
class ApiServer:
    """An API server that answers; whoever asks is its administrator."""

    kubeconfig: Path
    programs: Path

    def run(self, program: str, *arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl or helm against it, whatever comes of it."""
        return subprocess.run(
            [located(program), *arguments],
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.programs)},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """What kubectl says; fails with its error."""
        done = self.run("kubectl", *arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(map(str, arguments))}: {done.stderr}"
        return done.stdout


def located(name: str) -> Path:
    """A program of the cluster: in ``CONSILIA_CLUSTER_BIN``, built here, or on the path; where it is not, a skip."""
    folder = os.environ.get("CONSILIA_CLUSTER_BIN")
    places = [Path(folder) / name] if folder else []
    places += [pins.program(name)] if name in pins.PROGRAMS else []
    for place in places:
        if place.exists():
            return place
    if (found := shutil.which(name)) is not None:
        return Path(found)
    pytest.skip(f"there is no {name} here: make cluster builds it, or name a folder that has it: CONSILIA_CLUSTER_BIN")


@contextmanager
def api_server(state: Path) -> Iterator[ApiServer]:
    """Start one whose files are under ``state``, and end it."""
    store, peers, port = free_ports(3)
    etcd = f"http://127.0.0.1:{store}"
    credentials = Credentials(state / "pki")
    credentials.keypair("service-accounts")
    credentials.issue("apiserver", "kube-apiserver", "kubernetes", ["localhost", "127.0.0.1"])
    credentials.issue("admin", "kubernetes-admin", "system:masters")
    credentials.kubeconfig(state / "kubeconfig", "admin", f"https://127.0.0.1:{port}")
    daemons = Daemons(state)
    server = ApiServer(state / "kubeconfig", state)
    programs = {"etcd": located("etcd"), "kube-apiserver": located("kube-apiserver"), "kubectl": located("kubectl")}
    try:
        daemons.start("etcd", [programs["etcd"], *_etcd(state, etcd, f"http://127.0.0.1:{peers}")])
        daemons.start("kube-apiserver", [programs["kube-apiserver"], *_kube_apiserver(etcd, port)])
        _wait(server, daemons)
        yield server
    finally:
        daemons.kill("kube-apiserver")
        daemons.kill("etcd")


def _wait(server: ApiServer, daemons: Daemons) -> None:
    def answers() -> bool:
        for name in ("etcd", "kube-apiserver"):
            assert daemons.running(name) is not None, f"{name} ended at its start:\n{daemons.tail(name)}"
        return server.run("kubectl", "get", "--raw", "/readyz").returncode == 0

    eventually(answers, START_SECONDS, lambda: daemons.tail("kube-apiserver"), pause=0.2)


def _etcd(state: Path, clients: str, peers: str) -> list[str]:
    return [
        f"--data-dir={state / 'etcd'}", "--unsafe-no-fsync", "--logger=zap",
        f"--listen-client-urls={clients}", f"--advertise-client-urls={clients}", f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}", f"--initial-cluster=default={peers}",
    ]  # fmt: skip


def _kube_apiserver(etcd: str, port: int) -> list[str]:
    return [
        f"--etcd-servers={etcd}", "--bind-address=127.0.0.1", f"--secure-port={port}",
        "--advertise-address=127.0.0.1", "--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC",
        "--client-ca-file=pki/ca.crt", "--tls-cert-file=pki/apiserver.crt", "--tls-private-key-file=pki/apiserver.key",
        "--service-account-key-file=pki/service-accounts.key",
        "--service-account-signing-key-file=pki/service-accounts.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        # Nobody here makes the service accounts of namespaces, without which no pod would be let in.
        "--disable-admission-plugins=ServiceAccount",
    ]  # fmt: skip


def apply_definitions(server: ApiServer, folder: Path) -> None:
    """Apply the resources' definitions, and wait until they are served."""
    server.kubectl("apply", "--filename", folder)
    server.kubectl("wait", "--for=condition=Established", "--timeout=30s", "--filename", folder)
