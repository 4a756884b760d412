"""The fake upstream's two faces over HTTP: the federations' API, and a coordinator's stream of events."""

import json
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from consilia import tokens

Document = dict[str, Any]
API = "/apis/consilia.health/v1alpha1"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A dashboard that hangs up is no error of the fake's."""


def handler(upstream: Any) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            upstream.requests.append(f"GET {self.path}")
            if self.path.startswith("/v1/events"):
                self._events()
            elif self.path == f"{API}/federations":
                items = [upstream.federation()] if upstream.present else []
                self._api({"kind": "FederationList", "items": items})
            elif self.path == self._mine() and upstream.present:
                self._api(upstream.federation())
            else:
                self._answer(404, {"kind": "Status", "code": 404, "message": "not found"})

        def do_PATCH(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["Content-Type"] == "application/merge-patch+json"
            if upstream.refusal:
                code, sentence = upstream.refusal
                self._answer(code, {"kind": "Status", "code": code, "message": sentence})
            else:
                self._api(upstream.patch(body["spec"]))

        def _mine(self) -> str:
            return f"{API}/namespaces/default/federations/{upstream.name}"

        def _api(self, document: Document) -> None:
            if self.headers["Authorization"] == f"Bearer {upstream.api_token}":
                self._answer(200, document)
            else:
                self._answer(401, {"kind": "Status", "code": 401, "message": "the bearer token is not valid"})

        def _answer(self, code: int, document: Document) -> None:
            raw = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def _events(self) -> None:
            token = self.headers["Authorization"].removeprefix("Bearer ")
            if upstream.public_key is not None:
                assert tokens.verify(token, upstream.public_key, datetime.now(UTC)).role == "viewer"
            if not upstream.answers:
                self._answer(503, {"error": "down"})
                return
            sent = int(parse_qs(urlsplit(self.path).query).get("after", ["0"])[0])
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
