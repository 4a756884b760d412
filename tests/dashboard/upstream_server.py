"""The fake upstream's two faces over HTTPS: the federations' API, and a coordinator's stream of events."""

import itertools
import json
import ssl
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fake_kubernetes import API, StatusError

from consilia import tokens

Document = dict[str, Any]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, upstream: Any, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), handler(upstream))
        # The handshake is the request's thread's: a client that is slow with it holds up nobody.
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A dashboard that hangs up is no error of the fake's."""


def handler(upstream: Any) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            upstream.requests.append(f"GET {self.path}")
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query))
            if parts.path == "/v1/events":
                self._events(int(query.get("after", "0")))
            else:
                self._api(lambda: self._found(parts.path, query))

        def do_PATCH(self) -> None:
            upstream.requests.append(f"PATCH {self.path}")
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["Content-Type"] == "application/merge-patch+json"
            self._api(lambda: upstream.patch_of(urlsplit(self.path).path, body["spec"]))

        def _found(self, path: str, query: dict[str, str]) -> Document | None:
            """The answer; None where it was a watch, which is over then."""
            upstream.sync()
            namespace, name = place_of(path)
            if name is not None:
                return upstream.api.get(namespace, name)  # type: ignore[no-any-return]
            if query.get("watch") == "true":
                self._watch(namespace, query)
                return None
            return upstream.api.list(namespace, query, self.headers.get("Accept", ""))  # type: ignore[no-any-return]

        def _api(self, answer: Any) -> None:
            if self.headers["Authorization"] != f"Bearer {upstream.api_token}":
                self._answer(401, StatusError(401, "Unauthorized", "the bearer token is not valid").document)
                return
            try:
                found = answer()
            except StatusError as error:
                self._answer(error.code, error.document)
            else:
                if found is not None:
                    self._answer(200, found)

        def _answer(self, code: int, document: Document) -> None:
            raw = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def _watch(self, namespace: str | None, query: dict[str, str]) -> None:
            """Lines of events; in chunks, as an API server sends them."""
            token = upstream.api_token

            def ended() -> bool:
                upstream.sync()
                return bool(upstream.closed) or upstream.api_token != token

            events = upstream.api.watch(namespace, query, ended)
            first = next(events, None)  # a watch that is not allowed is refused before it begins
            self.protocol_version = "HTTP/1.1"
            self.close_connection = True
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            upstream.api.watches += 1
            try:
                for event in itertools.chain([first], events):
                    self._chunk(event)
                self.wfile.write(b"0\r\n\r\n")
            finally:
                upstream.api.watches -= 1

        def _chunk(self, event: Document | None) -> None:
            if event is not None:
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            elif hung_up(self.connection):
                raise ConnectionResetError

        def _events(self, sent: int) -> None:
            token = self.headers["Authorization"].removeprefix("Bearer ")
            if upstream.public_key is not None:
                claims = tokens.verify(token, upstream.public_key, datetime.now(UTC), federation=upstream.uid)
                assert claims.role == "viewer"
            if not upstream.answers:
                self._answer(503, {"error": "down"})
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            with upstream.changed:
                upstream.streams += 1
            try:
                self._follow(sent)
            finally:
                with upstream.changed:
                    upstream.streams -= 1
                    upstream.changed.notify_all()

        def _follow(self, sent: int) -> None:
            """Replay rounds and events after ``sent``, then the status as it is, then everything as it happens."""
            with upstream.changed:
                past = list(enumerate(upstream.journal[sent:], sent + 1))
                sent = len(upstream.journal)
                self._send([each for each in past if each[1][0] != "status"])
                self._send([(sent, ("status", upstream.status))])
            while upstream.answers:
                with upstream.changed:
                    fresh = list(enumerate(upstream.journal[sent:], sent + 1))
                    if not fresh and not upstream.changed.wait(timeout=0.2):
                        self.wfile.write(b": still here\n\n")
                self._send(fresh)
                sent += len(fresh)

        def _send(self, entries: list[tuple[int, tuple[str, Document]]]) -> None:
            for number, (event, document) in entries:
                self.wfile.write(f"id: {number}\nevent: {event}\ndata: {json.dumps(document)}\n\n".encode())

        def log_message(self, *_arguments: object) -> None:
            pass

    return Handler


def place_of(path: str) -> tuple[str | None, str | None]:
    """The namespace and the name in a path of the API; None where it has none."""
    match path.removeprefix(f"{API}/").split("/"):
        case ["federations"]:
            return None, None
        case ["namespaces", namespace, "federations"]:
            return namespace, None
        case ["namespaces", namespace, "federations", name]:
            return namespace, name
    raise StatusError(404, "NotFound", "the server could not find the requested resource")


def hung_up(link: ssl.SSLSocket) -> bool:
    """Whether the client left; a watch sends nothing by which to notice."""
    link.setblocking(False)
    try:
        return link.recv(1) == b""
    except ssl.SSLWantReadError:
        return False
    except OSError:
        return True
    finally:
        link.setblocking(True)
