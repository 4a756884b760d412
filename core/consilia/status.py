"""The status of a federation: what people read, in a terminal, on the dashboard and from ``kubectl``.

Only facts: what has no value yet is absent. Times are ISO 8601 in UTC.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from consilia.patterns import DIGEST
from consilia.spec import Document
from consilia.wording import NON_PRIVATE

Phase = Literal["Pending", "Idle", "Registration", "Training", "Stopping", "Complete", "Blocked"]
HospitalPhase = Literal["Pending", "Ready", "Training", "Sent", "Lost", "Refused"]


Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


ScoreName = Literal["accuracy", "loss", "precision", "recall"]


def _at_most(length: int) -> Any:
    """The resource's bound on a text; whoever says more is cut where the resource is written, never refused here."""
    return Field(json_schema_extra={"maxLength": length})


ShortText = Annotated[str, _at_most(256)]
Address = Annotated[str, _at_most(2048)]
Sentence = Annotated[str, _at_most(4096)]
Certificate = Annotated[str, _at_most(8192)]

SpentEpsilon = Annotated[float, Field(json_schema_extra={"rounded": "up"})]
RemainingEpsilon = Annotated[float, Field(json_schema_extra={"rounded": "down"})]
"""The resource tells few digits of a number: never too little of what was spent, nor too much of what remains."""


class Metrics(Document):
    """Scores of one model on one set of patients; absent where undefined (precision without positives, say).

    ``accuracy``, ``precision``, ``recall`` and ``auc`` lie in [0, 1] and are of models of classes; ``r2`` is of models
    of numbers; ``loss`` is the mean loss of the model's kind, without penalty. See :mod:`consilia.metrics`.
    """

    accuracy: float | None = Field(None, description="Share of the patients told right, from 0 to 1.")
    loss: float | None = Field(
        None,
        description="Mean loss, without the model's penalty: the log loss of classes, half the squared error of a "
        "number on bounds of -1 and 1, half the deviance of a count.",
    )
    precision: float | None = Field(
        None, description="Share of those told positive who are, from 0 to 1; of several classes, their mean."
    )
    recall: float | None = Field(
        None, description="Share of the positive who are told so, from 0 to 1; of several classes, their mean."
    )
    auc: float | None = Field(None, description="Area under the ROC curve, from 0 to 1; of two classes.")
    r2: float | None = Field(
        None,
        description="Of a number or a count: share of the deviance that the model explains; 1 is perfect, 0 what the "
        "mean of these patients explains, and worse is below it.",
    )


class MetricErrors(Document):
    """What noise can do to each score: 95 % of the time it is off by at most so much, in the score's own unit."""

    accuracy: float | None = Field(None, description="Of the accuracy, from 0 to 1.")
    loss: float | None = Field(None, description="Of the loss.")
    precision: float | None = Field(None, description="Of the precision, from 0 to 1.")
    recall: float | None = Field(None, description="Of the recall, from 0 to 1.")


class HospitalMetrics(Metrics):
    """Scores of one hospital, on its own holdout, with the rows it trained on."""

    rows: int | None = Field(None, description="Rows that it trained on; unknown to anybody in a private run.")
    errors: MetricErrors | None = Field(None, description="How far off noise may have put the scores, where it did.")
    hidden: list[ScoreName] | None = Field(
        None,
        description="Scores that are not told because noise would hide what they say.",
        json_schema_extra={"maxItems": 8},
    )


class LedgerWitness(Document):
    """What was last seen of a cohort's ledger: the number and the hash of its last entry. A ledger behind it is
    refused."""

    sequence: int = Field(ge=0, description="The number of the entry, from 0.")
    head: str = Field(pattern=DIGEST, max_length=64, description="Its SHA-256, in 64 hexadecimal digits.")


class LedgerState(LedgerWitness):
    """A cohort's ledger, as its hospital tells it."""

    spent: SpentEpsilon = Field(
        ge=0, description="Epsilon at the budget's delta that the cohort's patients have lost so far."
    )
    remaining: RemainingEpsilon = Field(
        ge=0, description="The largest epsilon that a run may still ask for, at its delta."
    )
    budget: float = Field(gt=0, description="The cohort's epsilon for life.")
    delta: float = Field(gt=0, lt=1, description="The budget's delta.")
    run_spent: SpentEpsilon = Field(0.0, ge=0, description="Epsilon that this run has cost so far, at the run's delta.")
    run_replacing: SpentEpsilon = Field(
        0.0, ge=0, description="The same, for one record replaced by another instead of added or removed."
    )
    exact: bool = Field(False, description="Whether scores on the holdout leave without noise.")
    cohort: ShortText | None = Field(None, description="Whose ledger it is: hospital/name of the cohort.")
    run: int | None = Field(None, description="The run of this federation that runSpent is about.")


