"""Conditions by Kubernetes' conventions: a status, a reason, a sentence, and when the status last changed. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from consilia.status import Condition
from consilia_operator.naming import Manifest

Status = Literal["True", "False", "Unknown"]


def condition(kind: str, holds: bool | None, reason: str, message: str = "") -> Condition:
    """A condition without its times; ``holds`` is None where nobody knows."""
    words: dict[bool | None, Status] = {True: "True", False: "False", None: "Unknown"}
    return Condition(type=kind, status=words[holds], reason=str(reason), message=message)


def stamped(
    conditions: Iterable[Condition], before: Manifest, generation: int | None, now: datetime
) -> list[Condition]:
    """The conditions by type, with the generation that they are about and when each last changed its status.

    ``before`` is the status that was written last. A condition that brings its own time keeps it at its next change.
    """
    known = {each["type"]: each for each in before.get("conditions") or []}
    return [_stamped(each, known.get(each.type), generation, now) for each in sorted(conditions, key=lambda c: c.type)]


def _stamped(new: Condition, before: Manifest | None, generation: int | None, now: datetime) -> Condition:
    since = new.last_transition_time or now.strftime("%Y-%m-%dT%H:%M:%SZ")
    if before is not None and before["status"] == new.status:
        since = before.get("lastTransitionTime") or since
    return new.model_copy(update={"last_transition_time": since, "observed_generation": generation})
