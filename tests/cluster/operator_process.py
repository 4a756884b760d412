"""The release's operator as a process of this machine, with the rights of its service account and no others."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster.release import SYSTEM
from ports import free_port


@dataclass(frozen=True)
class OperatorProcess:
    """One that runs, and the file that it logs to."""

    process: "subprocess.Popen[bytes]"
    log: Path


@contextmanager
def operator_process(kubectl: Callable[..., str], folder: Path, identity: str) -> Iterator[OperatorProcess]:
    """Start it with the settings of the release's Deployment, as holder ``identity`` of the Lease; end it afterwards.

    ``kubectl`` asks the cluster as its administrator; ``folder`` is where its files go.
    """
    configuration = json.loads(kubectl("config", "view", "--raw", "--flatten", "--output=json"))
    token = kubectl("create", "token", "consilia-operator", f"--namespace={SYSTEM}").strip()
    for user in configuration["users"]:
        user["user"] = {"token": token}
    kubeconfig = folder / "operator.kubeconfig"
    kubeconfig.write_text(json.dumps(configuration))
    found = kubectl("get", "deployment", "consilia-operator", f"--namespace={SYSTEM}", "--output=json")
    (container,) = json.loads(found)["spec"]["template"]["spec"]["containers"]
    told = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    told |= {"CONSILIA_NAMESPACE": SYSTEM, "CONSILIA_POD": identity, "CONSILIA_HTTP_PORT": str(free_port())}
    log = folder / "operator.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "consilia_operator"],
            env=os.environ | told | {"KUBECONFIG": str(kubeconfig)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield OperatorProcess(process, log)
    finally:
        process.kill()
        process.wait()
