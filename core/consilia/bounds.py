"""A status as its resource takes it: within the bounds of its own model, as a JSON merge patch (RFC 7396).

Processes say as much as they have to say, and whole numbers of digits; an API server refuses a text that is longer than
its schema allows, and with it the whole status. So what is too long is cut here, in one place, by the bounds that the
schema is made from.
"""

from functools import cache
from typing import Any

from consilia.document import Document
from consilia.epsilons import rounded_down, rounded_up

DIGITS = 4
"""Significant digits of a measured number: enough to read. Programs read the coordinator, which gives all of them."""
ELLIPSIS = "…"

Schema = dict[str, Any]


def within_bounds(document: Document) -> dict[str, Any]:
    """``document`` as a merge patch: texts and lists cut to their bounds, numbers to :data:`DIGITS` digits.

    Those are the nearest, but where the model says which way a field is ``rounded``: what was spent up, what remains
    down.

    What has no value is null, so that an old value goes; inside lists, which are replaced whole, it is left out.
    """
    whole = _schema(type(document))
    written: dict[str, Any] = _cut(whole, document.model_dump(mode="json", by_alias=True), whole.get("$defs", {}))
    return written


@cache
def _schema(model: type[Document]) -> Schema:
    return model.model_json_schema(by_alias=True)


def _cut(node: Schema, value: Any, definitions: dict[str, Schema]) -> Any:
    node = _meant(node, definitions)
    match value:
        case dict():
            return {name: _cut(node["properties"][name], part, definitions) for name, part in value.items()}
        case list():
            kept = value[: node.get("maxItems")]
            return [_without_nulls(_cut(node["items"], item, definitions)) for item in kept]
        case str():
            return shortened(value, node.get("maxLength"))
        case float():
            return _TO_DIGITS[node.get("rounded")](value, DIGITS)
    return value


def _nearest(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


_TO_DIGITS = {None: _nearest, "up": rounded_up, "down": rounded_down}


def _meant(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """The schema that holds for a value that is there: an optional field's other branch, what a reference refers to."""
    if "anyOf" in node:
        node = next(branch for branch in node["anyOf"] if branch != {"type": "null"})
    return definitions[node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node


def shortened(text: str, length: int | None) -> str:
    """``text``, or its start and an ellipsis, of at most ``length`` characters in all."""
    return text if length is None or len(text) <= length else f"{text[: length - 1]}{ELLIPSIS}"


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(part) for name, part in value.items() if part is not None}
    return value
