"""Where federations are kept: a Kubernetes API server, or the same paths served by ``consilia run``."""

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

from consilia.errors import ConsiliaError, Refusal, Unavailable
from consilia.object_paths import COLLECTION, MERGE_PATCH, path_of
from consilia_dashboard.transport import connect, exchange

MAX_BODY = 16 * 1024 * 1024
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

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


class FederationStore(Protocol):
    """What the dashboard asks of the API: the seam that tests fake."""

    def list(self) -> list[Document]:
        """All federations that this dashboard may see."""

    def get(self, key: Key) -> Document:
        """One federation; raises :class:`NoSuchFederation`."""

    def patch(self, key: Key, spec: Document) -> Document:
        """Merge ``spec`` into a federation's spec and return what it became."""


class ApiStore:
    """A :class:`FederationStore` over HTTP; a connection for each request, so it is safe in any thread."""

    def __init__(self, url: str, token_file: Path, ca_file: Path | None = None) -> None:
        self._url = url
        self._token_file = token_file
        self._ca_file = ca_file

    def list(self) -> list[Document]:
        items = self._ask("GET", COLLECTION).get("items")
        return [item for item in items if _is_federation(item)] if isinstance(items, list) else []

    def get(self, key: Key) -> Document:
        return self._ask("GET", _path(key), key=key)

    def patch(self, key: Key, spec: Document) -> Document:
        return self._ask("PATCH", _path(key), {"spec": spec}, key)

    def _ask(self, method: str, path: str, body: Document | None = None, key: Key | None = None) -> Document:
        headers = {"Authorization": f"Bearer {self._token_file.read_text().strip()}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = MERGE_PATCH
        connection = connect(self._url, self._ca_file)
        try:
            payload = json.dumps(body).encode() if body is not None else None
            response = exchange(connection, method, self._url + path, headers, payload)
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


def _path(key: Key) -> str:
    return path_of(key.namespace, key.name)


def _decode(raw: bytes) -> Document:
    try:
        document = json.loads(raw)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _error(status: int, answer: Document) -> ConsiliaError:
    sentence = str(answer.get("message") or f"the federations' API answered {status}")
    return Unavailable(sentence) if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ApiRefused(sentence)


def _is_federation(item: object) -> bool:
    if not isinstance(item, dict):
        return False
    metadata = item.get("metadata")
    return isinstance(metadata, dict) and {"name", "namespace"} <= metadata.keys()
