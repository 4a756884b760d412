"""The base of every document: how its fields are called, and how strictly they are read."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Document(BaseModel):
    """Base of every part of a document: camelCase aliases, frozen, unknown fields refused, no type bent to fit.

    Strict as an API server is: neither ``"10"`` nor ``true`` is a number.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, allow_inf_nan=False, strict=True
    )

    def to_json(self) -> dict[str, Any]:
        """The document as people write it: camelCase, without the fields that are not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def __copy__(self) -> Self:
        """The fields alone: a copy may be given others (``model_copy``), and then what was computed of these, a hash
        say, is not its own."""
        copied = super().__copy__()
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied
