"""The status of a federation: what people read, in a terminal, on the dashboard and from ``kubectl``.

Only facts: what has no value yet is absent. Times are ISO 8601 in UTC.
"""

from typing import Literal

from pydantic import Field

from consilia.spec import Document

Phase = Literal["Pending", "Idle", "Registration", "Training", "Stopping", "Complete", "Blocked"]
HospitalPhase = Literal["Pending", "Ready", "Training", "Sent", "Lost", "Refused"]


class Metrics(Document):
    """Scores of one model on one set of patients; absent where undefined (precision without positives, say).

    ``accuracy``, ``precision``, ``recall`` and ``auc`` lie in [0, 1]; ``loss`` is the mean log loss, without penalty.
    """

    accuracy: float | None = None
    loss: float | None = None
    precision: float | None = None
    recall: float | None = None
    auc: float | None = None


class HospitalMetrics(Metrics):
    """Scores of one hospital, on its own holdout, with the rows it trained on."""

    rows: int | None = None


class HospitalStatus(HospitalMetrics):
    """One hospital, as the coordinator last saw it."""

    name: str
    engine: str | None = None
    phase: HospitalPhase = "Pending"
    round: int | None = Field(None, description="The round whose global model the metrics are of.")
    last_seen: str | None = None
    reason: str | None = Field(None, description="What is wrong, and what to do.")


class RegisteredModel(Document):
    """A version in the model registry."""

    name: str
    version: str
    uri: str


class TrackingRun(Document):
    """The MLflow run of a run."""

    run_id: str
    url: str | None = None


class Condition(Document):
    """As Kubernetes' metav1.Condition."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    last_transition_time: str | None = None
    observed_generation: int | None = None


class Endpoints(Document):
    """Where the federation's own servers answer."""

    coordinator: str | None = None
    mlflow: str | None = None


class FederationStatus(Document):
    """The state of a federation's current run."""

    phase: Phase = "Pending"
    state: str = "Idle"
    message: str = ""
    run: int = 0
    round: int = Field(0, description="The last committed round.")
    rounds: int = Field(0, description="The target.")
    quorum: int = 0
    connected: int = 0
    started_at: str | None = None
    completed_at: str | None = None
    seconds_per_round: float | None = Field(None, description="Median over the run's committed rounds.")
    private: bool = False
    metrics: Metrics | None = None
    hospitals: list[HospitalStatus] = Field(default_factory=list)
    model: RegisteredModel | None = None
    mlflow: TrackingRun | None = None
    conditions: list[Condition] = Field(default_factory=list)
    endpoints: Endpoints | None = None
    observed_generation: int | None = Field(None, description="The generation of the spec that this status is of.")
    told: int | None = Field(None, description="Sequence of the coordinator's last event that became an Event here.")


class RoundRecord(Document):
    """A committed round. Hospitals' scores of it arrive with the next one: the record is then published again."""

    run: int
    round: int
    at: str
    seconds: float
    participants: list[str]
    metrics: Metrics | None = None
    hospitals: dict[str, HospitalMetrics] = Field(default_factory=dict)


class EventRecord(Document):
    """A transition worth telling, as a Kubernetes Event tells it."""

    at: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str
