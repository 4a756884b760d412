"""Federation and Cohort: what people write, and the one source of the resources' schemas.

A field is here only when it works. Two kinds because they have two owners: a hospital writes its Cohorts, a data
scientist writes Federations that name them. Everything is frozen: an edit is a new object.

Field names are snake_case here and camelCase in documents, as Kubernetes' API conventions ask.
"""

import re
from collections import Counter
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from consilia import patterns
from consilia.asked_statistics import Statistics, require_placed
from consilia.data_source import Source, TableMapping
from consilia.document import Document as Document  # noqa: PLC0414 - whoever has the documents has their base
from consilia.experiment import (
    WEAK_FROM,
    Algorithm,
    Evaluation,
    Features,
    FedAvg,
    Model,
    Privacy,
    require_fitting,
    require_unique,
)
from consilia.object_paths import API_VERSION
from consilia.pod import Agent, Broker, Coordinator, Egress, Spark, Tracking, quantity
from consilia.spark_settings import needed
from consilia.wording import NON_PRIVATE, counted

DEFAULT_NAMESPACE = "default"

DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")

# An RFC 1123 label: the names of objects become host names, XMPP accounts and folders.
Name = Annotated[str, Field(pattern=patterns.LABEL, max_length=63)]
# Shorter: `hospital-<name>` is the name of its component.
HospitalName = Annotated[str, Field(pattern=patterns.HOSPITAL, max_length=54)]
# Bounded so that every reader (Python, Go, CEL) counts the same: up to 114 years, to the microsecond.
Duration = Annotated[str, Field(pattern=patterns.DURATION, max_length=16)]
# The name of a federation, or all of them.
FederationName = Annotated[str, Field(pattern=patterns.FEDERATION, max_length=63)]


def parse_duration(text: str) -> timedelta:
    """Read ``"2m"``, ``"30s"``, ``"1.5h"`` or ``"250ms"``."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is no duration: write a number and one of {", ".join(DURATION_UNITS)}')
    try:
        return timedelta(seconds=float(match[1]) * DURATION_UNITS[match[2]])
    except OverflowError:
        raise ValueError(f'"{text}" is longer than any clock counts: write a shorter duration') from None


class Metadata(Document):
    """The part of Kubernetes' ObjectMeta that Consilia reads; other metadata belongs to whoever wrote it."""

    model_config = ConfigDict(extra="ignore")

    name: Name = Field(description="The object's name: an RFC 1123 label of at most 63 letters.")
    namespace: Name = Field(DEFAULT_NAMESPACE, description="The object's namespace.")
    uid: str | None = Field(None, description="What the cluster calls this very object.")


class CohortRef(Document):
    """Names a hospital's Cohort."""

    name: Name = Field(description="The Cohort's name.")
    namespace: Name | None = Field(None, description="Its namespace. Default: the federation's own.")

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class HospitalRef(Document):
    """A hospital that takes part, and the cohort it brings."""

    name: HospitalName = Field(description="The hospital's name in this federation; also its broker account.")
    cohort: CohortRef = Field(description="The Cohort that it brings; one hospital a cohort.")


