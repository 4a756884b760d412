"""A look at hospitals' tables by hand: ``python -u -m consilia_agents.data_check``, for `consilia data check`.

It reads what a hospital's process would read, with the same engine, and neither trains nor sends anything. Asked in
JSON on standard input::

    {"features": .., "model": .. or null, "private": bool,
     "hospitals": [{"cohort": {..}, "data": folder, "credentials": folder or null, "spark": bool}, ..]}

and told in JSON, a line each, on standard output: ``{"hospital": name}`` with ``"reading"`` (a share), and at last with
``"report"`` (:mod:`consilia_agents.data_report`) or ``"refusal"`` (a sentence).
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from consilia.errors import ConsiliaError, InvalidData
from consilia.experiment import Features, Model
from consilia.spec import Cohort
from consilia_agents.__main__ import backend_of
from consilia_agents.looks import REPORT, Looks
from consilia_agents.settings import Settings
from consilia_agents.sources.places import Places

Say = Callable[[dict[str, Any]], None]


class ShownLooks(Looks):
    """Looks whose progress is said as it grows."""

    def __init__(self, cohort: Cohort, folder: Path, say: Say) -> None:
        super().__init__(cohort, folder)
        self._hospital = cohort.spec.hospital
        self._say = say

    def progress(self, share: float) -> None:
        """See :class:`Looks`."""
        before = self.reading
        super().progress(share)
        if self.reading is not None and self.reading != before:
            self._say({"hospital": self._hospital, "reading": self.reading})


def check(asked: dict[str, Any], say: Say) -> None:
    """Look at every hospital's table, one after the other; whatever is wrong with one is said of it."""
    features = Features.model_validate(asked["features"])
    model = None if asked["model"] is None else Model.model_validate(asked["model"])
    for hospital in asked["hospitals"]:
        cohort = Cohort.model_validate(hospital["cohort"])
        name = cohort.spec.hospital
        with tempfile.TemporaryDirectory(prefix="consilia-data-check-") as folder:
            state = Path(folder)
            looks = ShownLooks(cohort, state, say)
            try:
                say({"hospital": name} | _look(cohort, features, model, hospital, looks, state, asked["private"]))
            except ConsiliaError as error:
                say({"hospital": name, "refusal": str(error)})


def _look(
    cohort: Cohort,
    features: Features,
    model: Model | None,
    hospital: dict[str, Any],
    looks: Looks,
    state: Path,
    private: bool,
) -> dict[str, Any]:
    settings = Settings(
        cohort=cohort,
        coordinator="",
        coordinator_url="",
        state=state,
        ledger=None,
        cap=0.0,
        places=Places(*(Path(path) if path else None for path in (hospital["data"], hospital["credentials"]))),
        spark=hospital["spark"],
    )
    backend = backend_of(settings, looks)
    try:
        (backend.private if private else backend.clear)(features, model)
    except InvalidData as error:
        # The verdict of a NON-PRIVATE run: its report comes with it.
        if not (state / REPORT).exists():
            raise
        return {"report": json.loads((state / REPORT).read_text()), "refusal": str(error)}
    finally:
        backend.close()
    return {"report": json.loads((state / REPORT).read_text())}


def main() -> int:
    """Answer the one question on standard input."""

    def say(told: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(told) + "\n")

    check(json.load(sys.stdin), say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
