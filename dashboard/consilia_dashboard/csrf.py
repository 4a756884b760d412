"""Every POST carries the session's own token, so that no other site can press a button here."""

import hmac

from flask import Blueprint, request, session
from flask.typing import ResponseReturnValue

csrf = Blueprint("csrf", __name__)

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@csrf.before_app_request
def require_token() -> ResponseReturnValue | None:
    """Refuse a request that changes something without the token."""
    if request.method in SAFE:
        return None
    expected = str(session.get("csrf", ""))
    given = request.headers.get("X-CSRF-Token") or request.form.get("csrf", "")
    if expected and hmac.compare_digest(given.encode(), expected.encode()):
        return None
    return {"error": "This page is out of date: reload it and try again."}, 403


@csrf.app_context_processor
def token_for_templates() -> dict[str, str]:
    """``csrf_token`` in templates."""
    return {"csrf_token": str(session.get("csrf", ""))}