class FederationSpec(Document):
    """What a data scientist asks for."""

    task: Literal["Training", "Statistics"] = Field(
        "Training", description="Training: one model, round by round. Statistics: sums over patients, in one exchange."
    )
    rounds: int = Field(
        10,
        ge=1,
        le=100_000,
        description="Target number of rounds. Raising it continues the run. task: Statistics has one, whatever it is.",
    )
    suspend: bool = Field(False, description="true: stay Idle, or stop after the current round, until Start.")
    run: int | None = Field(None, ge=1, le=1_000_000, description="A new run starts when this is above status.run.")
    quorum: int | None = Field(None, ge=1, le=500, description="Fewest hospitals of a round. Default: all of them.")
    round_timeout: Duration = Field("2m", description="When it ends, a round commits with its quorum or is retried.")
    seed: int = Field(42, ge=0, le=2**32 - 1, description="Recorded with the run. Noise never comes from it.")
    model: Model = Field(default_factory=Model, description="The model that the hospitals train together.")
    algorithm: Algorithm = Field(
        default_factory=Algorithm, description="How hospitals train and how what they send is combined."
    )
    features: Features = Field(description="Which columns enter the model, and how they are scaled.")
    evaluation: Evaluation | None = Field(None, description="Public data for scoring every global model.")
    statistics: Statistics | None = Field(
        None, description="What task: Statistics tells of the patients. Default: of all features, its own defaults."
    )
    privacy: Privacy = Field(default_factory=Privacy, description="What one run asks for.")
    hospitals: list[HospitalRef] = Field(
        min_length=1, max_length=500, description="The hospitals that take part, and the cohort that each brings."
    )
    broker: Broker = Field(
        default_factory=Broker,
        description="The pod of the message broker. On one machine there are no pods, and it says nothing.",
    )
    coordinator: Coordinator = Field(
        default_factory=Coordinator,
        description="The pod of the coordinator. On one machine there are no pods, and it says nothing.",
    )
    tracking: Tracking = Field(
        default_factory=Tracking,
        description="The pod that records runs in MLflow. On one machine it says nothing: a server is started there.",
    )

    @model_validator(mode="after")
    def _can_ever_work(self) -> Self:
        names = [hospital.name for hospital in self.hospitals]
        require_unique(names, "hospitals", "hospital")
        if "coordinator" in names:
            raise ValueError(
                'a hospital cannot be called "coordinator", which is the coordinator\'s own account: rename it'
            )
        cohorts = Counter(str(hospital.cohort) for hospital in self.hospitals)
        repeated = next((cohort for cohort, count in cohorts.items() if count > 1), None)
        if repeated is not None:
            raise ValueError(f'cohort "{repeated}" is brought by two hospitals: one hospital a cohort')
        if self.quorum is not None and self.quorum > len(names):
            raise ValueError(
                f"quorum {self.quorum} is more than the {counted(len(names), 'hospital')}: "
                "lower spec.quorum or add a hospital"
            )
        if self.timeout < timedelta(milliseconds=100):
            raise ValueError(f"roundTimeout {self.round_timeout} is below 100ms: no hospital could answer in time")
        return self

    @model_validator(mode="after")
    def _model_fits_its_label(self) -> Self:
        require_fitting(self.model, self.features, self.evaluation)
        return self

    @model_validator(mode="after")
    def _statistics_can_be_told(self) -> Self:
        if self.task == "Training":
            if self.statistics is not None:
                raise ValueError(
                    "statistics says what task: Statistics tells, and task is Training: set task, or leave it out"
                )
            return self
        if self.algorithm.fed_avg is not None or self.algorithm.dp_fed_sgd is not None or self.evaluation is not None:
            raise ValueError("task: Statistics trains no model: leave algorithm and evaluation out")
        require_placed(self.asked_statistics, self.features)
        return self

    @model_validator(mode="after")
    def _algorithm_keeps_the_promise(self) -> Self:
        if not self.privacy.private:
            if self.algorithm.dp_fed_sgd is not None:
                raise ValueError(
                    f"dpFedSGD adds noise, and privacy.epsilon 0 asks for none ({NON_PRIVATE}): use fedAvg, or set "
                    "privacy.epsilon above 0"
                )
            return self
        asks = f"privacy.epsilon {self.privacy.epsilon:g}"
        if self.algorithm.fed_avg is not None:
            raise ValueError(
                f"fedAvg sends local models, to which no useful noise can be added, and {asks} asks for noise: use "
                f"dpFedSGD, or set privacy.epsilon to 0 ({NON_PRIVATE})"
            )
        if self.features.scaling != "codebook":
            raise ValueError(
                f"scaling: federated sends sums of patients' values, and {asks} lets nothing leave without noise: use "
                "scaling: codebook, with public bounds"
            )
        rows = self.features.nominal_rows
        if rows is None:
            raise ValueError(
                f"{asks} needs features.nominalRows, a public guess of how many rows all hospitals have together: "
                "the true number is not known to anybody"
            )
        if self.privacy.delta * rows >= 1:
            raise ValueError(
                f"privacy.delta is {self.privacy.delta:g}, and 1 / nominalRows is not above it, with nominalRows "
                f"{rows}: a whole record could be sent at that delta; lower it, usually to 1e-5 or less"
            )
        return self

    @property
    def asked_statistics(self) -> Statistics:
        """The statistics as they are asked for; their defaults where the spec says nothing."""
        return self.statistics or Statistics()

    @property
    def target(self) -> int:
        """Rounds of a run of this spec: statistics are one exchange."""
        return 1 if self.task == "Statistics" else self.rounds

    @property
    def work(self) -> str:
        """What a run of this spec does, in words: ``10 rounds``, ``statistics of 2 features``."""
        if self.task == "Training":
            return counted(self.rounds, "round")
        return f"statistics of {counted(len(self.used_features.codebook), 'feature')}"

    @property
    def used_features(self) -> Features:
        """The features that hospitals read in a run of this spec: of statistics, only those asked for."""
        names = set(self.asked_statistics.features) if self.task == "Statistics" else set()
        if not names:
            return self.features
        codebook = [feature for feature in self.features.codebook if feature.name in names]
        return self.features.model_copy(update={"codebook": codebook})

    @property
    def fed_avg(self) -> FedAvg:
        """Federated averaging as it is asked for; its defaults where the spec says nothing."""
        return self.algorithm.fed_avg or FedAvg()

    @property
    def timeout(self) -> timedelta:
        """``round_timeout`` as a duration."""
        return parse_duration(self.round_timeout)

    @property
    def hospital_names(self) -> list[str]:
        """The hospitals' names, in the order of names (that of every sum)."""
        return sorted(hospital.name for hospital in self.hospitals)

    def effective_quorum(self, default: int | None = None) -> int:
        """The quorum: ``spec.quorum``, else ``default`` (``MIN_AGENTS``), else all; never above the hospitals."""
        return min(self.quorum or default or len(self.hospitals), len(self.hospitals))


