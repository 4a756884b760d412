"""Answers already given, to be given again byte for byte: one file an order, by the order's key.

Written whole before it is sent, and not synced: a killed process leaves it. What a power cut takes is computed again:
without noise to the same bits; with noise it is a new release, for which a run has its reserve.
"""

import contextlib
import json
from pathlib import Path

from consilia_agents.disk import Disk

KEPT = 4
"""Answers that are kept: only the newest order can still be asked again, and a few for one that crossed another."""


class Outbox:
    """A folder of answers."""

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        self._folder = folder
        self._disk = disk or Disk()
        folder.mkdir(parents=True, exist_ok=True)
        self._keys = [path.stem for path in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)]

    def get(self, key: str) -> str | None:
        """The answer to the order of this key, if it was given and is still whole."""
        if key not in self._keys:
            return None
        try:
            answer = self._path(key).read_text()
            json.loads(answer)
        except (FileNotFoundError, ValueError):  # gone, or torn by a power cut: to be computed again
            return None
        return answer

    def put(self, key: str, answer: str) -> None:
        """Keep an answer, and let the oldest go. Raises :class:`consilia.errors.Unwritable`."""
        self._disk.put(self._path(key), answer.encode(), durable=False)
        self._keys = [kept for kept in self._keys if kept != key] + [key]
        while len(self._keys) > KEPT:
            with contextlib.suppress(FileNotFoundError):
                self._path(self._keys.pop(0)).unlink()

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"
