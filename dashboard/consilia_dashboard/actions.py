"""Start, Stop and Rounds: an edit of the federation's spec, answered by the sentence of what happens now."""

from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue

from consilia_dashboard import commands
from consilia_dashboard.commands import Command
from consilia_dashboard.live import Live
from consilia_dashboard.store import FederationStore, Key

actions = Blueprint("actions", __name__)


@actions.post("/federations/<namespace>/<name>/start")
def start(namespace: str, name: str) -> ResponseReturnValue:
    """Start or resume, with the target that the page shows."""
    key = Key(namespace, name)
    return _apply(key, commands.start(_live().seen(key), request.form.get("rounds")))


@actions.post("/federations/<namespace>/<name>/stop")
def stop(namespace: str, name: str) -> ResponseReturnValue:
    """Stop after the round in progress."""
    key = Key(namespace, name)
    return _apply(key, commands.stop(_live().seen(key)))


@actions.post("/federations/<namespace>/<name>/rounds")
def rounds(namespace: str, name: str) -> ResponseReturnValue:
    """Set the target."""
    key = Key(namespace, name)
    return _apply(key, commands.set_rounds(_live().seen(key), request.form.get("rounds", "")))


def _apply(key: Key, command: Command) -> ResponseReturnValue:
    store: FederationStore = current_app.extensions["store"]
    _live().note(key, store.patch(key, command.spec))
    return {"message": command.message}, 202


def _live() -> Live:
    live: Live = current_app.extensions["live"]
    return live
