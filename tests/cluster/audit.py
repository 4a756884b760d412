"""Who asked the API server what, as its audit log tells."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

OPERATOR = "system:serviceaccount:consilia-system:consilia-operator"


def mark(log: Path) -> int:
    """Where the log ends now, in bytes."""
    return log.stat().st_size


def requests(log: Path, start: int, user: str = OPERATOR) -> Counter[str]:
    """How often ``user`` asked what since ``start``, as ``verb resource``; renewals of Leases aside.

    A watch is counted once, when it ends or begins, whichever was logged.
    """
    return Counter(_what(entry) for entry in _entries(log, start) if entry["user"]["username"] == user)


def _entries(log: Path, start: int) -> Iterator[dict[str, object]]:
    with log.open("rb") as lines:
        lines.seek(start)
        for line in lines:
            entry = json.loads(line)
            reference = entry.get("objectRef") or {}
            if entry["stage"] == "ResponseComplete" and reference.get("resource") != "leases":
                yield entry


def _what(entry: dict[str, object]) -> str:
    reference = entry.get("objectRef") or {}
    assert isinstance(reference, dict)
    return f"{entry['verb']} {reference.get('resource', entry['requestURI'])}"
