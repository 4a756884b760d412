"""The seam to MLflow: what tracking asks of it, in our words.

Calls block, and raise :class:`MlflowUnavailable` for whatever goes wrong: every call may be repeated. The real one is
:class:`consilia_coordinator.tracking.mlflow_tracker.MlflowTracker`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from consilia.errors import Unavailable
from consilia.features import FeatureMap
from consilia.model import LOGISTIC, Family
from consilia.status import FeatureStatistics, RegisteredModel
from consilia.vectors import FloatArray
from consilia_coordinator.tracking.entries import Batch
from consilia_coordinator.tracking.outcome import Outcome


class MlflowUnavailable(Unavailable):
    """MLflow did not do what was asked of it; the sentence says why."""


@dataclass(frozen=True)
class RunKey:
    """Which run of which federation: ``federation`` is "namespace/name", ``uid`` outlives a rename or a namesake."""

    federation: str
    uid: str
    run: int


@dataclass(frozen=True)
class OpenRun:
    """A run as MLflow has it: ``settled`` is the round up to which nothing is left to log."""

    run_id: str
    url: str | None
    outcome: Outcome
    settled: int


@dataclass(frozen=True)
class FinalModel:
    """A run's final model: parameters of ``family`` over the design rows of ``map``, after ``round`` rounds.

    ``privacy`` is what was promised to the patients that it was trained with: ``NON-PRIVATE``, or ``epsilon 1``.
    """

    round: int
    parameters: FloatArray
    map: FeatureMap
    label: str
    privacy: str
    family: Family = LOGISTIC


class Tracker(Protocol):
    """MLflow, as far as tracking needs it. Every method may be called again with the same arguments."""

    def open(self, key: RunKey, parameters: dict[str, str], started_at: str | None) -> OpenRun:
        """Find the run, or make it; then add the parameters that it lacks. A parameter never changes."""

    def log(self, run_id: str, batch: Batch) -> None:
        """Log a batch, and where logging resumes, in one request."""

    def tag(self, run_id: str, tags: dict[str, str]) -> None:
        """Set tags."""

    def register(self, key: RunKey, run_id: str, name: str, model: FinalModel) -> RegisteredModel:
        """Register the model under ``name`` as a new version, unless this round's model already is one."""

    def describe(self, run_id: str, statistics: Sequence[FeatureStatistics], at: str | None) -> None:
        """Log the result of a statistics run: a metric a number, and all of it as JSON and as a table."""

    def conclude(self, run_id: str, outcome: Outcome, at: str | None) -> None:
        """Set the run's status; ``at`` (ISO 8601) is when it ended."""
