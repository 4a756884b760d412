"""Where a hospital's files and credentials are: two folders of this process, and nothing outside of them.

Refused: a path that leaves the data folder, by ``..`` or a link; a credential that is not there.
"""

from dataclasses import dataclass
from pathlib import Path

from consilia.errors import InvalidData, Unavailable

AUTHORITY = "ca.crt"
"""The key of a Secret with the certificate, in PEM, that the server's has to be signed by."""


@dataclass(frozen=True)
class Places:
    """The two folders; None where the process has none."""

    data: Path | None = None
    """Where relative paths start: the claim's mount, or the manifest's folder."""
    credentials: Path | None = None
    """The files of the source's Secret, in this folder or in the one in it that has the Secret's name."""

    def inside(self, hospital: str, path: str) -> Path:
        """The real path of a file or folder of the data folder, whether it is there or not."""
        if self.data is None:
            raise InvalidData(
                f'hospital {hospital} has no data folder to find "{path}" in: give the source a claim, or set '
                "CONSILIA_DATA"
            )
        try:
            root = self.data.resolve()
            found = (root / path).resolve()
        except (OSError, RuntimeError, ValueError):  # links in a circle, a letter that no path has
            raise InvalidData(f'hospital {hospital}: "{path}" is no path: mend it in the source') from None
        if not found.is_relative_to(root):
            raise InvalidData(
                f'hospital {hospital}: path "{path}" leaves the data folder: put the file, and not a link, into it'
            )
        return found


@dataclass(frozen=True)
class Credentials:
    """A source's Secret as files; nothing of them is ever quoted."""

    hospital: str
    secret: str | None
    places: Places

    def optional(self, key: str) -> str | None:
        """The value of ``key``, None where the source names no Secret, or the Secret has no such key."""
        if self.secret is None:
            return None
        try:
            return (self._folder() / key).read_text("utf-8").rstrip("\r\n")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            raise InvalidData(f"{self._named(key)} is no UTF-8 text: write it anew") from None
        except PermissionError:
            raise InvalidData(f"{self._named(key)} may not be read by this process: mend its permissions") from None
        except OSError as error:
            raise Unavailable(f"{self._named(key)} cannot be read now ({error.strerror})") from error

    def required(self, key: str) -> str:
        """The value of ``key``. Raises :class:`consilia.errors.InvalidData` where there is none."""
        if self.secret is None:
            raise InvalidData(
                f"hospital {self.hospital}: the source asks for {key}: name a Secret with it in source.credentials"
            )
        value = self.optional(key)
        if value is None:
            raise InvalidData(f"{self._named(key)} is missing: put it there")
        if not value:
            raise self._empty(key)
        return value

    def file(self, key: str) -> str | None:
        """Where the value of ``key`` is, for a library that reads it itself; None where there is no such key.

        One that is blank is refused, for the library would do as if there were none: nothing would be checked by it.
        """
        value = self.optional(key)
        if value is None:
            return None
        if not value.strip():
            raise self._empty(key)
        return str(self._folder() / key)

    def _empty(self, key: str) -> InvalidData:
        return InvalidData(f"{self._named(key)} is empty: put it there")

    def _folder(self) -> Path:
        if self.places.credentials is None:
            raise InvalidData(
                f'hospital {self.hospital}: credentials "{self.secret}" are asked for, and this process has no folder '
                "of them: set CONSILIA_CREDENTIALS"
            )
        own = self.places.credentials / str(self.secret)
        return own if own.is_dir() else self.places.credentials

    def _named(self, key: str) -> str:
        return f'hospital {self.hospital}: the key {key} of credentials "{self.secret}"'
