"""Whose coordinator this is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """``federation`` is namespace/name, ``uid`` tells it from one made anew under that name."""

    federation: str
    uid: str