class Federation(Document):
    """Hospitals that learn one model together."""

    api_version: Literal["consilia.health/v1alpha1"] = API_VERSION
    kind: Literal["Federation"] = "Federation"
    metadata: Metadata
    spec: FederationSpec
    status: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _can_name_a_service(self) -> Self:
        if self.metadata.name[0].isdigit():
            raise ValueError(
                f'metadata.name "{self.metadata.name}" starts with a digit, and its Services cannot be called so: '
                "put a letter first"
            )
        return self

    def cohort_key(self, hospital: HospitalRef) -> tuple[str, str]:
        """(namespace, name) of the cohort that ``hospital`` brings."""
        return hospital.cohort.namespace or self.metadata.namespace, hospital.cohort.name


class Holdout(Document):
    """Patients kept out of training, on whom the hospital scores every global model."""

    fraction: float = Field(0.2, gt=0, lt=1, description="Expected share of the patients.")
    metrics: Literal["noised", "exact"] = Field(
        "noised",
        description="How the scores leave the hospital in a private run. noised: once, at its end, with noise. exact: "
        "in every round, without noise; the promise then covers the training patients only.",
    )


class Grant(Document):
    """Federations of one namespace that may use a cohort."""

    namespace: Name = Field(description="The namespace of the federations.")
    federations: list[FederationName] = Field(
        default=["*"], min_length=1, max_length=100, description='Their names; "*" stands for all of the namespace.'
    )

    def covers(self, namespace: str, federation: str) -> bool:
        """Whether the federation of this namespace and name is meant."""
        return namespace == self.namespace and ("*" in self.federations or federation in self.federations)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        require_unique(self.federations, "federations", "federation")
        return self


