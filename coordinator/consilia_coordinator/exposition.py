"""The coordinator's metrics in the Prometheus text format (version 0.0.4). Pure."""

from consilia.status import FederationStatus, Metrics


def exposition(federation: str, status: FederationStatus) -> str:
    """The text of ``GET /metrics``. Names need no escaping: they are RFC 1123 labels."""
    label = f'federation="{federation}"'
    lines = _gauge("consilia_round", "Last committed round.", [(label, status.round)])
    lines += _gauge("consilia_rounds_target", "Target number of rounds.", [(label, status.rounds)])
    lines += _gauge("consilia_run", "Number of the current run.", [(label, status.run)])
    lines += _gauge("consilia_hospitals_connected", "Hospitals that have joined.", [(label, status.connected)])
    lines += _gauge("consilia_quorum", "Fewest hospitals of a round.", [(label, status.quorum)])
    lines += _gauge("consilia_private", "1 where noise protects the patients, else 0.", [(label, int(status.private))])
    if status.seconds_per_round is not None:
        lines += _gauge("consilia_round_seconds", "Median time of a round.", [(label, status.seconds_per_round)])
    for score in Metrics.model_fields:
        samples = _score(label, score, status)
        if samples:
            lines += _gauge(f"consilia_{score}", f"{score} of the newest scored global model.", samples)
    return "\n".join(lines) + "\n"


def _score(label: str, score: str, status: FederationStatus) -> list[tuple[str, float]]:
    samples: list[tuple[str, float]] = []
    value = getattr(status.metrics, score, None)
    if value is not None:
        samples.append((f'{label},on="public"', value))
    for hospital in status.hospitals:
        value = getattr(hospital, score)
        if value is not None:
            samples.append((f'{label},on="{hospital.name}"', value))
    return samples


def _gauge(name: str, text: str, samples: "list[tuple[str, float]]") -> list[str]:
    return [
        f"# HELP {name} {text}",
        f"# TYPE {name} gauge",
        *(f"{name}{{{labels}}} {value:g}" for labels, value in samples),
    ]
