"""Spark's settings of a hospital, by Spark's names: how much it takes, and where its parts find one another. Pure."""

from collections.abc import Mapping

from consilia.pod import quantity
from consilia.spec import Spark

MEBI = 2**20


def mebibytes(size: str) -> str:
    """A quantity such as ``1.5Gi`` as Spark writes it: whole mebibytes, rounded down."""
    return f"{int(quantity(size) // MEBI)}m"


def local_settings(spark: Spark) -> dict[str, str]:
    """Spark within the hospital's own process group: all of its cores, no executor."""
    return {"spark.master": "local[*]", "spark.driver.memory": mebibytes(spark.driver_memory)}


def written(settings: Mapping[str, str]) -> str:
    """As a file: a setting a line, its name, a space and its value, in the order of names."""
    return "".join(f"{name} {value}\n" for name, value in sorted(settings.items()))
