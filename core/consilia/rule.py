"""One rule of an API server's admission, in CEL, with the sentence that it says."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """``rule`` must hold; where it does not, ``says`` is the sentence: a CEL expression of text, over the same object.

    ``otherwise`` is what is said where that expression cannot be computed. ``field`` is the path of the field to name.
    """

    rule: str
    says: str
    otherwise: str
    field: str | None = None
