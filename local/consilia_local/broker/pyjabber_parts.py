"""The parts of pyjabber that the embedded broker is made of: streams, TLS, the XML parser.

Its package imports a database, migrations, a web server and its own password store and router, none of which
is used here: most of the time that the broker takes to start, which every process of a run waits for. Those
modules are replaced while the parts are imported.
"""

import sys
from importlib.util import find_spec
from types import ModuleType

from consilia.errors import Unavailable


def _stand_in(name: str, **attributes: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(attributes)
    return module


class _InternalServerError(Exception):
    """What the negotiator expects to find beside pyjabber's router."""


def _leave_out_the_server() -> None:
    found = find_spec("pyjabber")
    if found is None or found.submodule_search_locations is None:
        raise Unavailable("pyjabber is not installed: it comes with spade; or use --broker prosody")
    for name, module in {
        "pyjabber": _stand_in("pyjabber", __path__=list(found.submodule_search_locations)),
        "pyjabber.features.SASL.SASL": _stand_in("SASL", SASL=None),
        "pyjabber.stream.handlers.StanzaHandler": _stand_in(
            "StanzaHandler", StanzaHandler=None, InternalServerError=_InternalServerError
        ),
    }.items():
        sys.modules.setdefault(name, module)


_leave_out_the_server()

from pyjabber import AppConfig  # noqa: E402
from pyjabber.network.ConnectionManager import ConnectionManager  # noqa: E402
from pyjabber.network.parsers.XMLParser import XMLParser  # noqa: E402
from pyjabber.stream.JID import JID  # noqa: E402
from pyjabber.stream.negotiators.StreamNegotiator import StreamNegotiator  # noqa: E402
from pyjabber.stream.utils.Enums import Stage  # noqa: E402
from pyjabber.utils.Exceptions import NotAuthorizerStreamNegotiationException as NotAuthorized  # noqa: E402

__all__ = ["JID", "AppConfig", "ConnectionManager", "NotAuthorized", "Stage", "StreamNegotiator", "XMLParser"]
