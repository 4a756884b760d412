"""What Start and Stop change of a Federation's spec, and what of it holds in mid-run. Pure, over plain documents.

An edit is a merge patch (RFC 7396) of the spec, whoever makes it: the dashboard, ``consilia start`` or a person.
"""

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]
Patch = dict[str, Any]

COMMANDED = ("suspend", "rounds", "run")
"""All that Start, Stop and a new target touch."""

EDITABLE = ("rounds", "suspend", "quorum", "round_timeout", "hospitals", "broker", "coordinator", "tracking")
"""Fields of the spec that hold at once in a run that is under way, or that was interrupted; the last three are about
pods and no part of what is learned.

A change of any other makes another experiment: it holds from the next run on.
"""


STATISTICS = "Statistics"


def target_of(spec: Document) -> int:
    """How many rounds a spec asks for; 0 where it does not say. Statistics are one exchange, whatever it says."""
    return 1 if spec.get("task") == STATISTICS else int(spec.get("rounds") or 0)


def goes_on(spec: Document, status: Document) -> bool:
    """Whether a spec is still for what the run of ``status`` is for: another task waits for another run."""
    return (spec.get("task") == STATISTICS) == (status.get("task") == STATISTICS)


def start(spec: Document, status: Document, rounds: int | None = None) -> Patch:
    """Start, resume, or run again: a complete run is followed by another. ``rounds`` becomes the target with it."""
    patch: Patch = {"suspend": False}
    if rounds is not None:
        patch["rounds"] = rounds
    if status.get("phase") == "Complete":
        patch["run"] = next_run(spec.get("run"), int(status.get("run") or 0))
    return patch


def stop() -> Patch:
    """Stop after the round under way."""
    return {"suspend": True}


def next_run(wanted: int | None, ended: int) -> int:
    """The run that follows the run ``ended`` (0: none was): never below the one that the spec asks for."""
    return max(ended + 1, wanted or 1)
