"""Files behind an S3 API: Amazon's, or a server of the hospital's own.

Without keys in the credentials requests are not signed: a bucket that anybody may read needs none, and no account that
happens to be around on the machine is ever used.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from pyarrow import fs

from consilia.data_source import CsvSource, FhirSource, ObjectStore, ParquetSource
from consilia.errors import ConsiliaError, InvalidData, Unavailable
from consilia_agents.sources.files import HIDDEN, DataFile, no_file_of_the_kind, no_such_file, stamp_of
from consilia_agents.sources.places import AUTHORITY, Credentials

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
ATTEMPTS = 3

_REASON = re.compile(r"AWS Error ([A-Z_]+)")
_UNTRUSTED = re.compile(r"curlCode: (60|77)\b")
"""What libcurl says of a server's certificate that it does not accept, or of a file of authorities that is none."""
_DENIED = {
    "ACCESS_DENIED",
    "INVALID_ACCESS_KEY_ID",
    "SIGNATURE_DOES_NOT_MATCH",
    "INVALID_SIGNATURE",
    "UNRECOGNIZED_CLIENT",
}
_GONE = {"NO_SUCH_BUCKET", "NO_SUCH_KEY", "RESOURCE_NOT_FOUND"}


@dataclass(frozen=True)
class StoredFiles:
    """Objects at ``s3://bucket/key``, or below it."""

    hospital: str
    path: str
    suffixes: tuple[str, ...]
    store: ObjectStore
    credentials: Credentials

    @classmethod
    def of(
        cls,
        hospital: str,
        source: CsvSource | ParquetSource | FhirSource,
        suffixes: Sequence[str],
        credentials: Credentials,
    ) -> Self:
        """The objects that a source names."""
        return cls(hospital, source.path, tuple(suffixes), source.object_store or ObjectStore(), credentials)

    def listed(self) -> tuple[DataFile, ...]:
        """See :class:`consilia_agents.sources.files.Files`."""
        system, key = self._system(), self._key.rstrip("/")
        try:
            found = system.get_file_info(key)
            if found.type == fs.FileType.File:
                return (DataFile(self.path, key, found.size),)
            if found.type == fs.FileType.NotFound:
                self._require_bucket(system)
                raise no_such_file(self.hospital, self.path)
            inside = [each for each in system.get_file_info(fs.FileSelector(key)) if self._wanted(each)]
        except OSError as error:
            raise self._problem(error) from None
        if not inside:
            raise no_file_of_the_kind(self.hospital, self.path, self.suffixes)
        return tuple(
            DataFile(f"{self.path.rstrip('/')}/{each.base_name}", each.path, each.size)
            for each in sorted(inside, key=lambda each: str(each.base_name))
        )

    def opened(self, file: DataFile) -> Any:
        """See :class:`consilia_agents.sources.files.Files`."""
        return self._system().open_input_file(file.path)

    def failed(self, file: DataFile, error: OSError) -> ConsiliaError:
        """See :class:`consilia_agents.sources.files.Files`."""
        return no_such_file(self.hospital, file.name) if isinstance(error, FileNotFoundError) else self._problem(error)

    def stamp(self) -> str:
        """See :class:`consilia_agents.sources.files.Files`: names, sizes and ETags."""
        parts = []
        for file in self.listed():
            try:
                with self.opened(file) as opened:
                    parts.append((file.name, file.size, opened.metadata().get("ETag")))
            except OSError as error:
                raise self.failed(file, error) from None
        return stamp_of(parts)

    @property
    def _key(self) -> str:
        return self.path.removeprefix("s3://")

    @property
    def _bucket(self) -> str:
        return self._key.partition("/")[0]

    def _wanted(self, found: Any) -> bool:
        name = str(found.base_name)
        is_file = found.type == fs.FileType.File
        return is_file and not name.startswith(HIDDEN) and name.lower().endswith(self.suffixes)

    def _system(self) -> Any:
        authority = self.credentials.file(AUTHORITY)
        if authority is not None and (self.store.endpoint or "").lower().startswith("http://"):
            raise InvalidData(
                f"hospital {self.hospital}: objectStore.endpoint begins with http://, and so no server is checked by "
                f"{AUTHORITY} of source.credentials: write https://, or take {AUTHORITY} out"
            )
        keys: dict[str, Any] = {"anonymous": True}
        if not self._anonymous:
            keys = {
                "access_key": self.credentials.required("accessKeyId"),
                "secret_key": self.credentials.required("secretAccessKey"),
                "session_token": self.credentials.optional("sessionToken"),
            }
        return fs.S3FileSystem(
            tls_ca_file_path=authority,
            region=self.store.region,
            endpoint_override=self.store.endpoint,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=ANSWER_SECONDS,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
            **keys,
        )

    @property
    def _anonymous(self) -> bool:
        """Whether there is an authority to check the server by, and nobody to be let in; or no Secret at all."""
        keys = ("accessKeyId", "secretAccessKey")
        return self.credentials.secret is None or (
            self.credentials.optional(AUTHORITY) is not None
            and all(self.credentials.optional(key) is None for key in keys)
        )

    def _require_bucket(self, system: Any) -> None:
        if system.get_file_info(self._bucket).type == fs.FileType.NotFound:
            raise InvalidData(
                f'hospital {self.hospital}: there is no bucket "{self._bucket}" at {self._server}: mend the source\'s '
                "path or objectStore"
            )

    @property
    def _server(self) -> str:
        return urlsplit(self.store.endpoint).netloc if self.store.endpoint else f"Amazon's S3 in {self.store.region}"

    def _problem(self, error: OSError) -> ConsiliaError:
        """An error of the API, by its name; its text may hold more than that and is left out."""
        found = _REASON.search(str(error))
        reason = found[1] if found else "none"
        said = f"hospital {self.hospital}: the object store at {self._server}"
        if reason in _DENIED:
            whom = (
                f'credentials "{self.credentials.secret}"' if self.credentials.secret else "whoever has no credentials"
            )
            return InvalidData(f'{said} denies {whom} "{self.path}" ({reason}): mend source.credentials, or the rights')
        if reason in _GONE:
            return InvalidData(f'{said} has no bucket "{self._bucket}", or nothing at "{self.path}": mend the path')
        if _UNTRUSTED.search(str(error)):
            return InvalidData(
                f"{said} has a certificate that nothing here vouches for, or of another name: put the authority that "
                f"signed it into {AUTHORITY} of source.credentials, or mend objectStore.endpoint"
            )
        if reason == "NETWORK_CONNECTION":
            return Unavailable(
                f"{said} does not answer: see whether it is up, and whether egress lets requests through"
            )
        return Unavailable(f"{said} fails ({reason.lower().replace('_', ' ')})")