class HospitalStatus(HospitalMetrics):
    """One hospital, as the coordinator last saw it."""

    name: ShortText = Field(description="The hospital's name in the spec.")
    engine: ShortText | None = Field(None, description="What trains on its rows.")
    phase: HospitalPhase = Field("Pending", description="What it does now, in one word.")
    round: int | None = Field(None, description="The round whose global model the metrics are of.")
    reading: float | None = Field(
        None, description="The share of its data that it has read, from 0 to 1, while it reads them."
    )
    last_seen: Time | None = Field(None, description="When it was last heard of.")
    problem: ShortText | None = Field(
        None,
        description="What is wrong with it, as one word in PascalCase, where that is not its data: what its patients "
        "have left, the ledger of it, or what only the cluster can tell.",
    )
    reason: Sentence | None = Field(None, description="What is wrong, and what to do.")
    ledger: LedgerState | None = Field(None, description="What its patients have lost, and may still lose.")


class PrivacyStatus(Document):
    """What the current run promises, and what it has cost so far."""

    epsilon: float = Field(description="What the run asks for, for one patient record added or removed.")
    delta: float = Field(description="The chance that the promise does not hold.")
    epsilon_spent: SpentEpsilon = Field(0.0, description="What it has cost so far, at the hospital where it cost most.")
    epsilon_replace_one: SpentEpsilon = Field(0.0, description="The same, for one record replaced by another.")
    holdout: Literal["noised", "exact", "mixed"] | None = Field(
        None,
        description="How scores on holdout patients leave: where exact, the promise covers the training patients only.",
    )


class HospitalCounts(Document):
    """How many hospitals are in each phase, where the list of them is too long to be whole."""

    pending: int = Field(0, description="Not there yet.")
    ready: int = Field(0, description="Connected, with nothing to do.")
    training: int = Field(0, description="At work on an order.")
    sent: int = Field(0, description="Have answered the order in flight.")
    lost: int = Field(0, description="Were there, and are gone.")
    refused: int = Field(0, description="Cannot take part as they are.")


class PartProblem(Document):
    """What is wrong with one of the federation's own parts: its broker, its coordinator, its tracking."""

    component: ShortText = Field(description="The part: broker, coordinator or tracking.")
    reason: ShortText = Field(description="What is wrong, as one word in PascalCase.")
    message: Sentence = Field(description="What is wrong, and what to do.")


class RegisteredModel(Document):
    """A version in the model registry."""

    name: ShortText = Field(description="The model's name in the registry.")
    version: ShortText = Field(description="Its version.")
    uri: Address = Field(description="What loads it: models:/name/version.")


class TrackingRun(Document):
    """The MLflow run of a run."""

    run_id: ShortText = Field(description="MLflow's own identifier of the run.")
    url: Address | None = Field(None, description="Its page.")
    settled: int | None = Field(None, description="The last round of which nothing is left to record.")


