"""What a federation learns, how, and with what promise to patients: the scientific half of its spec.

Frozen and read strictly, as all documents; what a field alone cannot say is a validator's sentence, and in CEL again
in :mod:`consilia.admission`.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from consilia.document import Document
from consilia.patterns import UNIT
from consilia.wording import NON_PRIVATE, privacy_of

WEAK_FROM = 100.0
"""An epsilon above it has to be asked for twice."""

NUMERIC = ("LinearRegression", "PoissonRegression")
"""Kinds of models of a numeric label."""

FeatureName = Annotated[str, Field(min_length=1, max_length=128)]


class Model(Document):
    """The model that the hospitals train together."""

    kind: Literal["LogisticRegression", "SoftmaxRegression", "LinearRegression", "PoissonRegression"] = Field(
        "LogisticRegression",
        description="LogisticRegression: a label of 0 or 1. SoftmaxRegression: one of several classes. "
        "LinearRegression: a number. PoissonRegression: a count.",
    )
    classes: int | None = Field(
        None,
        ge=2,
        le=100,
        description="Of SoftmaxRegression: how many classes there are; labels are 0, 1, ... below it.",
    )
    l2: float = Field(0.001, ge=0, le=1000, description="Weight of the L2 penalty; the intercept is not penalised.")

    @model_validator(mode="after")
    def _classes_of_softmax_alone(self) -> Self:
        if self.kind == "SoftmaxRegression" and self.classes is None:
            raise ValueError("SoftmaxRegression needs classes, the number of classes: labels are 0, 1, ... below it")
        if self.kind != "SoftmaxRegression" and self.classes is not None:
            raise ValueError(f"{self.kind} has no classes to count: remove model.classes, or use SoftmaxRegression")
        return self

    @property
    def numeric(self) -> bool:
        """Whether the label is a number, whose bounds the features must name."""
        return self.kind in NUMERIC


class FedAvg(Document):
    """Federated averaging (McMahan et al. 2017): local epochs, then the average weighted by rows."""

    local_epochs: int = Field(20, ge=1, le=10_000, description="Full-batch gradient steps at a hospital in a round.")
    learning_rate: float = Field(0.5, gt=0, le=1000, description="Step size of the local gradient descent.")


class DpFedSGD(Document):
    """Steps along noisy sums of clipped record gradients (Abadi et al. 2016), whose size follows from the noise."""


class Algorithm(Document):
    """How hospitals train and how the coordinator combines what they send; at most one, by default the one that the
    privacy asks for."""

    fed_avg: FedAvg | None = Field(
        None, description=f"Federated averaging: without noise, and so only where epsilon is 0 ({NON_PRIVATE})."
    )
    dp_fed_sgd: DpFedSGD | None = Field(
        None, alias="dpFedSGD", description="Noisy sums of clipped record gradients: where epsilon is above 0."
    )

    @model_validator(mode="after")
    def _one_at_most(self) -> Self:
        if self.fed_avg is not None and self.dp_fed_sgd is not None:
            raise ValueError("fedAvg and dpFedSGD are both asked for: a run has one algorithm, so remove one")
        return self


class Feature(Document):
    """One column that every hospital has, and its public bounds."""

    name: FeatureName = Field(description="The column's name.")
    min: float | None = Field(None, description="Public lower bound, in the column's unit.")
    max: float | None = Field(None, description="Public upper bound, in the column's unit.")
    unit: Annotated[str, Field(pattern=UNIT, max_length=64)] | None = Field(
        None, description="The unit of the values; a hospital that keeps another has it converted."
    )
    scale: Literal["linear", "sqrt"] = Field("linear", description="How values between the bounds map to [-1, 1].")

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.min is not None and self.max is not None and self.max <= self.min:
            raise ValueError(f'feature "{self.name}" has max {self.max:g} at or below min {self.min:g}: swap them')
        return self


class Outcome(Document):
    """The public bounds of a label that is a number; labels beyond them count as the bound."""

    min: float = Field(description="Public lower bound, in the label's unit.")
    max: float = Field(description="Public upper bound, in the label's unit.")
    unit: Annotated[str, Field(pattern=UNIT, max_length=64)] | None = Field(
        None, description="The unit of the label; a hospital that keeps another has it converted."
    )

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.max <= self.min:
            raise ValueError(f"outcome has max {self.max:g} at or below min {self.min:g}: swap them")
        return self


class Features(Document):
    """Which columns enter the model, and how they are scaled."""

    label: FeatureName = Field(description="The column with the outcome.")
    outcome: Outcome | None = Field(
        None, description="The bounds of a numeric label; for LinearRegression and PoissonRegression."
    )
    scaling: Literal["codebook", "federated"] = Field(
        "codebook",
        description="codebook: by the public bounds below. federated: by the mean and variance over all hospitals, "
        "from summed moments; only without privacy.",
    )
    codebook: list[Feature] = Field(min_length=1, max_length=2000, description="The columns, in the model's order.")
    nominal_rows: int | None = Field(
        None,
        ge=1,
        le=1_000_000_000,
        description="Public guess of how many rows all hospitals have together; with noise, nobody knows it.",
    )

    @model_validator(mode="after")
    def _codebook_is_usable(self) -> Self:
        require_unique([feature.name for feature in self.codebook], "codebook", "feature")
        if self.label in self.names:
            raise ValueError(f'label "{self.label}" is also a feature: remove it from features.codebook')
        if self.scaling == "codebook":
            for feature in self.codebook:
                if feature.min is None or feature.max is None:
                    raise ValueError(
                        f'feature "{feature.name}" has no bounds: give min and max, or use scaling: federated'
                    )
        return self

    @property
    def names(self) -> list[str]:
        """The columns' names, in the model's order."""
        return [feature.name for feature in self.codebook]


class BuiltinEvaluation(Document):
    """A public dataset that comes with Consilia."""

    dataset: Literal["breast-cancer"] = Field(description="Breast Cancer Wisconsin (569 rows, 30 features).")
    split: Literal["test"] = Field("test", description="The fifth of the rows that no hospital holds.")
    seed: int = Field(42, ge=0, le=2**32 - 1, description="Seed of the split into test rows and hospitals' rows.")


class Evaluation(Document):
    """Public data on which the coordinator scores every global model."""

    builtin: BuiltinEvaluation = Field(description="A public dataset that comes with Consilia.")


class Privacy(Document):
    """What one run asks for: all that a hospital sends in it is (epsilon, delta)-differentially private for one patient
    record added or removed."""

    epsilon: float = Field(
        1.0, ge=0, le=10_000, description=f"Privacy loss of one run for one patient; 0 means {NON_PRIVATE}."
    )
    delta: float = Field(
        1e-5, gt=0, lt=1, description="The chance that the promise does not hold; below 1 / features.nominalRows."
    )
    clip_norm: float = Field(
        1.0, gt=0, le=1e6, description="Largest part that one record has in a sum of gradients, as a norm."
    )
    mechanism: Literal["Gaussian", "Laplace"] = Field("Gaussian", description="The noise's distribution.")
    reserve: int = Field(
        2, ge=0, le=1000, description="Retried rounds that the noise is calibrated for, besides the target."
    )
    accept_weak: bool = Field(
        False, description=f"true: an epsilon above {WEAK_FROM:g} is meant, though it promises next to nothing."
    )

    @property
    def label(self) -> str:
        """What every view calls it: ``NON-PRIVATE``, or ``epsilon 1``."""
        return privacy_of(self.epsilon)

    @property
    def private(self) -> bool:
        """Whether what hospitals send carries noise."""
        return self.epsilon > 0

    @model_validator(mode="after")
    def _means_it(self) -> Self:
        if self.epsilon > WEAK_FROM and not self.accept_weak:
            raise ValueError(
                f"epsilon {self.epsilon:g} promises next to nothing: ask for {WEAK_FROM:g} or less, usually between "
                "0.5 and 8, or say acceptWeak: true"
            )
        return self


def require_fitting(model: Model, features: Features, evaluation: Evaluation | None) -> None:
    """Raise ValueError where the model is of another label than the features describe, or than public data have."""
    outcome = features.outcome
    if model.numeric and outcome is None:
        raise ValueError(
            f"{model.kind} needs features.outcome, the public bounds of its label: give its min and max, in its unit"
        )
    if not model.numeric and outcome is not None:
        raise ValueError(
            f"features.outcome bounds a label that is a number, and {model.kind} learns classes: remove it, or use "
            f"{' or '.join(NUMERIC)}"
        )
    if model.kind == "PoissonRegression" and outcome is not None and outcome.min != 0:
        raise ValueError(f"features.outcome has min {outcome.min:g}, and PoissonRegression counts from 0: set min to 0")
    if model.kind == "PoissonRegression" and evaluation is not None:
        raise ValueError(
            "evaluation.builtin has no column of counts, and PoissonRegression learns counts: remove evaluation"
        )


def require_unique(names: list[str], field: str, noun: str) -> None:
    """Raise ValueError where a name is there twice; ``field`` and ``noun`` say where and of what."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f'{field}: {noun} "{name}" is there twice: rename or remove one')
        seen.add(name)
