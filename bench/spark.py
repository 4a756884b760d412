"""What a local step costs in Spark, beside a pass of Spark's own logistic regression, and in memory beside bare NumPy.

Run as ``python -m bench.spark``. A table of Parquet is written first. Each part is a process of its own: the hospital's
backend reads the table and its trainer makes steps; then Spark MLlib's LogisticRegression is fitted to the same rows,
from a cached DataFrame in the same Java process. A pass of MLlib is the time of a fit by its iterations, what it
prepares included; the bare pass, from fits of two lengths, is told beside it.

Exit code 1 if a step costs more than three passes of MLlib, the hospital's own process grows with the rows, or a step
in memory costs more than one and a half bare passes of NumPy.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from consilia.dataset import Rows
from consilia.experiment import Features, Model
from consilia.features import FeatureMap
from consilia.model import Work, sigmoid
from consilia.object_paths import API_VERSION
from consilia.spec import Cohort
from consilia.threads import ONE_THREAD
from consilia_agents.holdout import Sides
from consilia_agents.sources.chosen import source_of
from consilia_agents.sources.places import Places

COLUMNS = 30
NAMES = tuple(f"c{number}" for number in range(COLUMNS))
FILE_ROWS = 500_000
GROUP_ROWS = 125_000
MOST_OF_MLLIB = 3.0
MOST_OF_NUMPY = 1.5
MOST_GROWTH = 64 * 2**20
"""Bytes by which the hospital's process may be larger with ten times the rows."""
STEPS = 6
ITERATIONS = (5, 20)
WORK = Work(local_epochs=1, learning_rate=0.5, l2=0.001)


@dataclass(frozen=True)
class Hospital:
    """What a table of ``rows`` costs a hospital with Spark: seconds until it was read and judged, until the design rows
    were made, and of a step; and the peak of its own process, in bytes."""

    rows: int
    look: float
    design: float
    step: float
    memory: int


@dataclass(frozen=True)
class Mllib:
    """Seconds of a pass: of a fit by its iterations, and from the difference of two fits, where they had as many."""

    of_fit: float
    bare: float | None


def write_table(folder: Path, rows: int) -> None:
    """Write ``rows`` patients in files of :data:`FILE_ROWS`."""
    weights = np.random.Generator(np.random.PCG64(1)).normal(size=COLUMNS)
    for number, start in enumerate(range(0, rows, FILE_ROWS)):
        count = min(FILE_ROWS, rows - start)
        draw = np.random.Generator(np.random.PCG64([2, number]))
        x = draw.normal(size=(count, COLUMNS))
        sick = (x @ weights + draw.logistic(size=count) > 0).astype(np.int8)
        columns = {"patient_id": np.arange(start, start + count), **dict(zip(NAMES, x.T, strict=True)), "sick": sick}
        parquet.write_table(pa.table(columns), folder / f"{number:05}.parquet", row_group_size=GROUP_ROWS)


def hospital(folder: Path, rows: int, heap: str, *, mllib: bool) -> tuple[Hospital, Mllib | None]:
    """Measure the backend, and MLlib in the same Spark where asked for."""
    # Imported here: the processes of this bench that need no Spark do without.
    from consilia_agents.spark.backend import SparkBackend  # noqa: PLC0415
    from consilia_agents.spark.session import Session  # noqa: PLC0415

    session = Session(folder.parent / "spark", {"spark.driver.memory": heap})
    backend = SparkBackend(cohort(), session, source=lambda spec: source_of(spec, Places(folder.parent)))
    try:
        session.context()
        started = perf_counter()
        trainer = backend.clear(features(), Model())
        look = perf_counter() - started
        feature_map = FeatureMap.from_moments(NAMES, trainer.moments())
        w = np.random.Generator(np.random.PCG64(3)).normal(size=COLUMNS + 1) / 10
        design, *steps = [seconds_of(lambda: trainer.train(feature_map, w, WORK)) for _ in range(STEPS + 1)]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        own = Hospital(rows, look, design, median(steps), memory)
        trainer.release()
        return own, fits(session, folder) if mllib else None
    finally:
        backend.close()


def fits(session: Any, folder: Path) -> Mllib:
    """MLlib's logistic regression on the same rows."""
    from pyspark import StorageLevel  # noqa: PLC0415
    from pyspark.ml.classification import LogisticRegression  # noqa: PLC0415
    from pyspark.ml.feature import VectorAssembler  # noqa: PLC0415
    from pyspark.sql import functions  # noqa: PLC0415

    table = session.sql().read.parquet(str(folder))
    assembled = VectorAssembler(inputCols=list(NAMES), outputCol="features").transform(table)
    kept = assembled.select("features", functions.col("sick").cast("double").alias("label"))
    cached = kept.persist(StorageLevel.MEMORY_AND_DISK)
    cached.count()
    taken: dict[int, float] = {}
    # The first warms Java up.
    for most in (1, *ITERATIONS):
        estimator = LogisticRegression(maxIter=most, regParam=WORK.l2, tol=0.0)
        started = perf_counter()
        model = estimator.fit(cached)
        taken[int(model.summary.totalIterations)] = perf_counter() - started
    taken.pop(min(taken))
    few, many = min(taken), max(taken)
    return Mllib(taken[many] / many, (taken[many] - taken[few]) / (many - few) if many > few else None)


