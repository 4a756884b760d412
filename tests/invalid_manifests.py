"""The corpus of invalid manifests, and the sentence with which each is refused: here, and by an API server.

A file begins with its sentence, or a part of it. Where an API server has words of its own, it begins with both.
"""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "core" / "invalid_manifests"


@dataclass(frozen=True)
class InvalidManifest:
    """One file; ``here`` is what our own validation says, ``on_a_cluster`` what an API server does."""

    path: Path
    here: str
    on_a_cluster: str

    @classmethod
    def read(cls, path: Path) -> "InvalidManifest":
        """Read the sentences from the comments at the top of ``path``."""
        lines = path.read_text().splitlines()
        if not lines[0].startswith("# here: "):
            said = lines[0].removeprefix("# ")
            return cls(path, said, said)
        return cls(path, lines[0].removeprefix("# here: "), lines[1].removeprefix("# on a cluster: "))

    def __str__(self) -> str:
        return self.path.stem


CORPUS = tuple(InvalidManifest.read(path) for path in sorted(FOLDER.glob("*.yaml")))
