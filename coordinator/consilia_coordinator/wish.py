"""What the owner of a federation wishes, as the rounds take it. Pure."""

from consilia.edits import EDITABLE
from consilia.journal import RunHistory, opening_of, work_of
from consilia.rounds import Desired
from consilia.spec import FederationSpec


def held_of(run: RunHistory, wished: FederationSpec) -> FederationSpec:
    """The spec that holds of a run that goes on: what ``wished`` may change of it, and the rest as it was.

    A private run keeps its target where more rounds are wished than its noise was calibrated for.
    """
    held = run.spec.model_copy(update={name: getattr(wished, name) for name in EDITABLE})
    if run.first.privacy.private and held.rounds > run.first.rounds:
        return held.model_copy(update={"rounds": run.spec.rounds})
    return held


def desired(run: int, spec: FederationSpec, quorum: int) -> Desired:
    """The event that a spec is to the rounds."""
    return Desired(
        run=run,
        target=spec.target,
        quorum=quorum,
        hospitals=frozenset(spec.hospital_names),
        suspended=spec.suspend,
        opening=opening_of(spec),
        work=work_of(spec),
    )
