"""`python -m bench.cluster`: what the product costs on a cluster where it is installed (KUBECONFIG; `make cluster`).

From `kubectl apply` to the first committed round, beside what the same cluster needs for one bare pod of one of our
images; and how long after its commit a round is in the resource's status. It makes a namespace and takes it away.
"""

import argparse
import json
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import table
from bench.samples import Sample
from consilia.journal import RoundCommitted, decode

FILE = Path(__file__).resolve().parents[1] / "examples" / "breast-cancer-non-private.yaml"
FEDERATION = "breast-cancer"
DEADLINE = 180.0  # seconds for anything that is waited for
ROUNDS = 1500
JOURNAL = "/var/lib/consilia/journal/journal"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.cluster", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="federations and bare pods, in turns (default 3)")
    given = parser.parse_args()
    pods, starts, lags = [], [], []
    for _ in range(given.runs):
        namespace = f"bench-{uuid.uuid4().hex[:6]}"
        kubectl("create", "namespace", namespace)
        try:
            starts.append(first_round(namespace))
            pods.append(bare_pod(namespace))
            lags += status_lags(namespace)
        finally:
            kubectl("delete", "namespace", namespace, "--wait=false")
    figures = [
        table.Figure(
            "apply to first round", table.seconds, Sample.of(starts), None, Sample.of(pods), "at most 25 s on 2 cores"
        ),
        table.Figure("commit to status", table.seconds, Sample.of(lags), None, None, "at most 1 s"),
    ]
    print(table.text("On a cluster, images present; the floor is one bare pod; median (min .. max)", figures))


def first_round(namespace: str) -> float:
    """Seconds from `kubectl apply` of the example to the first round in its status."""
    began = time.monotonic()
    kubectl("apply", f"--namespace={namespace}", f"--filename={FILE}")
    until(lambda: status(namespace).get("round", 0) >= 1, "the first round")
    took = time.monotonic() - began
    until(lambda: status(namespace).get("phase") == "Complete", "Complete")
    return took


def bare_pod(namespace: str) -> float:
    """Seconds from `kubectl apply` of a pod that does nothing to its being ready, of the coordinator's image."""
    where = f"--namespace={namespace}"
    image = get("pod", f"{FEDERATION}-coordinator-0", where)["spec"]["containers"][0]["image"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "bare"},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {"name": "bare", "image": image, "command": ["sleep", "600"], "imagePullPolicy": "IfNotPresent"}
            ],
        },
    }
    began = time.monotonic()
    kubectl("apply", where, "--filename=-", stdin=json.dumps(pod))
    kubectl("wait", "pod/bare", where, "--for=condition=Ready", f"--timeout={DEADLINE:g}s")
    return time.monotonic() - began


def status_lags(namespace: str) -> list[float]:
    """For each status that `kubectl get --watch` shows: how old the newest round is that it has, in seconds.

    The age of a round is from its commit, by the clock of the coordinator's journal, to the line of the watch.
    """
    patch = json.dumps({"spec": {"run": 2, "rounds": ROUNDS}})
    where = f"--namespace={namespace}"
    seen: list[tuple[float, dict[str, Any]]] = []
    with tempfile.TemporaryFile("w+") as errors:
        watching = subprocess.Popen(
            ["kubectl", "get", "federation", FEDERATION, where, "--watch", "--output=json"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        reader = threading.Thread(target=_read, args=[watching, seen], daemon=True)
        reader.start()
        kubectl("patch", "federation", FEDERATION, where, "--type=merge", "--patch", patch)
        until(lambda: status(namespace).get("run") == 2 and status(namespace)["phase"] == "Complete", "run 2 complete")
        watching.kill()
        reader.join()
        watching.wait()
    commits = committed(namespace)
    shown: dict[int, float] = {}
    for at, found in seen:
        if found.get("run") == 2:
            shown.setdefault(found.get("round", 0), at)
    # A round is in the status as soon as any status has it or a later one.
    lags = []
    for number, commit in commits.items():
        at = min((at for reached, at in shown.items() if reached >= number), default=None)
        if at is not None:
            lags.append(at - commit)
    return lags


def committed(namespace: str) -> dict[int, float]:
    """When each round of run 2 was committed (seconds since the epoch), from the coordinator's journal."""
    journal = subprocess.run(
        ["kubectl", "exec", f"--namespace={namespace}", f"{FEDERATION}-coordinator-0", "--", "cat", JOURNAL],
        check=True,
        capture_output=True,
        timeout=DEADLINE,
    ).stdout
    facts, _ = decode(journal, "the coordinator's journal")
    commits = [fact for fact in facts if isinstance(fact, RoundCommitted) and fact.run == 2]
    return {fact.round: datetime.fromisoformat(fact.at).timestamp() for fact in commits}


def _read(watching: "subprocess.Popen[str]", seen: list[tuple[float, dict[str, Any]]]) -> None:
    """Keep each status that the watch writes, with the time at which its last line came."""
    assert watching.stdout is not None
    text = ""
    for line in watching.stdout:
        text += line
        if line == "}\n":
            seen.append((time.time(), json.loads(text).get("status", {})))
            text = ""


def status(namespace: str) -> dict[str, Any]:
    """The federation's status; empty while there is none."""
    found: dict[str, Any] = get("federation", FEDERATION, f"--namespace={namespace}").get("status") or {}
    return found


def get(*arguments: str) -> dict[str, Any]:
    """An object as `kubectl get` gives it."""
    found: dict[str, Any] = json.loads(kubectl("get", *arguments, "--output=json"))
    return found


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    """What kubectl says; ends the bench with its error."""
    command = ["kubectl", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=DEADLINE + 10)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def until(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds."""
    end = time.monotonic() + DEADLINE
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"not within {DEADLINE:g} s: {what}")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
