"""A port of the cluster on loopback, as people reach it: kubectl port-forward."""

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Queue

from cluster.kit.cluster import Cluster

START_SECONDS = 30.0


@contextmanager
def forwarded(cluster: Cluster, namespace: str, target: str, port: int) -> Iterator[int]:
    """The local port that leads to ``port`` of ``target`` (``service/name``) while the context lasts."""
    process = subprocess.Popen(
        [cluster.program, "port-forward", f"--namespace={namespace}", target, f":{port}"],
        env=cluster.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: Queue[str] = Queue()
    # Read to its end, or kubectl would stop at a full pipe: it writes a line for each connection.
    reader = threading.Thread(target=_read, args=[process, lines], daemon=True)
    reader.start()
    try:
        yield _local_port(lines, target)
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stdout is not None
        process.stdout.close()


def _read(process: "subprocess.Popen[str]", lines: Queue[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)


def _local_port(lines: Queue[str], target: str) -> int:
    try:
        first = lines.get(timeout=START_SECONDS)
    except Empty:
        raise AssertionError(f"no port was forwarded to {target}") from None
    found = re.search(r"127\.0\.0\.1:(\d+)", first)
    assert found is not None, first
    return int(found[1])
