"""The work that both sides do in a round, from files that both sides read.

Imported by this project's bench and, through the path, by Flower's processes in an environment of their own: NumPy,
the standard library and this project's pure core alone.

A workload is a folder: `workload.json` and, for training, one `<hospital>.npz` a hospital.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consilia.metrics import score
from consilia.model import predict_proba, train_local

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Update:
    """What a hospital answers: its parameters, the rows they were trained on, metrics of the model it was sent."""

    parameters: Vector
    rows: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class Training:
    """Logistic regression on shards of (rows, d + 1) design rows, the intercept's column last."""

    folder: Path
    hospitals: int
    rounds: int
    size: int
    steps: int
    learning_rate: float
    l2: float

    def initial(self) -> Vector:
        """Return `size` zeros."""
        return np.zeros(self.size)

    def train(self, hospital: int, number: int, parameters: Vector) -> Update:  # noqa: ARG002  every round is alike
        """Train on the hospital's shard; the metrics are those of the given parameters on its holdout."""
        with np.load(self.folder / f"{hospital}.npz") as shard:
            design, labels = shard["train_design"], shard["train_labels"]
            scores = score(shard["holdout_labels"], predict_proba(shard["holdout_design"], parameters))
        trained = train_local(design, labels, parameters, self.steps, self.learning_rate, self.l2)
        return Update(trained, len(labels), scores.model_dump(exclude_none=True))


@dataclass(frozen=True)
class Vectors:
    """Vectors of `size` float64 with no training; no two hospitals or rounds answer equal ones."""

    hospitals: int
    rounds: int
    size: int

    def initial(self) -> Vector:
        """Return values in [0, 1) by seed."""
        return np.random.default_rng([self.hospitals, 0]).random(self.size)

    def train(self, hospital: int, number: int, parameters: Vector) -> Update:  # noqa: ARG002  there is no training
        """Return values in [0, 1) by hospital and round, as of one row."""
        return Update(np.random.default_rng([hospital, number]).random(self.size), 1, {})


def save(workload: Training | Vectors, folder: Path) -> None:
    """Write `workload.json`; a training workload's shards are there already."""
    fields = {key: value for key, value in vars(workload).items() if key != "folder"}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "workload.json").write_text(json.dumps({"kind": type(workload).__name__, **fields}))


def load(folder: str | Path) -> Training | Vectors:
    """Read the workload of a folder."""
    fields = json.loads((Path(folder) / "workload.json").read_text())
    if fields.pop("kind") == "Training":
        return Training(folder=Path(folder), **fields)
    return Vectors(**fields)


def load_vectors(folder: str | Path) -> Vectors:
    """Read a folder's workload of vectors; TypeError where it is one of training."""
    workload = load(folder)
    if not isinstance(workload, Vectors):
        raise TypeError(f"the workload in {folder} is one of training; vectors are expected")
    return workload
