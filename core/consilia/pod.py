"""How the pods of a federation's components are made: what people may say of it, and no more.

A field is here only when it works. A federation's owner says it of the broker, the coordinator and the tracking, a
hospital of its agent and its Spark. On one machine there are no pods: there all of it is accepted and little of it
needed.
"""

import re
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from consilia import patterns
from consilia.document import Document

Cpu = Annotated[str, Field(pattern=patterns.CPU, max_length=16)]
Bytes = Annotated[str, Field(pattern=patterns.BYTES, max_length=16)]
Image = Annotated[str, Field(pattern=patterns.IMAGE, max_length=512)]
LabelKey = Annotated[str, Field(pattern=patterns.LABEL_KEY, max_length=317)]
LabelValue = Annotated[str, Field(pattern=patterns.LABEL_VALUE, max_length=63)]
ClassName = Annotated[str, Field(pattern=patterns.SUBDOMAIN, max_length=253)]
Label = Annotated[str, Field(pattern=patterns.LABEL, max_length=63)]
Port = Annotated[int, Field(ge=1, le=65535)]
Url = Annotated[str, Field(pattern=patterns.URL, max_length=512)]

QUANTITY_UNITS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}
_LABEL_KEY = re.compile(patterns.LABEL_KEY)
_QUANTITY = re.compile(r"([0-9]+(?:[.][0-9]+)?)([A-Za-z]{0,2})")


def quantity(text: str) -> Decimal:
    """Read ``"500m"``, ``"1.5"`` or ``"256Mi"``: cores or bytes. Raises ValueError for what is none."""
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in QUANTITY_UNITS:
        raise ValueError(
            f'"{text}" is no quantity: write a number and one of {", ".join(filter(None, QUANTITY_UNITS))}'
        )
    return Decimal(match[1]) * QUANTITY_UNITS[match[2]]


class Amounts(Document):
    """Processor time and memory."""

    cpu: Cpu | None = Field(None, description='Processor cores: "2", "0.5", or "500m" for half of one.')
    memory: Bytes | None = Field(None, description='Memory: "512Mi", "2Gi".')


class Resources(Document):
    """What a component's pod asks for, and what it may not exceed."""

    requests: Amounts = Field(default_factory=Amounts, description="What a node must have free for the pod.")
    limits: Amounts = Field(
        default_factory=Amounts,
        description="What the pod may use at most: above its memory it is ended, above its cpu it is slowed down.",
    )

    @model_validator(mode="after")
    def _requests_fit(self) -> Self:
        for name, asked, limit in (
            ("cpu", self.requests.cpu, self.limits.cpu),
            ("memory", self.requests.memory, self.limits.memory),
        ):
            if asked is not None and limit is not None and quantity(asked) > quantity(limit):
                raise ValueError(
                    f"requests.{name} {asked} is more than limits.{name} {limit}: lower the request or raise the limit"
                )
        return self


class Toleration(Document):
    """A taint of nodes that the pod may run in spite of."""

    key: LabelKey | None = Field(None, description="The taint's key. Default, with operator Exists: every taint.")
    operator: Literal["Equal", "Exists"] = Field("Equal", description="Equal: the value too; Exists: any value.")
    value: LabelValue | None = Field(None, description="The taint's value, for operator Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="The taint's effect. Default: every effect."
    )

    @model_validator(mode="after")
    def _can_match(self) -> Self:
        if self.operator == "Exists" and self.value is not None:
            raise ValueError(f'value "{self.value}" is never compared with operator Exists: leave it out, or use Equal')
        if self.operator == "Equal" and self.key is None:
            raise ValueError("a toleration without a key tolerates every taint: write operator Exists, or give the key")
        return self


class Storage(Document):
    """The volume of a component. A claim is made once: its size may grow, its class stays."""

    size: Bytes | None = Field(
        None, description='How large: "1Gi". It can grow where the StorageClass allows it, and never shrinks.'
    )
    class_name: ClassName | None = Field(
        None,
        description="The StorageClass. Default: the installation's. It holds for a claim that is made, "
        "not for one that is there.",
    )


