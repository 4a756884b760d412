"""Login by token link, as notebooks do: whoever holds the printed link is in, by a signed cookie."""

import hashlib
import hmac
import secrets

from flask import Blueprint, Flask, current_app, redirect, render_template, request, session
from flask.typing import ResponseReturnValue

from consilia_dashboard.settings import Settings

login = Blueprint("login", __name__)

# What anybody may ask for: a probe, and what the login page itself is drawn with.
OPEN_ENDPOINTS = frozenset({"health.healthz", "static"})


def set_up_sessions(app: Flask, settings: Settings) -> None:
    """Sign cookies with a key derived from the login token: another token ends every session, a restart none."""
    app.secret_key = hmac.digest(settings.login_token.encode(), b"consilia dashboard sessions", hashlib.sha256)
    app.config.update(
        LOGIN_TOKEN=settings.login_token,
        # Cookies know no ports: two dashboards on one host would log each other out under one name.
        SESSION_COOKIE_NAME=f"consilia-{settings.port}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
    )


@login.before_app_request
def require_login() -> ResponseReturnValue | None:
    """Let in who has a session or brings the token; show everybody else where to find it."""
    token = request.args.get("token")
    if token is not None and request.method == "GET":
        return _enter() if _is_ours(token) else _refuse("This link's token is not the dashboard's.")
    if request.endpoint in OPEN_ENDPOINTS or session.get("in"):
        return None
    return _refuse("")


def _is_ours(token: str) -> bool:
    return hmac.compare_digest(token.encode(), str(current_app.config["LOGIN_TOKEN"]).encode())


def _enter() -> ResponseReturnValue:
    session.clear()
    session["in"] = True
    session["csrf"] = secrets.token_urlsafe(32)
    kept = "&".join(part for part in request.query_string.decode("ascii", "replace").split("&") if part[:6] != "token=")
    target = request.path + (f"?{kept}" if kept else "")
    if not target.startswith("/") or target.startswith("//"):
        target = "/"
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        # Coming from another site (a web terminal, a chat), a redirect would be without the strict cookie.
        return render_template("enter.html", target=target)
    return redirect(target, 303)


def _refuse(reason: str) -> ResponseReturnValue:
    if request.accept_mimetypes.best in ("application/json", "text/event-stream"):
        return {"error": "You are logged out: open the link with ?token= again."}, 401
    return render_template("login.html", reason=reason), 401
