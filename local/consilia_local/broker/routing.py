"""Who is connected to the embedded broker, and what happens to what they send.

One connection an account: a second login is a restarted process and takes the place of the first. The sender
of a message is always the connection it came by. A message to nobody is dropped: the protocol above repeats.
"""

from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from consilia_local.broker.pyjabber_parts import ConnectionManager

_CLIENT = "{jabber:client}"
_CONFLICT = b"<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"


@dataclass
class Route:
    """A logged-in connection; `address` is its full JID."""

    peer: object
    address: str
    transport: Any
    available: bool = False


class Router:
    """The connection of each account, by bare JID."""

    def __init__(self) -> None:
        self._routes: dict[str, Route] = {}

    def add(self, route: Route) -> None:
        """Make `route` the connection of its account."""
        bare = route.address.partition("/")[0]
        former = self._routes.get(bare)
        if former is not None:
            former.transport.write(_CONFLICT)
            former.transport.close()
        self._routes[bare] = route

    def remove(self, peer: object) -> None:
        """Forget the connection from the socket address `peer`, if it still is one."""
        self._routes = {bare: route for bare, route in self._routes.items() if route.peer != peer}

    def find(self, to: str) -> Route | None:
        """Find who gets what is sent `to` a bare or full JID."""
        bare, _, resource = to.partition("/")
        route = self._routes.get(bare)
        if route is None or not (route.address == to if resource else route.available):
            return None
        return route


class StanzaHandler:
    """Handles what a logged-in client sends; stands where pyjabber has a class of this name."""

    def __init__(self, router: Router, transport: Any) -> None:
        peer = transport.get_extra_info("peername")
        self._router = router
        self._route = Route(peer, str(ConnectionManager().get_jid(peer)), transport)
        router.add(self._route)

    async def feed(self, element: ET.Element) -> None:
        """Handle one stanza (RFC 6120, 8)."""
        if element.tag == _CLIENT + "message":
            self._message(element)
        elif element.tag == _CLIENT + "presence":
            if element.get("to") is None:
                self._route.available = element.get("type") is None
        elif element.get("type") in ("get", "set"):
            self._answer(element)

    def _message(self, element: ET.Element) -> None:
        receiver = self._router.find(element.get("to", ""))
        if receiver is not None:
            element.set("from", self._route.address)
            receiver.transport.write(ET.tostring(element))

    def _answer(self, element: ET.Element) -> None:
        pinged = len(element) == 1 and element[0].tag == "{urn:xmpp:ping}ping"
        answer = ET.Element(
            "iq",
            {"type": "result" if pinged else "error", "id": element.get("id", ""), "to": self._route.address},
        )
        if not pinged:
            error = ET.SubElement(answer, "error", {"type": "cancel"})
            ET.SubElement(error, "{urn:ietf:params:xml:ns:xmpp-stanzas}service-unavailable")
        self._route.transport.write(ET.tostring(answer))
