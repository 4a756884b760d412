"""Where a hospital's rows are and its sums are computed: in the memory of this process, or in Spark.

A backend reads the cohort's source, has it checked and divided into its two sides, and gives a trainer over them. The
shell and the engine above know none of this, and the mathematics are the same in all.
"""

from typing import Protocol

from consilia.experiment import Features, Model
from consilia.features import FeatureMap
from consilia.model import Work
from consilia.privacy.dp_fedsgd import Centre
from consilia.privacy.noise_plan import Planned
from consilia.statistics_sums import Axes
from consilia.status import Metrics
from consilia.vectors import FloatArray


class Trainer(Protocol):
    """A hospital's two sides without noise. Every trainer passes the suite in ``tests/agents/test_trainers.py``."""

    @property
    def rows(self) -> int:
        """Rows that training uses: the hospital's weight in the average."""
        ...

    def moments(self) -> FloatArray:
        """Summed moments of the training rows: 1 + 2d values, see :func:`consilia.features.moments`."""
        ...

    def statistics(self, axes: Axes) -> FloatArray:
        """Sums over the training rows for statistics of all features that were asked for: see :class:`Axes`.

        Raises :class:`consilia.errors.InvalidData` where this engine does not compute them.
        """
        ...

    def train(self, feature_map: FeatureMap, w0: FloatArray, work: Work) -> FloatArray:
        """Train from the global parameters ``w0`` (d + 1): the local ones.

        Raises :class:`consilia.errors.InvalidMessage` for a wrong length, :class:`consilia.errors.InvalidData` where
        training diverges.
        """
        ...

    def evaluate(self, feature_map: FeatureMap, w: FloatArray) -> Metrics:
        """Score ``w`` on the holdout rows; every score is None where there are none."""
        ...


class NoisedTrainer(Protocol):
    """A hospital's two sides in a private run: whatever leaves has its noise, whatever the rows hold."""

    def centre(self, feature_map: FeatureMap, planned: Planned) -> FloatArray:
        """The sum of the training rows, with noise: (d + 1)."""
        ...

    def train(self, feature_map: FeatureMap, centre: Centre | None, w: FloatArray, planned: Planned) -> FloatArray:
        """The sum of the training records' clipped gradients at ``w`` (d + 1), with noise: (d + 1)."""
        ...

    def statistics(self, axes: Axes, planned: Planned) -> FloatArray:
        """The sums over the training rows for statistics, with noise: see :class:`Axes`.

        Raises :class:`consilia.errors.InvalidData` where this engine does not compute them.
        """
        ...

    def evaluate(self, feature_map: FeatureMap, w: FloatArray, planned: Planned) -> FloatArray:
        """Scores of ``w`` (d + 1) on the holdout, with noise: (5,)."""
        ...

    def score(self, feature_map: FeatureMap, w: FloatArray) -> Metrics:
        """Scores of ``w`` (d + 1) on the holdout without noise; records that are not usable are left out."""
        ...


class Backend(Protocol):
    """A cohort's rows behind one of the engines. Blocking; called from one thread at a time."""

    def clear(self, features: Features, model: Model | None) -> Trainer:
        """The trainer of a NON-PRIVATE run; no model: of statistics, for which no label is looked at. Rows are read
        again only when other columns or another model are asked for.

        Raises :class:`consilia.errors.InvalidData` where they cannot be used, and what the source raises.
        """
        ...

    def private(self, features: Features, model: Model | None) -> NoisedTrainer:
        """The trainer of a private run, for whatever the rows hold: refused is only what no patient knows of."""
        ...

    def close(self) -> None:
        """Let go of what is held outside of this process."""
        ...
