"""The document that a page draws: a federation's status, its face, and what its buttons would do. Pure."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from consilia.experiment import NUMERIC
from consilia_dashboard import commands
from consilia_dashboard.faces import face, stage
from consilia_dashboard.hospitals import hospital_face
from consilia_dashboard.promise import Promise, budget, kept_rounds, promise, scores_of
from consilia_dashboard.seen import Document, Loss, Seen

SHOWN = ("run", "round", "rounds", "quorum", "connected", "secondsPerRound", "metrics", "message", "phase")

SCORES = ("accuracy", "loss", "precision", "recall")
SCORES_OF_NUMBERS = ("r2", "loss")

FAST_SECONDS = 1.0


def view(seen: Seen, now: datetime) -> Document:
    """Everything a page shows but rounds and events; ``now`` lets a browser with another clock tell ages."""
    status = seen.current
    metadata = seen.federation.get("metadata") or {}
    promised = promise(seen)
    return {
        "now": now.isoformat(),
        "namespace": metadata.get("namespace"),
        "name": metadata.get("name"),
        "status": {name: status.get(name) for name in SHOWN} | {"target": _target(seen)},
        "scores": _scores(seen),
        "task": _task(seen),
        "statistics": status.get("statistics"),
        "wanted": _wanted(seen),
        "promise": asdict(promised),
        "stage": stage(seen),
        "face": asdict(face(seen)),
        "start": {
            "possible": commands.can_start(seen),
            "does": commands.start_does(seen),
            "with": commands.start_with(seen),
            "lacks": commands.start_lacks(seen),
        },
        "stop": {"possible": commands.can_stop(seen)},
        "hospitals": [_hospital(hospital, _fast(status), promised) for hospital in status.get("hospitals") or []],
        "hospitalCount": len(status.get("hospitals") or []) or len(seen.spec.get("hospitals") or []),
        "links": {"mlflow": _run_link(status), "model": _model_link(status)},
        "model": status.get("model"),
        "lost": _loss(None if seen.is_awaited else seen.lost),
        "unreachable": _loss(seen.unreachable),
    }


def _scores(seen: Seen) -> tuple[str, ...]:
    """The scores that the run's model has; before there is a run, those of the model that is asked for."""
    model = seen.spec.get("model") or {}
    if _task(seen) == "Statistics":
        return ()
    numeric = seen.current.get("numeric") if seen.current.get("run") else model.get("kind") in NUMERIC
    return SCORES_OF_NUMBERS if numeric else SCORES


def _task(seen: Seen) -> str:
    """What the run is for: of a run that began, what it began for."""
    told = seen.current.get("task") if seen.current.get("run") else seen.spec.get("task")
    return "Statistics" if told == "Statistics" else "Training"


def _wanted(seen: Seen) -> int:
    """The wanted number of rounds: the spec's, because the status follows it."""
    return int(seen.target or seen.current.get("rounds") or 0)


def _target(seen: Seen) -> int:
    """Where this run ends: as wanted, but for a private run that keeps what its noise was calibrated for."""
    return kept_rounds(seen) or _wanted(seen)


def _fast(status: Document) -> bool:
    seconds = status.get("secondsPerRound")
    return status.get("phase") == "Training" and isinstance(seconds, float | int) and seconds < FAST_SECONDS


def _hospital(hospital: Document, fast: bool, promised: Promise) -> Document:
    shown = hospital_face(hospital, fast)
    told = {**hospital, **asdict(shown), "advice": shown.advice if shown.rank < 2 or hospital.get("reason") else ""}
    if not promised.private:
        return told | {"budget": None, "scores": ""}
    # How many rows a hospital has is nobody's to know in a private run, whatever a status says.
    scores = scores_of(hospital) if promised.mixed else ""
    return told | {"rows": None, "budget": asdict(budget(hospital)), "scores": scores}


def _run_link(status: Document) -> str | None:
    return _web((status.get("mlflow") or {}).get("url"))


def _model_link(status: Document) -> str | None:
    """The model's page in MLflow's registry."""
    model, base = status.get("model"), _web((status.get("endpoints") or {}).get("mlflow"))
    if not model or not base:
        return None
    return f"{base.rstrip('/')}/#/models/{quote(str(model.get('name')))}/versions/{quote(str(model.get('version')))}"


def _web(url: Any) -> str | None:
    """``url`` if a browser may follow it: never a ``javascript:`` that somebody wrote into a status."""
    return url if isinstance(url, str) and urlsplit(url).scheme in ("http", "https") else None


def _loss(loss: Loss | None) -> Document | None:
    return {"since": loss.since.isoformat(), "reason": loss.reason} if loss else None
