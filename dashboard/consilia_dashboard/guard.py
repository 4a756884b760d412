"""Which hosts a browser may call us by, and the headers that keep a page from being framed, sniffed or scripted."""

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def guard(app: Flask, trusted_hosts: frozenset[str] | None) -> None:
    """Refuse unknown hosts before anything else, and put the headers on every answer."""

    def require_host() -> ResponseReturnValue | None:
        if trusted_hosts is None or _host_name(request.headers.get("Host", "")) in trusted_hosts:
            return None
        return Response("This dashboard answers on localhost only.\n", 400, mimetype="text/plain")

    def add_headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        if request.endpoint == "static":
            response.headers["Cache-Control"] = "no-cache"  # kept, but asked about each time: its ETag answers
        else:
            response.headers["Cache-Control"] = "no-store"
        return response

    app.before_request(require_host)
    app.after_request(add_headers)


def _host_name(host: str) -> str:
    """The name in a Host header, without its port: ``[::1]:8081`` is ``[::1]``."""
    end = host.rfind(":")
    return (host[:end] if end > host.rfind("]") else host).lower()
