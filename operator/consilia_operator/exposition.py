"""The operator's metrics. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import get_args

from consilia.prometheus import Family, Sample, text_of
from consilia.status import Phase
from consilia_operator.counts import Counts
from consilia_operator.turns import Turns


def exposition(counts: Counts, phases: Iterable[str], turns: Turns | None, held: bool) -> str:
    """The text of ``GET /metrics``; ``phases`` has one item a federation."""
    named = Counter(phases)
    waiting = len(turns.waiting()) if turns is not None else 0
    failing = turns.failing() if turns is not None else 0
    return text_of(
        [
            Family("consilia_operator_lease_held", "gauge", "1 while this process acts.", [({}, int(held))]),
            Family(
                "consilia_operator_federations",
                "gauge",
                "Federations by phase.",
                [({"phase": phase}, named[phase]) for phase in get_args(Phase)],
            ),
            Family("consilia_operator_queue", "gauge", "Federations that wait for a reconcile.", [({}, waiting)]),
            Family("consilia_operator_failing", "gauge", "Federations whose last reconcile failed.", [({}, failing)]),
            _total(counts, "reconciles", "Reconciles that ended."),
            _total(counts, "failed_reconciles", "Reconciles that failed."),
            Family(
                "consilia_operator_reconcile_seconds_total",
                "counter",
                "Time that reconciles took.",
                [({}, counts.seconds("reconciles"))],
            ),
            _total(counts, "faults", "Errors of the operator itself; its log has their tracebacks."),
            _total(counts, "status_writes", "Writes of a status."),
            _requests(counts, "requests", "Requests to the Kubernetes API, but the watches' own."),
            _requests(counts, "request_errors", "Requests that the Kubernetes API refused or did not answer."),
        ]
    )


def _total(counts: Counts, name: str, text: str) -> Family:
    return Family(f"consilia_operator_{name}_total", "counter", text, [({}, counts.total(name))])


def _requests(counts: Counts, name: str, text: str) -> Family:
    samples: list[Sample] = [
        ({"verb": verb, "kind": kind}, count) for (verb, kind), count in sorted(counts.of(name).items())
    ]
    return Family(f"consilia_operator_{name}_total", "counter", text, samples)
