"""The sentences and figures of a run, the same in a terminal and on a pipe. Pure."""

from dataclasses import dataclass
from datetime import datetime

from consilia.epsilons import asked, small, spent
from consilia.experiment import Privacy
from consilia.spec import Federation, FederationSpec
from consilia.status import (
    EventRecord,
    FederationStatus,
    HospitalMetrics,
    HospitalStatus,
    PrivacyStatus,
    RegisteredModel,
    RoundRecord,
)
from consilia.wording import NON_PRIVATE, counted, privacy_word

ABSENT = "–"
HIDDEN = "hidden: noise"
METRICS = ("accuracy", "loss", "precision", "recall")
METRICS_OF_NUMBERS = ("r2", "loss")
SHARES = ("accuracy", "precision", "recall")


@dataclass(frozen=True)
class Links:
    """Where people look; None where that part does not run."""

    broker: str
    dashboard: str | None = None
    mlflow: str | None = None


def headline(federation: Federation, spec: FederationSpec) -> str:
    """What runs, in one line."""
    return " · ".join(
        [
            "Consilia",
            federation.metadata.name,
            counted(len(spec.hospitals), "hospital"),
            spec.work,
            promise(spec.privacy),
        ]
    )


def promise(privacy: Privacy) -> str:
    """What a run promises: ``NON-PRIVATE``, or ``epsilon 1.0 per patient (delta 1e-5)``."""
    if not privacy.private:
        return NON_PRIVATE
    return f"epsilon {asked(privacy.epsilon)} per patient (delta {small(privacy.delta)})"


def spent_line(privacy: PrivacyStatus) -> str:
    """What a private run has cost so far, and of whom that is told."""
    told = (
        f"epsilon {spent(privacy.epsilon_spent)} of {asked(privacy.epsilon)} spent per patient (delta "
        f"{small(privacy.delta)}; {spent(privacy.epsilon_replace_one)} if a record is replaced)"
    )
    whose = {
        "exact": "; scores on holdout patients are exact, so that the promise covers the training patients only",
        "mixed": "; where scores on holdout patients are exact, the promise covers the training patients only",
    }
    return told + whose.get(privacy.holdout or "", "")


def link_line(links: Links) -> str:
    """Where to look, in one line."""
    parts = [f"broker {links.broker}"]
    if links.dashboard:
        parts.append(f"dashboard {links.dashboard}")
    if links.mlflow:
        parts.append(f"MLflow {links.mlflow}")
    return "  ·  ".join(parts)


def round_line(record: RoundRecord, rounds: int) -> str:
    """A committed round, in one line."""
    who = counted(len(record.participants), "hospital")
    if record.round == 0:
        return f"scaling     agreed from the summed moments of {who}"
    scores = record.metrics
    first = "accuracy" if scores is None or scores.r2 is None else "r2"
    told = f"{first} {figure(first, getattr(scores, first))}  loss {figure('loss', scores.loss)}  " if scores else ""
    return f"round {record.round}/{rounds}  {told}{who}  {seconds(record.seconds)}"


def event_line(event: EventRecord) -> str:
    """A transition, in one line."""
    return f"{'warning: ' if event.type == 'Warning' else ''}{event.message} ({event.reason})"


def done_line(status: FederationStatus, elapsed: float | None) -> str:
    """The end of a run, in one line; ``elapsed`` in seconds."""
    sentences = [f"Done in {elapsed:.1f} s." if elapsed is not None else "Done."]
    first = next(iter(metrics_of(status)), None)
    best = getattr(status.metrics, first, None) if first else None
    if first and status.metrics and best is not None:
        sentences.append(f"{first.capitalize()} {figure(first, best)}, loss {figure('loss', status.metrics.loss)}.")
    if status.statistics is not None:
        sentences.append(f"Statistics of {counted(len(status.statistics), 'feature')}.")
    elif status.seconds_per_round is not None:
        sentences.append(f"{counted(status.round, 'round')}, {seconds(status.seconds_per_round)} each.")
    told = spent_line(status.privacy) if status.privacy else privacy_word(status.private)
    return " ".join([*sentences, f"{told[0].upper()}{told[1:]}."])


def model_line(model: RegisteredModel) -> str:
    """How to load the model."""
    return f'Model {model.name} v{model.version} is in MLflow:  mlflow.pyfunc.load_model("{model.uri}")'


def staying_line(parts: list[str]) -> str:
    """What goes on after a complete run; ``parts``: which of dashboard and mlflow there are."""
    names = {"dashboard": "Dashboard", "mlflow": "MLflow"}
    told = " and ".join(names[part] for part in parts)
    if not told:
        return "The hospitals stay up for another run; Ctrl-C stops them."
    return f"{told} {'stay' if len(parts) > 1 else 'stays'} up; Ctrl-C stops {'them' if len(parts) > 1 else 'it'}."


def metrics_of(status: FederationStatus) -> tuple[str, ...]:
    """The scores that a run's model has, in the order in which they are shown; statistics have no model."""
    if status.task == "Statistics":
        return ()
    return METRICS_OF_NUMBERS if status.numeric else METRICS


def state_of(hospital: HospitalStatus) -> str:
    """A hospital's state, in a word; while it reads its data, how far it has come."""
    if hospital.reading is not None:
        return f"reading {100 * hospital.reading:.0f} %"
    return {"Pending": "not yet here"}.get(hospital.phase, hospital.phase.lower())


def score(metric: str, scores: HospitalMetrics) -> str:
    """A score of a hospital, with what noise can do to it: ``95.0 ± 3 %``, or ``hidden: noise``."""
    if metric in (scores.hidden or ()):
        return HIDDEN
    value: float | None = getattr(scores, metric)
    error: float | None = getattr(scores.errors, metric, None)
    if value is None or error is None:
        return figure(metric, value)
    if metric not in SHARES:
        return f"{figure(metric, value)} ± {error:.1g}"
    return f"{100 * value:.1f} ± {100 * error:.{0 if error >= 0.01 else 1}f} %"


def budget_of(hospital: HospitalStatus) -> str:
    """What its patients have lost of what they may, in all runs: ``0.79 of 4.0``."""
    ledger = hospital.ledger
    return ABSENT if ledger is None else f"{spent(ledger.spent)} of {asked(ledger.budget)}"


def figure(metric: str, value: float | None) -> str:
    """A metric as people read it: shares in percent, loss and r2 as they are, to two digits where they are small."""
    if value is None:
        return ABSENT
    if metric in SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:.4f}" if 0 < abs(value) < 0.01 else f"{value:.3f}"


def seconds(value: float) -> str:
    """A duration in seconds, with two significant figures at least."""
    return f"{value:.3f} s" if value < 0.1 else f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def took(status: FederationStatus) -> float | None:
    """Seconds from the start of the run to its end."""
    if not (status.started_at and status.completed_at):
        return None
    return (datetime.fromisoformat(status.completed_at) - datetime.fromisoformat(status.started_at)).total_seconds()
