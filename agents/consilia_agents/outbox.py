"""Answers already given, to be given again byte for byte: one file an order, by the order's key.

Written whole before it is sent. Without noise it is not synced: an answer that a power cut takes is computed again to
the same bits. With noise it is, for it would not be the same again.
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

    def put(self, key: str, answer: str, *, durable: bool = False) -> None:
        """Keep an answer, and let the oldest go. ``durable``: it is on the disk before this returns.

        Raises :class:`consilia.errors.Unwritable`.
        """
        self._disk.put(self._path(key), answer.encode(), durable=durable)
        self._keys = [kept for kept in self._keys if kept != key] + [key]
        while len(self._keys) > KEPT:
            with contextlib.suppress(FileNotFoundError):
                self._path(self._keys.pop(0)).unlink()

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"
