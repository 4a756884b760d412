"""Errors as people see them: their sentence, on a page or in the answer to a script. Never a stack trace."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from consilia.errors import ConsiliaError, Refusal, Unavailable
from consilia_dashboard.commands import InvalidRounds, NothingToDo
from consilia_dashboard.store import NoSuchFederation

errors = Blueprint("errors", __name__)

STATUS: dict[type[ConsiliaError], int] = {
    NoSuchFederation: 404,
    NothingToDo: 409,
    InvalidRounds: 422,
    Refusal: 422,
    Unavailable: 503,
}


@errors.app_errorhandler(ConsiliaError)
def refused(error: ConsiliaError) -> ResponseReturnValue:
    """An error of ours."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    return _answer(_sentence(str(error)), status)


@errors.app_errorhandler(HTTPException)
def http_error(error: HTTPException) -> ResponseReturnValue:
    """Flask's own: an unknown path, a wrong method."""
    return _answer(error.description or error.name, error.code or 500)


def _answer(sentence: str, status: int) -> ResponseReturnValue:
    if request.method == "POST" or request.accept_mimetypes.best in ("application/json", "text/event-stream"):
        return {"error": sentence}, status
    return render_template("error.html", sentence=sentence, retry=status == 503), status


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