class Pod(Document):
    """How a component's pod is made; on a cluster only."""

    image: Image | None = Field(
        None,
        description="The image, from among those that the cluster's administrator allows. Default: the installation's. "
        "It is followed at once, where the installation's own is taken between runs only.",
    )
    resources: Resources = Field(
        default_factory=Resources, description="Processor time and memory. Default, for each amount: the component's."
    )
    node_selector: dict[str, LabelValue] | None = Field(
        None, max_length=32, description="Labels that a node must have."
    )
    tolerations: list[Toleration] | None = Field(
        None, max_length=32, description="Taints of nodes that the pod may run in spite of."
    )

    @model_validator(mode="after")
    def _selects_by_labels(self) -> Self:
        for key in self.node_selector or {}:
            if _LABEL_KEY.fullmatch(key) is None:
                raise ValueError(f'nodeSelector has "{key}"; it must be {patterns.WORDS[patterns.LABEL_KEY]}')
        return self


class Broker(Pod):
    """The pod of the message broker; on a cluster only."""


class Coordinator(Pod):
    """The pod of the coordinator; on a cluster only."""

    storage: Storage = Field(default_factory=Storage, description="The volume of the journal. Default: 1Gi.")


class Tracking(Pod):
    """The pod that records runs in MLflow; on a cluster only."""

    mlflow_uri: Url | None = Field(
        None,
        description="The MLflow server that records the runs, without a user or a password. "
        "Default: the installation's, if it has one.",
    )


class Agent(Pod):
    """The pod of a hospital; on a cluster only. The hospital decides, and no federation."""

    storage: Storage = Field(
        default_factory=Storage, description="The volume of the answers already given. Default: 1Gi."
    )


LEAST_HEAP = 512 * 2**20
"""Bytes. Spark refuses to start below 450 MiB of what a heap has for use, which is less than its size."""


class Spark(Document):
    """How much of a cluster a Spark hospital takes; for engine: spark."""

    executors: int = Field(
        0, ge=0, le=500, description="Executors, each a pod of its own; 0: Spark computes within the hospital's pod."
    )
    max_executors: int | None = Field(
        None,
        ge=1,
        le=500,
        description="Executors are added and removed with the work, from executors up to this many.",
    )
    executor_memory: Bytes = Field(
        "1Gi",
        description="Memory of an executor's Java heap, at least 512Mi; its pod asks for two fifths more, or 384Mi.",
    )
    executor_cores: int = Field(1, ge=1, le=64, description="Processor cores of an executor.")
    driver_memory: Bytes = Field(
        "1Gi", description="Memory of the Java heap beside the hospital's own process, at least 512Mi."
    )

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.max_executors is not None and self.executors == 0:
            raise ValueError(
                f"maxExecutors is {self.max_executors}, and executors 0 computes within the hospital's pod: raise "
                "executors, or leave maxExecutors out"
            )
        if self.max_executors is not None and self.max_executors < self.executors:
            raise ValueError(
                f"maxExecutors {self.max_executors} is below executors {self.executors}: raise it, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _heaps_are_large_enough(self) -> Self:
        for name, size in (("executorMemory", self.executor_memory), ("driverMemory", self.driver_memory)):
            if quantity(size) < LEAST_HEAP:
                raise ValueError(f"{name} {size} is below the 512Mi that Spark needs: raise it")
        return self


class Egress(Document):
    """A connection that the cohort's pods may open besides Consilia's own: to a database, or an object store."""

    cidr: Annotated[str, Field(pattern=patterns.CIDR, max_length=18)] | None = Field(
        None, description="Addresses outside of the cluster, or by number."
    )
    namespace: Label | None = Field(None, description="Pods of a namespace of the cluster.")
    ports: list[Port] = Field(min_length=1, max_length=16, description="TCP ports, such as 5432.")

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.cidr is None) == (self.namespace is None):
            raise ValueError("an egress goes to a cidr or to a namespace: give one of them")
        return self
