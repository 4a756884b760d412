"""A manifest's file."""

from pathlib import Path

from consilia.errors import InvalidManifest
from consilia.manifest import Manifest, parse


def read_manifest(file: Path) -> Manifest:
    """The documents of ``file``; raises :class:`InvalidManifest`."""
    try:
        return parse(file.read_text(encoding="utf-8"), str(file))
    except UnicodeDecodeError as error:
        raise InvalidManifest(f"{file} cannot be read: it is not UTF-8 text") from error
    except OSError as error:
        raise InvalidManifest(f"{file} cannot be read: {error.strerror}") from error
