"""Memory of a family of processes, counted so that shared pages are not counted twice.

The figure is the sum of PSS (proportional set size, `smaps_rollup` of proc(5)). A family is known by a mark in the
environment that children inherit, and by descent where a child was given another environment.
"""

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

MARK = "BENCH_FAMILY"
PERIOD = 0.5  # seconds between samples: reading the page tables takes milliseconds a process, on the cores we measure


def field_bytes(text: str, name: str) -> int:
    """Return the value in bytes of a `Name:  123 kB` line of a /proc file; 0 when it has no such line."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    return 0


def family(mark: str) -> list[int]:
    """Return the ids of all processes that carry this mark, and of their descendants; this process left out."""
    wanted = f"{MARK}={mark}".encode()
    parents, marked_ones = {}, set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            parents[int(folder.name)] = parent_of((folder / "stat").read_text())
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                marked_ones.add(int(folder.name))
        except OSError:
            continue  # it ended meanwhile, or is another user's
    return sorted(with_descendants(marked_ones, parents))


def parent_of(stat: str) -> int:
    """Return the parent's id from a process's `stat`; its name, in parentheses, may hold anything."""
    return int(stat.rpartition(")")[2].split()[1])


def with_descendants(chosen: set[int], parents: dict[int, int]) -> set[int]:
    """Return the chosen processes and everything below them, given each process's parent."""
    found = set(chosen)
    while grown := {process for process, parent in parents.items() if parent in found} - found:
        found |= grown
    return found


def family_pss(mark: str) -> int:
    """Return the sum of PSS, in bytes, over the family of this mark."""
    total = 0
    for process in family(mark):
        try:
            total += field_bytes(Path(f"/proc/{process}/smaps_rollup").read_text(), "Pss")
        except OSError:
            continue  # it ended between the two readings
    return total


def peak_resident() -> int:
    """Return this process's own peak resident memory (VmHWM) in bytes."""
    return field_bytes(Path("/proc/self/status").read_text(), "VmHWM")


class PeakPss:
    """Samples a family's PSS every `PERIOD` seconds while entered; `value` is the largest sum seen, in bytes."""

    def __init__(self, mark: str) -> None:
        """Watch the family of this mark."""
        self.value = 0
        self._mark = mark
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakPss":
        """Start sampling."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop sampling."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(PERIOD):
            self.value = max(self.value, family_pss(self._mark))


@contextmanager
def marked(mark: str) -> Iterator[dict[str, str]]:
    """Yield an environment that carries the mark; at the end terminate what is left of the family."""
    try:
        yield {**os.environ, MARK: mark}
    finally:
        end_family(mark)


def end_family(mark: str, patience: float = 10.0) -> None:
    """Send SIGTERM to the family, and SIGKILL to what is still there after `patience` seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        handles = [handle for process in family(mark) if (handle := _handle(process)) is not None]
        for handle in handles:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
        _await_ends(handles, patience)
        for handle in handles:
            os.close(handle)


def _handle(process: int) -> int | None:
    try:
        return os.pidfd_open(process)
    except ProcessLookupError:
        return None


def _await_ends(handles: list[int], patience: float) -> None:
    limit = time.monotonic() + patience
    waiting = list(handles)
    while waiting and (left := limit - time.monotonic()) > 0:
        ended, _, _ = select.select(waiting, [], [], left)
        waiting = [handle for handle in waiting if handle not in ended]
