"""Where federations are kept: a Kubernetes API server, or the same paths served by ``consilia run``."""

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

from consilia.errors import ConsiliaError, Refusal, Unavailable
from consilia.object_paths import COLLECTION, MERGE_PATCH, collection_of, path_of
from consilia_dashboard.transport import Lines, connect, exchange, trusting

MAX_BODY = 16 * 1024 * 1024
FIELD_MANAGER = "consilia-dashboard"
WATCH_SECONDS = 60
"""A watch ends by itself after this time, so that a connection that died is missed for no longer."""
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
# The names of all federations, without what each of them says.
_NAMES_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

Document = dict[str, Any]


@dataclass(frozen=True, order=True)
class Key:
    """A federation's address: RFC 1123 names only, so that one can never steer a request to another path."""

    namespace: str
    name: str

    def __post_init__(self) -> None:
        for part in (self.namespace, self.name):
            if not _LABEL.fullmatch(part):
                raise NoSuchFederation(f'"{part}" is no name of a federation or namespace')

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class NoSuchFederation(Refusal):
    """The API knows no federation of this name."""


class ApiRefused(Refusal):
    """The API answered, and said no; the message is its own sentence."""


class VersionGone(Unavailable):
    """The API does not know any more what happened since a version: look again, and watch from there."""


@dataclass(frozen=True)
class Look:
    """A federation as it is (None: there is none), and the version from which to watch it."""

    federation: Document | None
    version: str


class Watch(Protocol):
    """What becomes of one federation."""

    def looks(self) -> Iterator[Look]:
        """Each change, until the API ends the watch; :class:`VersionGone`, or :class:`Unavailable` when it breaks."""

    def close(self) -> None:
        """Ends :meth:`looks` at once, from any thread."""


class FederationStore(Protocol):
    """What the dashboard asks of the API: the seam that tests fake."""

    def names(self) -> list[Key]:
        """All federations that this dashboard may see, in order."""

    def get(self, key: Key) -> Document:
        """One federation; raises :class:`NoSuchFederation`."""

    def look(self, key: Key) -> Look:
        """The same, to be watched from there on, whether or not there is one."""

    def watch(self, key: Key, version: str) -> Watch:
        """What becomes of it after ``version``."""

    def patch(self, key: Key, spec: Document) -> Document:
        """Merge ``spec`` into a federation's spec and return what it became."""


class ApiStore:
    """A :class:`FederationStore` over HTTP; a connection for each request, so it is safe in any thread."""

    def __init__(self, url: str, token_file: Path, ca_file: Path | None = None) -> None:
        self._url = url
        self._token_file = token_file
        self._ca_file = ca_file

    def names(self) -> list[Key]:
        return sorted(key for item in self._items(COLLECTION, _NAMES_ONLY) if (key := _key(item)) is not None)

    def get(self, key: Key) -> Document:
        return self._ask("GET", path_of(key.namespace, key.name), key=key)

    def look(self, key: Key) -> Look:
        answer = self._ask("GET", collection_of(key.namespace, fieldSelector=f"metadata.name={key.name}"))
        found = [item for item in _listed(answer) if _key(item) == key]
        return Look(found[0] if found else None, _version(answer))

    def watch(self, key: Key, version: str) -> Watch:
        path = collection_of(
            key.namespace,
            fieldSelector=f"metadata.name={key.name}",
            watch="true",
            resourceVersion=version,
            allowWatchBookmarks="true",
            timeoutSeconds=str(WATCH_SECONDS),
        )
        lines = Lines(self._connect(), self._url + path, self._headers())
        if lines.response.status != HTTPStatus.OK:
            try:
                answer = _decode(lines.response.read(MAX_BODY))
            finally:
                lines.close()
            raise _error(lines.response.status, answer)
        return _ApiWatch(lines)

    def patch(self, key: Key, spec: Document) -> Document:
        # Whoever applies a file from the server's side is told by this name who changed what they hold.
        path = f"{path_of(key.namespace, key.name)}?fieldManager={FIELD_MANAGER}"
        return self._ask("PATCH", path, {"spec": spec}, key)

    def _connect(self) -> http.client.HTTPConnection:
        # Kubernetes rotates the authority's file as it does the token.
        return connect(self._url, trusting(self._ca_file) if self._url.startswith("https:") else None)

    def _items(self, path: str, accept: str) -> list[Document]:
        return _listed(self._ask("GET", path, headers={"Accept": accept}))

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token_file.read_text().strip()}", "Accept": "application/json"}

    def _ask(
        self,
        method: str,
        path: str,
        body: Document | None = None,
        key: Key | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Document:
        sent = self._headers() | dict(headers or {})
        if body is not None:
            sent["Content-Type"] = MERGE_PATCH
        connection = self._connect()
        try:
            payload = json.dumps(body).encode() if body is not None else None
            response = exchange(connection, method, self._url + path, sent, payload)
            answer = _decode(response.read(MAX_BODY))
        except OSError as error:
            raise Unavailable(f"the federations' API broke off: {error}") from error
        finally:
            connection.close()
        if response.status == HTTPStatus.NOT_FOUND and key is not None:
            raise NoSuchFederation(f"there is no federation {key}")
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise _error(response.status, answer)
        return answer


class _ApiWatch:
    """The changes of a watch, as Kubernetes tells them: a line of JSON each."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def looks(self) -> Iterator[Look]:
        # It is silent for as long as nothing happens, and ends by itself.
        for line in self._lines.read(MAX_BODY, WATCH_SECONDS + 15.0):
            told = _decode(line)
            kind, found = told.get("type"), told.get("object")
            if kind == "ERROR" or not isinstance(found, dict):
                status = found if isinstance(found, dict) else {}
                raise _error(int(status.get("code") or HTTPStatus.INTERNAL_SERVER_ERROR), status)
            if kind != "BOOKMARK":
                yield Look(found if kind != "DELETED" else None, _version(found))

    def close(self) -> None:
        self._lines.close()


def _decode(raw: bytes) -> Document:
    try:
        document = json.loads(raw)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _error(status: int, answer: Document) -> ConsiliaError:
    sentence = str(answer.get("message") or f"the federations' API answered {status}")
    if status == HTTPStatus.GONE:
        return VersionGone(sentence)
    if status == HTTPStatus.FORBIDDEN:
        return ApiRefused(f"{sentence}; the ClusterRole consilia-dashboard has what this dashboard needs")
    if status == HTTPStatus.NOT_FOUND:
        return Unavailable(f"{sentence}: are the definitions of consilia.health in this cluster?")
    retried = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
    return Unavailable(sentence) if retried else ApiRefused(sentence)


def _listed(answer: Document) -> list[Document]:
    items = answer.get("items")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _key(item: Document) -> Key | None:
    metadata = item.get("metadata")
    if not isinstance(metadata, dict) or not {"name", "namespace"} <= metadata.keys():
        return None
    return Key(str(metadata["namespace"]), str(metadata["name"]))


def _version(document: Document) -> str:
    metadata = document.get("metadata")
    return str(metadata.get("resourceVersion") or "") if isinstance(metadata, dict) else ""
