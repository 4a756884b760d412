"""Spark's settings of a hospital, by Spark's names: how much it takes, and where its parts find one another. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from consilia.pod import Spark, quantity

MEBI = 2**20
PORTS: Mapping[str, int] = {"driver": 7078, "blocks": 7079}
"""Of a hospital with executors, which join it at the first; data go between all of them at the second."""
FEWEST_OVERHEAD, OVERHEAD = Decimal(384 * MEBI), Decimal("0.4")
"""What Spark takes beside a heap, Python's workers among it, as Spark reckons: bytes, or this share of the heap."""


def needed(heap: str) -> Decimal:
    """Bytes of Spark with this heap."""
    size = quantity(heap)
    return size + max(FEWEST_OVERHEAD, size * OVERHEAD)


def with_overhead(heap: str) -> int:
    """The same, rounded up."""
    return math.ceil(needed(heap))


def mebibytes(size: str) -> str:
    """A quantity such as ``1.5Gi`` as Spark writes it: whole mebibytes, rounded down."""
    return f"{int(quantity(size) // MEBI)}m"


def local_settings(spark: Spark) -> dict[str, str]:
    """Spark within the hospital's own process group: all of its cores, no executor."""
    return {"spark.master": "local[*]", "spark.driver.memory": mebibytes(spark.driver_memory)}


@dataclass(frozen=True)
class Driver:
    """A hospital's pod, which asks Kubernetes for executors. ``template``: the path of the file they are made from."""

    namespace: str
    pod: str
    host: str
    image: str
    template: str
    container: str


def cluster_settings(spark: Spark, driver: Driver) -> dict[str, str]:
    """Spark with executors as pods, its driver in the hospital's (client mode).

    Executors and driver tell one another apart from strangers by a secret that is made anew each time, and encrypt what
    they send. Of the API server only pods are asked for: no Service, no ConfigMap, no claim. See "Running Spark on
    Kubernetes" and "Configuration" of the Spark 4 documentation for each name.
    """
    fixed = {
        "spark.master": "k8s://https://kubernetes.default.svc",
        "spark.submit.deployMode": "client",
        "spark.authenticate": "true",
        "spark.network.crypto.enabled": "true",
        "spark.kubernetes.executor.disableConfigMap": "true",
        # Executors are told the driver's name; where it listens is every address, which is nobody's.
        "spark.kubernetes.executor.useDriverPodIP": "false",
        "spark.kubernetes.driver.service.deleteOnTermination": "false",
        "spark.kubernetes.driver.ownPersistentVolumeClaim": "false",
        # Spark would end after a few pods that were refused, or executors that were lost, however long ago: a quota
        # that lets in some of them is enough to work with.
        "spark.executor.maxNumFailures": str(2**31 - 1),
        "spark.kubernetes.driver.reusePersistentVolumeClaim": "false",
    }
    placed = {
        "spark.driver.host": driver.host,
        "spark.driver.bindAddress": "0.0.0.0",  # noqa: S104 - a pod listens for other pods
        "spark.driver.port": str(PORTS["driver"]),
        "spark.blockManager.port": str(PORTS["blocks"]),
        "spark.kubernetes.namespace": driver.namespace,
        "spark.kubernetes.driver.pod.name": driver.pod,
        "spark.kubernetes.container.image": driver.image,
        "spark.kubernetes.executor.podTemplateFile": driver.template,
        "spark.kubernetes.executor.podTemplateContainerName": driver.container,
    }
    return fixed | placed | _amounts(spark)


def _amounts(spark: Spark) -> dict[str, str]:
    amounts = {
        "spark.driver.memory": mebibytes(spark.driver_memory),
        "spark.executor.memory": mebibytes(spark.executor_memory),
        "spark.executor.memoryOverheadFactor": str(OVERHEAD),
        "spark.executor.cores": str(spark.executor_cores),
        "spark.executor.instances": str(spark.executors),
    }
    if spark.max_executors is None:
        return amounts
    return amounts | {
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.shuffleTracking.enabled": "true",
        "spark.dynamicAllocation.minExecutors": str(spark.executors),
        "spark.dynamicAllocation.maxExecutors": str(spark.max_executors),
    }


def written(settings: Mapping[str, str]) -> str:
    """As a file: a setting a line, its name, a space and its value, in the order of names."""
    return "".join(f"{name} {value}\n" for name, value in sorted(settings.items()))
