"""The pages: `/` for the federation as a whole, `/agents` for its hospitals."""

from datetime import UTC, datetime

from flask import Blueprint, current_app, render_template, request
from flask.typing import ResponseReturnValue

from consilia_dashboard.chooser import Chooser
from consilia_dashboard.live import Live
from consilia_dashboard.store import Key, NoSuchFederation
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
    asked = request.args.get("federation")
    if asked:
        return _drawn(template, here, _parse(asked), _chooser().federations())
    keys = _chooser().federations()
    try:
        return _drawn(template, here, keys[0], keys) if keys else render_template("none.html", here=here)
    except NoSuchFederation:  # deleted within the second for which names are kept
        keys = _chooser().federations(fresh=True)
        return _drawn(template, here, keys[0], keys) if keys else render_template("none.html", here=here)


def _drawn(template: str, here: str, key: Key, keys: list[Key]) -> ResponseReturnValue:
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
