"""`python -m bench`: run everything, print the tables. Parts can be named.

They are floor, consilia, flower, vectors, result, privacy.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import floor, flower_engine, product, product_vectors, table
from bench.runs import FederationRun, largest_difference
from bench.samples import Sample
from bench.shards import prepare
from bench.workload import Vectors, save

PARTS = ("floor", "consilia", "flower", "vectors", "result", "privacy")
FILE = flower_engine.ROOT / "examples" / "breast-cancer-non-private.yaml"
PRIVATE = flower_engine.ROOT / "examples" / "breast-cancer.yaml"
FLOOR_ROUNDS = 100
VECTOR_MEGABYTES = (4, 100)
VECTOR_ROUNDS = 3


def main() -> None:
    """Run the parts that were named, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"one of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--runs", type=int, default=3, help="runs of this project (default 3)")
    parser.add_argument("--flower-runs", type=int, default=2, help="runs of Flower, over a minute each (default 2)")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    parts = set(given.parts or PARTS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    scratch = Path(tempfile.mkdtemp(prefix="consilia-bench-"))
    if {"flower", "vectors"} & parts:
        flower_engine.install()
    if {"floor", "consilia", "flower"} & parts:
        print(training(parts, scratch, given.runs, given.flower_runs), flush=True)
    if "vectors" in parts:
        print(f"\n{vectors(scratch)}", flush=True)
    for part in ("result", "privacy"):
        if part in parts:
            print(flush=True)
            subprocess.run([sys.executable, "-m", f"bench.{part}"], check=False)  # it prints whether it passed
    shutil.rmtree(scratch)  # kept, with its logs, when something above failed


def training(parts: set[str], scratch: Path, runs: int, flower_runs: int) -> str:
    """Measure the example's federation and return its table."""
    workload = prepare(FILE, scratch / "workload")
    base: list[float] = []
    ours: list[FederationRun] = []
    private: list[FederationRun] = []
    flower: list[FederationRun] = []
    simulated: list[FederationRun] = []
    for number in range(runs):  # in turns, so that what else the machine does meets both
        if "floor" in parts:
            base += floor.measure(scratch / f"floor-{number}", workload.hospitals, FLOOR_ROUNDS)
        if "consilia" in parts:
            ours.append(product.run(FILE, scratch / f"consilia-{number}"))
            private.append(product.run(PRIVATE, scratch / f"private-{number}"))
    if "flower" in parts:
        flower = [flower_engine.run(workload.folder, scratch / f"flower-{number}") for number in range(flower_runs)]
        simulated = [flower_engine.run(workload.folder, scratch / "simulation", simulation=True)]
    under = Sample.of(base) if base else None
    figures = [
        table.Figure(
            "round", table.seconds, rounds(ours), rounds(flower), under, "at most x 3 the floor, 1/100 of Flower"
        ),
        table.Figure("total", table.seconds, totals(ours), totals(flower), None, "at most 1/5 of Flower"),
        table.Figure("memory (PSS)", table.megabytes, memory(ours), memory(flower), None, "at most 2/3 of Flower"),
    ]
    title = (
        f"Breast Cancer Wisconsin: {workload.hospitals} hospitals, {workload.rounds} rounds, {workload.size} "
        f"parameters, {workload.steps} steps a round; median (min .. max)"
    )
    lines = [table.text(title, figures)]
    if ours:
        lines.append(private_line(private, ours))
    if ours and flower:
        lines.append(
            f"The two final models differ by at most {largest_difference(ours[0], flower[0]):.1e} a parameter."
        )
    if simulated:
        lines.append(simulation_line(simulated))
    return "\n".join(lines)


def private_line(private: list[FederationRun], clear: list[FederationRun]) -> str:
    """Return what a round costs with noise and a ledger, beside the ones without that were run in turns with it."""
    noised, plain = Sample.of(_seconds(private)), Sample.of(_seconds(clear))
    return (
        f"A private round, with noise, ledger and what a kill must not lose: {table.cell(noised, table.seconds)}, "
        f"{table.ratio(noised, plain)} of one without (wanted: at most x 1.30)."
    )


def simulation_line(simulated: list[FederationRun]) -> str:
    """Return what Flower's simulation took, which is no like for like and so is no column."""
    return (
        "Flower's Ray simulation, without processes of hospitals, TLS or a broker: "
        f"round {table.cell(rounds(simulated), table.seconds)}, total {table.cell(totals(simulated), table.seconds)}, "
        f"memory {table.cell(memory(simulated), table.megabytes)}."
    )


def vectors(scratch: Path) -> str:
    """Measure large vectors and return their table."""
    figures = []
    for size in VECTOR_MEGABYTES:
        folder = vector_workload(scratch, size, hospitals=5)
        ours = [product_vectors.run(folder, scratch / f"consilia-vectors-{size}")]
        flower = [flower_engine.run(folder, scratch / f"flower-vectors-{size}")]
        name, largest = f"{size} MB a hospital", size == max(VECTOR_MEGABYTES)
        faster, smaller = ("at most 1/3 of Flower", f"at most {4 * size} MB") if largest else ("", "")
        figures += [
            table.Figure(f"{name}: round", table.seconds, rounds(ours), rounds(flower), None, faster),
            table.Figure(f"{name}: coordinator", table.megabytes, peaks(ours), peaks(flower), None, smaller),
        ]
    size = max(VECTOR_MEGABYTES)
    twice = [product_vectors.run(vector_workload(scratch, size, hospitals=10), scratch / "consilia-twice")]
    name = f"{size} MB, 10 hospitals: coordinator"
    figures.append(table.Figure(name, table.megabytes, peaks(twice), None, None, "flat in the number of hospitals"))
    return table.text(f"Vectors from 5 hospitals, {VECTOR_ROUNDS} rounds; median (min .. max)", figures)


def vector_workload(scratch: Path, size: int, hospitals: int) -> Path:
    """Write a workload of vectors of `size` MB and return its folder."""
    folder = scratch / f"vectors-{size}-{hospitals}"
    save(Vectors(hospitals, VECTOR_ROUNDS, size * 1_000_000 // 8), folder)
    return folder


def rounds(runs: list[FederationRun]) -> Sample | None:
    """Return the seconds of every round of these runs; None without runs."""
    return Sample.of(_seconds(runs)) if runs else None


def totals(runs: list[FederationRun]) -> Sample | None:
    """Return the seconds in all of these runs; None without runs."""
    return Sample.of([run.total for run in runs]) if runs else None


def memory(runs: list[FederationRun]) -> Sample | None:
    """Return the peak PSS of these runs; None without runs."""
    return Sample.of([run.memory for run in runs]) if runs else None


def peaks(runs: list[FederationRun]) -> Sample | None:
    """Return the coordinators' peaks of these runs; None without runs."""
    return Sample.of([run.coordinator_peak for run in runs]) if runs else None


def _seconds(runs: list[FederationRun]) -> list[float]:
    return [seconds for run in runs for seconds in run.rounds]


if __name__ == "__main__":
    main()
