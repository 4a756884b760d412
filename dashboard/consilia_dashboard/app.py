"""Builds the Flask application out of its parts."""

from flask import Flask

from consilia_dashboard.actions import actions
from consilia_dashboard.chooser import Chooser
from consilia_dashboard.coordinator import OpenStream, opener
from consilia_dashboard.csrf import csrf
from consilia_dashboard.errors import errors
from consilia_dashboard.guard import guard
from consilia_dashboard.live import Live
from consilia_dashboard.login import login, set_up_sessions
from consilia_dashboard.pages import health, pages
from consilia_dashboard.settings import Settings
from consilia_dashboard.store import ApiStore, FederationStore
from consilia_dashboard.streams import streams

MAX_FORM_BYTES = 16 * 1024


def create_app(
    settings: Settings, store: FederationStore | None = None, open_stream: OpenStream | None = None
) -> Flask:
    """The dashboard's application; ``store`` and ``open_stream`` are the two seams to the rest of Consilia."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_FORM_BYTES
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    store = store or ApiStore(settings.api_url, settings.api_token_file, settings.api_ca_file)
    live = Live(store, open_stream or opener(settings.signing_key_file, settings.ca_file))
    app.extensions.update(store=store, live=live, chooser=Chooser(store))
    guard(app, settings.trusted_hosts)
    set_up_sessions(app, settings)
    # In this order: who is it, may a page of ours have asked this, then what is asked.
    for blueprint in (login, csrf, errors, health, pages, actions, streams):
        app.register_blueprint(blueprint)
    return app
