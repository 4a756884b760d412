"""A message as XML text, written straight to the stream: no stanza object, no queue (RFC 6120, 8.1)."""

import re
from xml.sax.saxutils import escape, quoteattr

from consilia.errors import InvalidMessage

# XML 1.0 has no way to carry these, and turns a carriage return into a line feed.
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")

PRESENCE = "<presence/>"
"""Makes this connection one that receives what is sent to the bare JID."""


def message_stanza(to: str, body: str) -> str:
    """Write one chat message.

    Raises
    ------
    InvalidMessage
        If `body` holds a character that XML cannot carry unchanged.
    """
    found = _FORBIDDEN.search(body)
    if found:
        raise InvalidMessage(
            f"a message to {to} has the character {found[0]!r} at {found.start()}, which XML cannot carry; "
            "encode the body as JSON"
        )
    return f"<message to={quoteattr(to)} type='chat'><body>{escape(body)}</body></message>"
