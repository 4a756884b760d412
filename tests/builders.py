"""Builders of the objects that tests are about: valid and small, so that a test names only what it is about."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import yaml

from consilia.experiment import Features
from consilia.journal import OrderWritten, RoundCommitted, SpecAccepted, UpdateReceived
from consilia.object_paths import API_VERSION
from consilia.privacy.keystream import Keystream
from consilia.protocol import Task, VectorRef, pack
from consilia.spec import Cohort, Federation, FederationSpec
from consilia.status import HospitalMetrics, Metrics
from consilia.vectors import FloatArray

HOSPITALS = ("north", "south")
START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
AT = "2026-11-24T12:00:00.000Z"
COLUMNS = ("mean radius", "mean texture")
"""Two columns of the builtin dataset: parameters have 3 values, moments 5."""


def federation_document(hospitals: tuple[str, ...] = HOSPITALS, **spec: Any) -> dict[str, Any]:
    """A Federation as people write it; ``spec`` sets fields of the spec, None takes one out."""
    fields: dict[str, Any] = {
        "rounds": 3,
        "features": {
            "label": "malignant",
            "codebook": [{"name": name, "min": 0, "max": 50} for name in COLUMNS],
        },
        "privacy": {"epsilon": 0},
        "hospitals": [{"name": name, "cohort": {"name": f"{name}-2024"}} for name in hospitals],
    } | spec
    return {
        "apiVersion": API_VERSION,
        "kind": "Federation",
        "metadata": {"name": "breast-cancer"},
        "spec": {name: value for name, value in fields.items() if value is not None},
    }


def features_of(*names: str, label: str = "malignant") -> Features:
    """Columns without bounds, for ``scaling: federated``."""
    codebook = [{"name": name} for name in names]
    return Features.model_validate({"label": label, "scaling": "federated", "codebook": codebook})


def cohort_document(hospital: str = "north", shard: int = 0, of: int = 5, **spec: Any) -> dict[str, Any]:
    """A Cohort as people write it."""
    builtin = {"dataset": "breast-cancer", "shard": shard, "of": of}
    return {
        "apiVersion": API_VERSION,
        "kind": "Cohort",
        "metadata": {"name": f"{hospital}-2024"},
        "spec": {"hospital": hospital, "source": {"builtin": builtin}, "allowNonPrivate": True} | spec,
    }


def manifest_text(*documents: dict[str, Any]) -> str:
    """A file of these documents; by default a federation of :data:`HOSPITALS` with their cohorts."""
    chosen = documents or (
        federation_document(),
        *(cohort_document(name, shard) for shard, name in enumerate(HOSPITALS)),
    )
    return "---\n".join(yaml.safe_dump(document, sort_keys=False) for document in chosen)


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of ``document`` with the field at ``path`` (``spec.hospitals.0.name``) set to ``value``."""
    copied = copy.deepcopy(document)
    node: Any = copied
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parents:
        node = node[part]
    node[last] = value
    return copied


def federation(hospitals: tuple[str, ...] = HOSPITALS, **spec: Any) -> Federation:
    """A valid Federation."""
    return Federation.model_validate(federation_document(hospitals, **spec))


def private_document(hospitals: tuple[str, ...] = HOSPITALS, epsilon: float = 1.0, **spec: Any) -> dict[str, Any]:
    """A private Federation as people write it; other fields as in :func:`federation_document`."""
    features = federation_document(hospitals)["spec"]["features"] | {"nominalRows": 400}
    return federation_document(hospitals, **{"features": features, "privacy": {"epsilon": epsilon}} | spec)


def private_spec(hospitals: tuple[str, ...] = HOSPITALS, epsilon: float = 1.0, **spec: Any) -> FederationSpec:
    """The spec of a valid private Federation."""
    return Federation.model_validate(private_document(hospitals, epsilon, **spec)).spec


def federation_spec(hospitals: tuple[str, ...] = HOSPITALS, **spec: Any) -> FederationSpec:
    """The spec of a valid Federation."""
    return federation(hospitals, **spec).spec


def cohort(hospital: str = "north", shard: int = 0, of: int = 5, **spec: Any) -> Cohort:
    """A valid Cohort."""
    return Cohort.model_validate(cohort_document(hospital, shard, of, **spec))


def accepted(run: int = 1, spec: FederationSpec | None = None) -> SpecAccepted:
    """The fact with which a run starts."""
    return SpecAccepted(at=AT, run=run, spec=spec or federation_spec())


def ordered(number: int, task: Task = "train", run: int = 1, attempt: int = 1) -> OrderWritten:
    """The order of one round to :data:`HOSPITALS`."""
    return OrderWritten(at=AT, run=run, round=number, attempt=attempt, task=task, participants=list(HOSPITALS))


def answered(hospital: str, rows: int = 10, run: int = 1, loss: float | None = None, **fields: Any) -> UpdateReceived:
    """A hospital's answer, scoring the parameters of the order with ``loss``."""
    metrics = None if loss is None else HospitalMetrics(loss=loss, accuracy=0.9)
    return UpdateReceived(at=AT, run=run, hospital=hospital, rows=rows, metrics=metrics, **fields)


def committed(
    number: int, task: Task = "train", run: int = 1, parameters: VectorRef | None = None, **fields: Any
) -> RoundCommitted:
    """One round of :data:`HOSPITALS`, committed."""
    carries = parameters or (None if task == "evaluate" else vector_ref(number))
    scores = Metrics(accuracy=0.8, loss=1 / (number + 1)) if task == "train" else None
    return RoundCommitted(
        at=AT,
        run=run,
        round=number,
        task=task,
        seconds=0.5,
        parameters=carries,
        metrics=scores,
        **{"contributors": list(HOSPITALS)} | fields,
    )


def whole_round(number: int, task: Task = "train", run: int = 1, loss: float | None = None) -> list[Any]:
    """The facts of one round: order, the answers of all hospitals, commit."""
    answers = [answered(name, rows=10 + place, run=run, loss=loss) for place, name in enumerate(HOSPITALS)]
    return [ordered(number, task, run), *answers, committed(number, task, run)]


def vector_ref(*values: float) -> VectorRef:
    """A small vector, inline."""
    return pack(np.array(values, dtype=np.float64))


def blob_vector(length: int = 2049, scale: float = 1.0) -> FloatArray:
    """A vector too large for a message, by default by one value."""
    return np.linspace(-scale, scale, length)


def keyed_words(seed: int) -> Keystream:
    """Random words that a seed chooses."""
    return Keystream(seed.to_bytes(32, "big"))


class StoppedClock:
    """A clock that goes only when it is told to."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._seconds = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def pass_time(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._seconds += seconds
