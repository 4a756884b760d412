"""Disks that are watched, that fail, and that a process does not outlive; and processes that are killed."""

import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

from consilia_agents.disk import Disk

Calls = list[tuple[str, str]]


class WatchedDisk(Disk):
    """Records every call with the name of its file; ``before`` is told of each, counted from 0, and may end it."""

    def __init__(self, before: Callable[[int, str], None] = lambda _number, _call: None) -> None:
        self.calls: Calls = []
        self._before = before

    def write(self, file: int, data: bytes | memoryview) -> None:
        half = len(data) // 2
        # Two steps: what tears a write tears it in the middle.
        self._step("write", _name(file))
        super().write(file, data[:half])
        self._step("write on", _name(file))
        super().write(file, data[half:])

    def sync(self, file: int) -> None:
        self._step("sync", _name(file))
        super().sync(file)

    def sync_names(self, folder: int) -> None:
        self._step("sync", _name(folder))
        super().sync_names(folder)

    def truncate(self, file: int, length: int) -> None:
        self._step("truncate", _name(file))
        super().truncate(file, length)

    def rename(self, old: Path, new: Path) -> None:
        self._step("rename", new.name)
        super().rename(old, new)

    def _step(self, call: str, name: str) -> None:
        number = len(self.calls)
        self.calls.append((call, name))
        self._before(number, call)


def failing(at: int, error: int) -> WatchedDisk:
    """A disk whose call number ``at`` fails with this errno, and no other."""

    def before(number: int, _call: str) -> None:
        if number == at:
            raise OSError(error, os.strerror(error))

    return WatchedDisk(before)


def deadly(at: int) -> WatchedDisk:
    """A disk whose user is killed before call number ``at``."""

    def before(number: int, _call: str) -> None:
        if number == at:
            os.kill(os.getpid(), signal.SIGKILL)

    return WatchedDisk(before)


def in_a_process(work: Callable[[Callable[[str], None]], None]) -> tuple[list[str], int]:
    """Do ``work`` in a process of its own: the lines that it told before it ended, and its exit code, or minus the
    signal that killed it."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns where there are threads; the child uses none of theirs, nor what they may hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            work(lambda line: void(os.write(writing, line.encode() + b"\n")))
            os._exit(0)
        except BaseException:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as told:
        lines = told.read().splitlines()
    return lines, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def void(_value: object) -> None:
    """Drop a value."""


def _name(file: int) -> str:
    return Path(f"/proc/self/fd/{file}").readlink().name