class Budget(Document):
    """What the patients of a cohort may lose, for life: over all runs of all federations."""

    epsilon: float = Field(gt=0, le=WEAK_FROM, description="Total privacy loss of one patient.")
    delta: float = Field(1e-5, gt=0, lt=1, description="The chance that the promise does not hold.")
    per_run: float | None = Field(None, gt=0, le=WEAK_FROM, description="The most that one run may ask for.")


class CohortSpec(Document):
    """A patient population at a hospital."""

    hospital: HospitalName = Field(description="The hospital that owns this cohort.")
    engine: Literal["sklearn", "spark"] = Field(
        "sklearn", description="What trains on the rows: scikit-learn in the pod's memory, or Spark."
    )
    spark: Spark | None = Field(None, description="How much of a cluster engine: spark takes.")
    source: Source = Field(description="Where the rows come from.")
    mapping: TableMapping = Field(
        default_factory=TableMapping, description="Which of the hospital's columns is which feature."
    )
    egress: list[Egress] = Field(
        default_factory=list,
        max_length=16,
        description="Connections to the data that network policies let through. On one machine it says nothing.",
    )
    holdout: Holdout = Field(
        default_factory=Holdout, description="Patients kept out of training, on whom every global model is scored."
    )
    budget: Budget | None = Field(
        None, description="What these patients may lose, for life. Without one, the cohort is in no private run."
    )
    allow_non_private: bool = Field(
        False, description=f"true: the cohort may take part in {NON_PRIVATE} runs too, in which nothing is noised."
    )
    grants: list[Grant] | None = Field(
        None,
        max_length=100,
        description="The federations that may use this cohort, and no others; an empty list: none. Default: any of the "
        "cohort's own namespace.",
    )
    agent: Agent = Field(
        default_factory=Agent,
        description="The hospital's pod, wherever a federation uses this cohort. On one machine there are no pods, and "
        "it says nothing.",
    )

    @property
    def executors_apart(self) -> bool:
        """Whether the cohort's Spark asks for executors beside the hospital's own pod."""
        return self.spark is not None and self.spark.executors > 0

    @model_validator(mode="after")
    def _engine_can_read(self) -> Self:
        if self.engine != "spark" and self.spark is not None:
            raise ValueError(f"spark is given, and engine is {self.engine}: say engine: spark, or leave spark out")
        if self.engine != "spark" and self.source.jdbc is not None:
            raise ValueError(f"source.jdbc is read by Spark, and engine is {self.engine}: use sql, or engine: spark")
        return self

    @model_validator(mode="after")
    def _java_fits_into_the_pod(self) -> Self:
        heap, limit = (self.spark or Spark()).driver_memory, self.agent.resources.limits.memory
        if self.engine == "spark" and limit is not None and quantity(limit) < needed(heap):
            raise ValueError(
                f"agent.resources.limits.memory {limit} has no room for driverMemory {heap} and two fifths of it, at "
                "least 384Mi: raise the limit, or lower spark.driverMemory"
            )
        return self

    @model_validator(mode="after")
    def _one_grant_a_namespace(self) -> Self:
        require_unique([grant.namespace for grant in self.grants or []], "grants", "namespace")
        return self


class Cohort(Document):
    """A patient population that a hospital lets federations learn from."""

    api_version: Literal["consilia.health/v1alpha1"] = API_VERSION
    kind: Literal["Cohort"] = "Cohort"
    metadata: Metadata
    spec: CohortSpec
    status: dict[str, Any] | None = None

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return self.metadata.namespace, self.metadata.name

    def may_be_used_by(self, federation: Federation) -> bool:
        """Whether the hospital lets ``federation`` learn from this cohort."""
        namespace, name = federation.metadata.namespace, federation.metadata.name
        if self.spec.grants is None:
            return namespace == self.metadata.namespace
        return any(grant.covers(namespace, name) for grant in self.spec.grants)
