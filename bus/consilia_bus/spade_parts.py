"""The parts of SPADE that a session needs, without the two servers it brings along.

`import spade` also imports an XMPP server (pyjabber, with SQLAlchemy and alembic) and a web interface for
agents (aiohttp's server, jinja2): two thirds of two seconds of CPU in every process that starts, and a web
page without a login one call away. Both are replaced while SPADE is imported, and neither is ever started.
The broker's own process imports the real pyjabber.
"""

import sys
from types import ModuleType


class NoWebApp:
    """Stands where SPADE puts an agent's web interface."""

    def __init__(self, agent: object) -> None:
        self.agent = agent

    @staticmethod
    def is_started() -> bool:
        """It never is."""
        return False


def _stand_in(name: str, **attributes: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(attributes)
    return module


def _import_spade() -> None:
    stand_ins = {
        "pyjabber": _stand_in("pyjabber", __path__=[]),
        "pyjabber.server": _stand_in("pyjabber.server", Server=None),
        "pyjabber.server_parameters": _stand_in("pyjabber.server_parameters", Parameters=None),
        "spade.web": _stand_in("spade.web", WebApp=NoWebApp),
    }
    added = [name for name in stand_ins if name not in sys.modules]
    sys.modules.update({name: stand_ins[name] for name in added})
    try:
        import spade  # noqa: F401, PLC0415
    finally:
        for name in added:
            del sys.modules[name]


if "spade" not in sys.modules:
    _import_spade()

from spade.agent import Agent  # noqa: E402
from spade.behaviour import CyclicBehaviour  # noqa: E402
from spade.container import Container  # noqa: E402
from spade.message import Message  # noqa: E402
from spade.trace import TraceStore  # noqa: E402

__all__ = ["Agent", "Container", "CyclicBehaviour", "Message", "TraceStore"]
