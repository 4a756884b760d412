"""The coordinator's metrics. Pure."""

from consilia.prometheus import Family, Sample, text_of
from consilia.status import FederationStatus, Metrics


def exposition(federation: str, status: FederationStatus) -> str:
    """The text of ``GET /metrics``, for the federation namespace/name."""
    label = {"federation": federation}
    figures: list[tuple[str, str, float | None]] = [
        ("consilia_round", "Last committed round.", status.round),
        ("consilia_rounds_target", "Target number of rounds.", status.rounds),
        ("consilia_run", "Number of the current run.", status.run),
        ("consilia_hospitals_connected", "Hospitals that have joined.", status.connected),
        ("consilia_quorum", "Fewest hospitals of a round.", status.quorum),
        ("consilia_private", "1 where noise protects the patients, else 0.", int(status.private)),
        ("consilia_round_seconds", "Median time of a round.", status.seconds_per_round),
    ]
    families = [
        Family(name, "gauge", text, [(label, value)] if value is not None else []) for name, text, value in figures
    ]
    for score in Metrics.model_fields:
        text = f"{score} of the newest scored global model."
        families.append(Family(f"consilia_{score}", "gauge", text, _score(label, score, status)))
    return text_of(families)


def _score(label: dict[str, str], score: str, status: FederationStatus) -> list[Sample]:
    values = [("public", getattr(status.metrics, score, None))]
    values += [(hospital.name, getattr(hospital, score)) for hospital in status.hospitals]
    return [(label | {"on": on}, value) for on, value in values if value is not None]