def in_memory(rows: int) -> tuple[float, float]:
    """Seconds of a step of the trainer in memory, and of a bare pass of NumPy over the same design rows."""
    draw = np.random.Generator(np.random.PCG64(4))
    x = draw.normal(size=(rows, COLUMNS))
    y = (x[:, 0] > 0).astype(np.float64)
    nobody = Rows((), x[:0], y[:0])
    feature_map = FeatureMap(scaling="federated", names=NAMES, offset=(0.0,) * COLUMNS, scale=(1.0,) * COLUMNS)
    from consilia_agents.trainers import SklearnTrainer  # noqa: PLC0415 - seconds

    trainer = SklearnTrainer(Sides(Rows(tuple(map(str, range(rows))), x, y), nobody))
    w = draw.normal(size=COLUMNS + 1) / 10
    z = feature_map.apply(x)
    trainer.train(feature_map, w, WORK)
    step = median(seconds_of(lambda: trainer.train(feature_map, w, WORK)) for _ in range(STEPS))
    bare = median(seconds_of(lambda: (sigmoid(z @ w) - y) @ z) for _ in range(STEPS))
    return step, bare


def seconds_of(what: Callable[[], object]) -> float:
    """How long it takes."""
    started = perf_counter()
    what()
    return perf_counter() - started


def features() -> Features:
    """Of the table's columns."""
    codebook = [{"name": name} for name in NAMES]
    return Features.model_validate({"label": "sick", "scaling": "federated", "codebook": codebook})


def cohort() -> Cohort:
    """Whose rows the table has."""
    spec = {
        "hospital": "north",
        "engine": "spark",
        "source": {"parquet": {"path": "table"}},
        "holdout": {"fraction": 0.05},
        "allowNonPrivate": True,
    }
    return Cohort.model_validate(
        {"apiVersion": API_VERSION, "kind": "Cohort", "metadata": {"name": "north"}, "spec": spec}
    )


def apart(of: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call in a process of its own, whose memory is nobody else's."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(of, arguments, named)


def main(arguments: list[str] | None = None) -> int:
    """Measure, and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m bench.spark", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="of the table (default: 10 million)")
    parser.add_argument("--heap", default="8g", help="of Java (default: 8g, of which MLlib takes the most)")
    parser.add_argument("--folder", help="where the table is written (default: the system's temporary one)")
    options = parser.parse_args(arguments)
    # As a hospital's process has it, before any of this bench's own starts.
    os.environ.update(ONE_THREAD)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        table = Path(folder) / "table"
        small = Path(folder) / "small" / "table"
        for each, rows in ((small, options.rows // 10), (table, options.rows)):
            each.mkdir(parents=True)
            apart(write_table, each, rows)
        few, _ = apart(hospital, small, options.rows // 10, options.heap, mllib=False)
        many, mllib = apart(hospital, table, options.rows, options.heap, mllib=True)
    step, bare = apart(in_memory, options.rows // 10)
    return told(few, many, mllib, step, bare)


def told(few: Hospital, many: Hospital, mllib: Mllib, step: float, bare: float) -> int:
    """Print the figures; the exit code."""
    print(f"{many.rows:,} rows x {COLUMNS}, {multiprocessing.cpu_count()} cores")
    print(f"read, checked and divided          {many.look:8.2f} s")
    print(f"first step, with the design rows   {many.design:8.2f} s")
    print(f"step                               {many.step:8.2f} s")
    print(f"MLlib, a fit by its iterations     {mllib.of_fit:8.2f} s   a step is {many.step / mllib.of_fit:.2f} of it")
    if mllib.bare:
        print(f"MLlib, the bare pass               {mllib.bare:8.2f} s   a step is {many.step / mllib.bare:.2f} of it")
    growth = many.memory - few.memory
    print(f"the hospital's own process         {many.memory / 2**20:8.0f} MiB, {growth / 2**20:+.0f} for 10 x the rows")
    print(f"in memory, {few.rows:,} rows: a step {step * 1e3:.1f} ms, {step / bare:.2f} of bare NumPy")
    kept = (many.step <= MOST_OF_MLLIB * mllib.of_fit, growth <= MOST_GROWTH, step <= MOST_OF_NUMPY * bare)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
