"""A message is well-formed XML that carries its body unchanged, or it is refused."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilia.errors import InvalidMessage
from consilia_bus.stanza import message_stanza


@given(st.text(st.characters(exclude_categories=["C"])), st.text(st.characters(exclude_categories=["C"]), min_size=1))
def test_body_and_receiver_come_back_as_they_were(body: str, to: str) -> None:
    parsed = ET.fromstring(message_stanza(to, body))  # noqa: S314
    assert (parsed.get("to"), parsed.findtext("body")) == (to, body)


@pytest.mark.parametrize("character", ["\x00", "\r", "\x1b", "\ud800", "\uffff"])
def test_a_character_that_xml_cannot_carry_is_refused(character: str) -> None:
    with pytest.raises(InvalidMessage, match="at 2"):
        message_stanza("north@localhost", "ab" + character)


def test_line_feeds_and_tabs_pass() -> None:
    carried = ET.fromstring(message_stanza("north@localhost", "a\n\tb"))  # noqa: S314
    assert carried.findtext("body") == "a\n\tb"
