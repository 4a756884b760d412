"""What an answer of a private run may tell, and what its noised scores say. Pure.

A hospital that tells more than it may is refused, so that somebody mends it; what it said is not kept.
"""

from consilia.errors import InvalidMessage
from consilia.model import family_of
from consilia.privacy.scores import scores_of
from consilia.protocol import PrivacyTerms, RunSettings, Task, Update, unpack
from consilia.status import HospitalMetrics

MORE = "the hospital told more than it may in a private run"


def require_private(task: Task, update: Update) -> None:
    """Raise :class:`InvalidMessage` for an answer to ``task`` with what nobody may know, or with no ledger."""
    if update.rows is not None:
        raise InvalidMessage(f"{MORE}: the answer to {task} counts its rows; run the same release of Consilia there")
    if update.ledger is None:
        raise InvalidMessage(f"the answer to {task} does not say where the cohort's ledger stands")
    exact = update.ledger.exact
    if update.metrics is not None and (not exact or task == "centre"):
        raise InvalidMessage(
            f"{MORE}: the answer to {task} has scores without noise, and its cohort's holdout.metrics is "
            f"{'exact, for rounds' if exact else 'noised'}"
        )
    if task == "evaluate" and exact and update.vector is not None:
        raise InvalidMessage("the final evaluation has noised scores, and its cohort's holdout.metrics is exact")


def noised_scores(update: Update, terms: PrivacyTerms, settings: RunSettings) -> HospitalMetrics | None:
    """The scores in the vector of an answer to the final evaluation; None where it has none."""
    evaluate = terms.plan(noised_holdout=True).evaluate
    if update.vector is None or evaluate is None:
        return None
    return scores_of(unpack(update.vector), evaluate, family_of(settings.model, settings.features))
