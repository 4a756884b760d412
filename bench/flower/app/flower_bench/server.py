"""FedAvg as a Flower ServerApp that reports when its rounds began and ended.

Training only, as Flower's own option allows: the hospitals' metrics ride on the updates, as this project sends them.
An evaluation phase of its own would add a second exchange of messages to every round.
"""

import json
import time
from pathlib import Path

from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from bench.memory import peak_resident
from bench.workload import load

app = ServerApp()


class TimedFedAvg(FedAvg):
    """Flower's FedAvg, which notes the seconds from a round's first step to its aggregate."""

    def __init__(self, hospitals: int) -> None:
        """Wait for this many hospitals and train on all of them."""
        super().__init__(
            fraction_evaluate=0.0, min_train_nodes=hospitals, min_available_nodes=hospitals, min_evaluate_nodes=0
        )
        self.rounds: list[float] = []
        self._began = 0.0

    def configure_train(self, server_round, arrays, config, grid):
        """Begin a round."""
        self._began = time.perf_counter()
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(self, server_round, replies):
        """End a round."""
        aggregate = super().aggregate_train(server_round, replies)
        self.rounds.append(time.perf_counter() - self._began)
        return aggregate


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the workload's rounds; write the report's file at the end, complete or not at all."""
    workload = load(context.run_config["workload"])
    strategy = TimedFedAvg(workload.hospitals)
    result = strategy.start(
        grid=grid, initial_arrays=ArrayRecord([workload.initial()]), num_rounds=workload.rounds, timeout=600
    )
    (parameters,) = result.arrays.to_numpy_ndarrays()
    report = Path(context.run_config["report"])
    partial = report.with_suffix(".partial")
    partial.write_text(
        json.dumps(
            {
                "finished": time.time(),
                "rounds": strategy.rounds,
                "peak": peak_resident(),
                "parameters": parameters[:64].tolist(),
            }
        )
    )
    partial.rename(report)
