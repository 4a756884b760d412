"""The coordinator's metrics. Pure."""

from consilia.prometheus import Family, Sample, text_of
from consilia.status import FederationStatus, MetricErrors, Metrics

LEDGER = (
    ("consilia_epsilon_spent", "run_spent", "What the run has cost the hospital's patients so far."),
    ("consilia_budget_epsilon", "budget", "What the hospital's patients may lose, for life."),
    ("consilia_budget_epsilon_spent", "spent", "What they have lost so far, in all runs."),
    ("consilia_budget_epsilon_remaining", "remaining", "The most that a run may still ask for."),
)


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
        ("consilia_epsilon_asked", "What the run asks for, for one patient.", _privacy(status, "epsilon")),
        ("consilia_delta_asked", "The chance that this does not hold.", _privacy(status, "delta")),
        ("consilia_round_seconds", "Median time of a round.", status.seconds_per_round),
    ]
    families = [
        Family(name, "gauge", text, [(label, value)] if value is not None else []) for name, text, value in figures
    ]
    families += [Family(name, "gauge", text, _ledgers(label, field, status)) for name, field, text in LEDGER]
    for score in Metrics.model_fields:
        text = f"{score} of the newest scored global model."
        families.append(Family(f"consilia_{score}", "gauge", text, _score(label, score, status)))
    for score in MetricErrors.model_fields:
        text = f"How far off noise puts the {score}, 95 % of the time."
        families.append(Family(f"consilia_{score}_error", "gauge", text, _error(label, score, status)))
    return text_of(families)


def _score(label: dict[str, str], score: str, status: FederationStatus) -> list[Sample]:
    values = [("public", getattr(status.metrics, score, None))]
    values += [(hospital.name, getattr(hospital, score)) for hospital in status.hospitals]
    return [(label | {"on": on}, value) for on, value in values if value is not None]


def _error(label: dict[str, str], score: str, status: FederationStatus) -> list[Sample]:
    values = [(hospital.name, getattr(hospital.errors, score, None)) for hospital in status.hospitals]
    return [(label | {"on": on}, value) for on, value in values if value is not None]


def _ledgers(label: dict[str, str], field: str, status: FederationStatus) -> list[Sample]:
    return [
        (label | {"hospital": hospital.name}, getattr(hospital.ledger, field))
        for hospital in status.hospitals
        if hospital.ledger is not None
    ]


def _privacy(status: FederationStatus, field: str) -> float | None:
    return None if status.privacy is None else getattr(status.privacy, field)
