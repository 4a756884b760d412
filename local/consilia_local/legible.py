"""Text that others wrote, made harmless for the terminal that shows it.

Reasons and messages come from hospitals, by way of the coordinator; names and values come from files. Printed as they
are, a control sequence in them could clear the screen, hide a line, or type into the shell.
"""

import unicodedata


def legible(text: str) -> str:
    r"""``text`` on one line, with each character that steers a terminal as its escape: ESC becomes ``\x1b``.

    These are all of Unicode's categories C (controls, invisible and bidirectional formats, lone surrogates) and the
    separators of lines and paragraphs.
    """
    return "".join(character if _is_harmless(character) else _escape(character) for character in text)


def _is_harmless(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
