"""What the coordinator's API answers to those who read a federation, for both sides: it writes what they read."""

from pydantic import ConfigDict, Field

from consilia.experiment import Model, Outcome
from consilia.features import FeatureMap
from consilia.protocol import PrivacyTerms
from consilia.spec import Document, FederationSpec
from consilia.status import FeatureStatistics, FederationStatus, RoundRecord
from consilia.wording import NON_PRIVATE

LONG_POLL_SECONDS = 25.0
"""How long a question for the next status is held when nothing changes."""


class Answer(Document):
    """Base of the answers; a reader passes over what a newer coordinator says besides."""

    model_config = ConfigDict(extra="ignore")


class StatusAnswer(Answer):
    """``GET /v1/status``; with ``after``, once the sequence is another."""

    sequence: int
    status: FederationStatus


class RunAnswer(Answer):
    """``GET /v1/run``: what was asked of a run; ``quorum`` is the one that holds, ``first`` the oldest run known.

    ``privacy`` are the terms that a private run was settled on when it began, ``statistics`` what a statistics run
    gave.
    """

    run: int
    first: int = 1
    uid: str
    spec: FederationSpec
    privacy: PrivacyTerms | None = None
    quorum: int
    statistics: list[FeatureStatistics] | None = None
    started_at: str | None = None
    completed_at: str | None = None


class RoundsAnswer(Answer):
    """``GET /v1/rounds``: the committed rounds of a run, in order."""

    run: int
    rounds: list[RoundRecord]


class ModelAnswer(Answer):
    """``GET /v1/model``: the newest global model of a run; ``final`` where the run is complete.

    ``parameters`` are base64 of little-endian float64 (d + 1, intercept last, for each of the model's outputs), over
    the design rows of ``map``. ``model`` says of what kind they are, ``outcome`` the bounds of a numeric label.
    ``privacy`` is what was promised to the patients behind it: ``NON-PRIVATE``, or ``epsilon 1``.
    """

    run: int
    round: int
    final: bool
    parameters: str
    names: list[str]
    label: str
    model: Model = Field(default_factory=Model)
    outcome: Outcome | None = None
    privacy: str = NON_PRIVATE
    map: FeatureMap