class Condition(Document):
    """As Kubernetes' metav1.Condition."""

    type: ShortText = Field(description="What is told, in PascalCase.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: ShortText = Field(description="Why, as one word in PascalCase.")
    message: Sentence = Field(description="Why, as a sentence; empty where there is nothing to tell.")
    last_transition_time: Time | None = Field(None, description="When the status last changed.")
    observed_generation: int | None = Field(None, description="The metadata.generation that this is about.")


class Endpoints(Document):
    """Where the federation's own servers answer."""

    coordinator: Address | None = Field(None, description="The coordinator's HTTPS API.")
    mlflow: Address | None = Field(None, description="The MLflow server.")
    authority: Certificate | None = Field(
        None, description="The federation's certificate authority, in PEM: whom to trust as its coordinator. Public."
    )


class QuantileStatistic(Document):
    """The least value that at least a share ``q`` of the patients do not exceed, as far as a histogram tells it."""

    q: float = Field(description="The share, between 0 and 1.")
    value: float = Field(description="The estimate, between the edges of its bin.")
    low: float = Field(description="With high: where it lies, 95 % of the time; both are edges of bins.")
    high: float = Field(description="See low.")


class Histogram(Document):
    """How many patients have a value between two edges; the last bin has its upper edge too."""

    edges: list[float] = Field(
        description="One more than there are bins, from the lower public bound to the upper.",
        json_schema_extra={"maxItems": 101},
    )
    counts: list[float] = Field(
        description="Of each bin; with noise no whole numbers.", json_schema_extra={"maxItems": 100}
    )
    error: float | None = Field(None, description="95 % of the time a count is off by at most so many patients.")


StatisticName = Literal["mean", "variance", "quantiles", "histogram"]


class StatisticErrors(Document):
    """What noise can do to each number: 95 % of the time it is off by at most so much, in the number's own unit."""

    count: float = Field(description="Of the count, in patients.")
    mean: float | None = Field(None, description="Of the mean, in the feature's unit.")
    variance: float | None = Field(None, description="Of the variance, in the feature's unit, squared.")


class FeatureStatistics(Document):
    """One feature over the training patients of all hospitals, its values clipped to the public bounds."""

    name: ShortText = Field(description="The feature, as the codebook calls it.")
    unit: ShortText | None = Field(None, description="The unit of its values.")
    count: float = Field(description="Patients counted; with noise no whole number.")
    mean: float | None = Field(None, description="Their mean.")
    variance: float | None = Field(None, description="Their variance: the mean squared distance from the mean.")
    quantiles: list[QuantileStatistic] | None = Field(
        None, description="The quantiles asked for that the noise lets tell.", json_schema_extra={"maxItems": 20}
    )
    histogram: Histogram | None = Field(None, description="The histogram.")
    errors: StatisticErrors | None = Field(None, description="How far off noise may have put each number.")
    hidden: list[StatisticName] | None = Field(
        None,
        description="What is not told because noise would hide what it says; of quantiles, at least one.",
        json_schema_extra={"maxItems": 4},
    )


class FederationStatus(Document):
    """The state of a federation's current run."""

    observed_generation: int | None = Field(None, description="The metadata.generation that this status is about.")
    phase: Phase = Field("Pending", description="One word for people.")
    state: ShortText = Field("Idle", description="The state of the coordinator's round machine.")
    message: Sentence = Field("", description="What happens now, or why nothing does.")
    run: int = Field(0, description="The current run, from 1; 0 before the first.")
    ignored_run: int | None = Field(None, description="The spec.run that is below the current run, and is ignored.")
    round: int = Field(0, description="The last committed round.")
    rounds: int = Field(0, description="The target.")
    quorum: int = Field(0, description="Fewest hospitals of a round.")
    connected: int = Field(0, description="Hospitals that are connected.")
    hospitals_ready: ShortText | None = Field(None, description='Connected hospitals of all: "4/5".')
    hospital_counts: HospitalCounts | None = Field(
        None, description="How many hospitals are in each phase, those included that the list leaves out."
    )
    started_at: Time | None = Field(None, description="When the run started.")
    completed_at: Time | None = Field(None, description="When it completed.")
    seconds_per_round: float | None = Field(None, description="Median over the run's committed rounds.")
    task: Literal["Training", "Statistics"] = Field("Training", description="What the current run is for.")
    numeric: bool = Field(
        False, description="Whether the model's label is a number: it has an r2 then, and no accuracy."
    )
    private: bool = Field(False, description="Whether what hospitals send carries noise.")
    privacy_label: ShortText | None = Field(
        None, description=f'What the run has cost so far, as people read it: "0.79", or "{NON_PRIVATE}".'
    )
    privacy: PrivacyStatus | None = Field(None, description="What the run promises; absent where it is NON-PRIVATE.")
    metrics: Metrics | None = Field(
        None, description="Scores of the last committed global model on the public evaluation data."
    )
    statistics: list[FeatureStatistics] | None = Field(
        None,
        description="The result of a statistics run: each feature that it asked for.",
        json_schema_extra={"maxItems": 50},
    )
    hospitals: list[HospitalStatus] = Field(
        default_factory=list,
        description="The hospitals; in a resource at most 100, those that need somebody first.",
        json_schema_extra={"maxItems": 100},
    )
    problems: list[PartProblem] = Field(
        default_factory=list,
        description="What is wrong with the federation's own parts.",
        json_schema_extra={"maxItems": 8},
    )
    model: RegisteredModel | None = Field(None, description="The final model in the model registry.")
    mlflow: TrackingRun | None = Field(None, description="The MLflow run that records this run.")
    conditions: list[Condition] = Field(
        default_factory=list,
        description="What holds and what does not, by type.",
        json_schema_extra={"maxItems": 32},
    )
    endpoints: Endpoints | None = Field(None, description="Where the federation's own servers answer.")
    told: int | None = Field(None, description="Sequence of the coordinator's last event that became an Event here.")


class CountedBudget(Document):
    """The budget that a cohort's spent and remaining epsilon were counted for."""

    epsilon: float = Field(description="Its epsilon.")
    delta: float = Field(description="Its delta.")


class CohortStatus(Document):
    """Whether a cohort can be used, and by whom it is."""

    observed_generation: int | None = Field(None, description="The metadata.generation that this status is about.")
    in_use_by: ShortText | None = Field(None, description="The federation that uses it now: namespace/name.")
    epsilon_spent: SpentEpsilon | None = Field(
        None, description="What its patients have lost so far, at the budget's delta."
    )
    epsilon_remaining: RemainingEpsilon | None = Field(
        None, description="The largest epsilon that a run may still ask for."
    )
    budget: CountedBudget | None = Field(
        None, description="What they were counted for; nothing is told of what remains of another budget."
    )
    ledger: LedgerWitness | None = Field(None, description="What was last seen of its ledger.")
    conditions: list[Condition] = Field(
        default_factory=list,
        description="What holds and what does not, by type.",
        json_schema_extra={"maxItems": 32},
    )


class RoundRecord(Document):
    """A committed round. Hospitals' scores of it arrive with the next one: the record is then published again.

    ``epsilons`` is what a private run has cost so far, by hospital.
    """

    run: int
    round: int
    at: str
    seconds: float
    participants: list[str]
    metrics: Metrics | None = None
    hospitals: dict[str, HospitalMetrics] = Field(default_factory=dict)
    epsilons: dict[str, float] | None = None


class EventRecord(Document):
    """A transition worth telling, as a Kubernetes Event tells it."""

    at: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str
