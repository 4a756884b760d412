"""The pages: `/` for the federation as a whole, `/agents` for its hospitals."""

from datetime import UTC, datetime

from flask import Blueprint, current_app, render_template, request
from flask.typing import ResponseReturnValue

from consilia_dashboard.chooser import Chooser
from consilia_dashboard.live import Live
from consilia_dashboard.store import Key
from consilia_dashboard.view import view

pages = Blueprint("pages", __name__)
health = Blueprint("health", __name__)


@pages.get("/")
def overview() -> ResponseReturnValue:
    """The federation as a whole."""
    return _page("overview.html", "pages.overview")


@pages.get("/agents")
def agents() -> ResponseReturnValue:
    """Its hospitals."""
    return _page("agents.html", "pages.agents")


@pages.get("/federations")
def federations() -> ResponseReturnValue:
    """Names of the federations, for the page that waits for the first."""
    return {"federations": [str(key) for key in _chooser().federations()]}


@health.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Whether this process answers; what it depends on has probes of its own."""
    return {"status": "ok", "viewers": _live().viewers}


def _page(template: str, here: str) -> ResponseReturnValue:
    keys = _chooser().federations()
    asked = request.args.get("federation")
    if not keys and asked is None:
        return render_template("none.html", here=here)
    key = _parse(asked) if asked else keys[0]
    first = view(_live().seen(key), datetime.now(UTC))
    return render_template(template, here=here, view=first, key=key, keys=keys if key in keys else [key, *keys])


def _parse(text: str) -> Key:
    namespace, _, name = text.partition("/")
    return Key(namespace, name)


def _chooser() -> Chooser:
    chooser: Chooser = current_app.extensions["chooser"]
    return chooser


def _live() -> Live:
    live: Live = current_app.extensions["live"]
    return live
