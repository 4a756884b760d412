"""What a node leaves on its machine when its programs are killed, and how that goes: pods' processes, mounts, links."""

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

from deadline import eventually

CONTROL_GROUPS = Path("/sys/fs/cgroup")
LOG_LINKS = Path("/var/log/containers")


def end_pods(socket: Path) -> None:
    """Kill what containers run, and the shims that watch over them, known by the containerd that they report to."""
    shims = [pid for pid, line in _command_lines() if b"containerd-shim" in line and f"\0{socket}\0".encode() in line]
    for shim in shims:
        for children in Path(f"/proc/{shim}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                for child in children.read_text().split():
                    _kill(int(child))
        _kill(shim)
    eventually(lambda: not any(Path(f"/proc/{shim}/exe").exists() for shim in shims), 10, lambda: f"shims {shims}")


def network_namespaces(state: Path) -> set[str]:
    """The names of the pods' network namespaces, as long as their sandboxes are known."""
    found = set()
    for path in state.glob("containerd/run/*/k8s.io/*/config.json"):
        with contextlib.suppress(OSError, ValueError):
            namespaces = json.loads(path.read_text())["linux"]["namespaces"]
            found |= {Path(each["path"]).name for each in namespaces if each["type"] == "network" and "path" in each}
    return {name for name in found if name.startswith("cni-")}


def unmount(state: Path) -> None:
    """Take away every mount under a folder, the innermost first."""
    targets = [line.split()[1].replace("\\040", " ") for line in Path("/proc/mounts").read_text().splitlines()]
    for target in sorted((each for each in targets if Path(each).is_relative_to(state)), reverse=True):
        quietly("umount", "--lazy", target)


def unlink_logs(state: Path) -> None:
    """Take away the links that the kubelet made to logs under a folder."""
    for link in LOG_LINKS.glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(state):
            link.unlink()


def remove_control_groups() -> None:
    """Take away the pods' control groups; those that hold a process stay."""
    for root in [*CONTROL_GROUPS.glob("kubepods"), *CONTROL_GROUPS.glob("*/kubepods")]:
        for folder, _, _ in os.walk(root, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def quietly(*command: str) -> None:
    """Run what may have nothing to do."""
    subprocess.run(command, capture_output=True, check=False)


def _command_lines() -> list[tuple[int, bytes]]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found.append((int(folder.name), (folder / "cmdline").read_bytes()))
    return found


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
