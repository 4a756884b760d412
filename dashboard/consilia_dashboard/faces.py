"""The face of every state: a word, a shape, and a sentence that says why and what to do. Pure.

The shape is never decoration: nobody has to tell two colours apart to know how a federation is.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from consilia.edits import goes_on
from consilia.wording import counted
from consilia_dashboard.promise import deferral, kept_rounds
from consilia_dashboard.seen import Document, Seen

Tone = Literal["calm", "busy", "wait", "good", "trouble"]
Stage = Literal[
    "Gone", "Pending", "Blocked", "Idle", "Starting", "Waiting", "Training", "Stalled", "Stopping", "Complete"
]

# Conditions that report trouble, and the status in which they do; the others only echo the phase.
TROUBLE = {"DataAccepted": "False", "PrivacyBudgetAvailable": "False", "Degraded": "True"}
# Of those, the ones that only gather what hospitals give as their reasons.
GATHERED = frozenset({"DataAccepted", "Degraded"})


@dataclass(frozen=True)
class Face:
    """What a state looks like. ``shape`` names a drawing, ``notes`` are the sentences of what is wrong."""

    word: str
    shape: str
    tone: Tone
    sentence: str
    advice: str = ""
    notes: list[str] = field(default_factory=list)


def stage(seen: Seen) -> Stage:
    """Where a federation stands, from its spec (what is wanted) and its status (what is)."""
    if seen.gone:
        return "Gone"
    wanted, stopped = _STAGES.get(seen.current.get("phase", "Pending"), ("Pending", "Pending"))
    if seen.spec.get("suspend"):
        return stopped
    if wanted == "Complete" and _more_is_wanted(seen):
        return "Starting"
    return "Stalled" if wanted == "Training" and _stalled(seen.current) else wanted


# A phase, as it is shown while the spec wants it to run, and while it is suspended.
_STAGES: dict[str, tuple[Stage, Stage]] = {
    "Pending": ("Pending", "Pending"),
    "Blocked": ("Blocked", "Blocked"),
    "Idle": ("Starting", "Idle"),
    "Registration": ("Waiting", "Stopping"),
    "Training": ("Training", "Stopping"),
    "Stopping": ("Stopping", "Stopping"),
    "Complete": ("Complete", "Complete"),
}


def face(seen: Seen) -> Face:
    """The face of a federation."""
    shown = _FACES[stage(seen)](seen)
    waiting = deferral(seen)
    told = [*shown.notes, waiting] if waiting else shown.notes
    return replace(shown, sentence=shown.sentence[:1].upper() + shown.sentence[1:], notes=told)


def _more_is_wanted(seen: Seen) -> bool:
    status, spec = seen.current, seen.spec
    if kept_rounds(seen) is not None:
        return False
    more = goes_on(spec, status) and seen.target > _count(status, "rounds")
    return more or int(spec.get("run") or 0) > _count(status, "run")


def _stalled(status: Document) -> bool:
    return _count(status, "connected") < _count(status, "quorum") or bool(_hindrance(status))


def _hindrance(status: Document) -> str:
    """Why a run that ought to train does not, in the coordinator's words; empty if it does."""
    for condition in _conditions(status):
        lost = condition.get("type") == "Ready" and condition.get("reason") == "BrokerLost"
        if condition.get("status") == "False" and (lost or condition.get("type") == "Training"):
            return str(condition.get("message") or status.get("message") or "The round waits.")
    return ""


def _gone(_seen: Seen) -> Face:
    return Face("Deleted", "cross", "trouble", "This federation was deleted.", "Choose another one above.")


def _pending(seen: Seen) -> Face:
    sentence = seen.current.get("message") or "Its coordinator has not started yet."
    return Face("Pending", "dotted", "wait", sentence, notes=notes(seen.current))


def _blocked(seen: Seen) -> Face:
    told = notes(seen.current)
    said = [_before(str(seen.current.get("message") or ""), told), _beyond_budgets(seen.current)]
    sentence = " ".join(filter(None, said)) or "It cannot run as it is."
    return Face("Blocked", "octagon", "trouble", sentence, notes=told)


def _beyond_budgets(status: Document) -> str:
    reasons = {each.get("reason") for each in _troubles(status) if each.get("type") == "PrivacyBudgetAvailable"}
    if "PrivacyRequired" in reasons:
        return "The run is NON-PRIVATE, which not every hospital allows."
    return "The run asks for more than a hospital's privacy budget allows." if reasons else ""


def _idle(seen: Seen) -> Face:
    done, rounds = _count(seen.current, "round"), seen.target
    if not done:
        return Face("Idle", "ring", "calm", "Nothing runs until Start.")
    return Face("Idle", "ring", "calm", f"Stopped after round {done} of {rounds}. Start goes on from there.")


def _starting(_seen: Seen) -> Face:
    return Face("Starting", "dotted", "busy", "The coordinator takes up the run.")


def _waiting(seen: Seen) -> Face:
    status = seen.current
    hospitals = status.get("hospitals") or []
    missing = [str(h.get("name")) for h in hospitals if h.get("phase") in ("Pending", "Lost", "Refused")]
    wanted = counted(len(hospitals) or len(seen.spec.get("hospitals") or []), "hospital")
    sentence = f"{_count(status, 'connected')} of {wanted} joined; quorum {_count(status, 'quorum')}."
    if missing:
        sentence += f" Missing: {_enumerate(missing)}."
    return Face("Waiting for quorum", "half", "wait", sentence, notes=notes(status))


def _training(seen: Seen) -> Face:
    status = seen.current
    doing = "asked for statistics" if status.get("task") == "Statistics" else "in training"
    sentence = f"{counted(_count(status, 'connected'), 'hospital')} {doing}."
    return Face("Training", "disc", "busy", sentence, notes=notes(status))


def _stalled_face(seen: Seen) -> Face:
    status = seen.current
    sentence, advice = _hindrance(status), ""
    if not sentence:
        sentence = f"The round waits: {_count(status, 'connected')} connected, quorum {_count(status, 'quorum')}."
        advice = "Bring a hospital back, or lower spec.quorum."
    return Face("Stalled", "triangle", "trouble", sentence, advice, notes(status))


def _stopping(_seen: Seen) -> Face:
    return Face("Stopping", "square", "wait", "Stopping after this round; what was collected commits.")


def _complete(seen: Seen) -> Face:
    status = seen.current
    if status.get("task") == "Statistics":
        advice = "They are on their way to MLflow." if _is_recording(status) else ""
        return Face("Complete", "check", "good", f"Run {_count(status, 'run')} has its statistics.", advice)
    sentence = f"Run {_count(status, 'run')} finished {counted(_count(status, 'round'), 'round')}."
    advice = "The model is on its way to MLflow." if _is_recording(status) else ""
    return Face("Complete", "check", "good", sentence, advice)


def _is_recording(status: Document) -> bool:
    """Whether a complete run's result, its model or its statistics, is still to come into an MLflow that there is."""
    recorded = status.get("mlflow")
    if not (recorded or (status.get("endpoints") or {}).get("mlflow")):
        return False
    if status.get("task") == "Statistics":
        return ((recorded or {}).get("settled") or 0) < _count(status, "round")
    return not status.get("model")


_FACES = {
    "Gone": _gone,
    "Pending": _pending,
    "Blocked": _blocked,
    "Idle": _idle,
    "Starting": _starting,
    "Waiting": _waiting,
    "Training": _training,
    "Stalled": _stalled_face,
    "Stopping": _stopping,
    "Complete": _complete,
}


def _before(message: str, told: list[str]) -> str:
    """What a message says before it lists what is told below it; empty if that is all."""
    listed = [at for each in told if (at := message.find(each)) >= 0]
    said = f"{message[: min(listed)].rstrip(' :;')}." if listed else message
    return "" if said == "." else said


def notes(status: Document) -> list[str]:
    """The sentences of what is wrong: each part's, each hospital's, and the conditions that say more than those."""
    reasons = [f"{p.get('component')}: {p.get('message')}" for p in status.get("problems") or []]
    hospitals = [str(h["reason"]) for h in status.get("hospitals") or [] if h.get("reason")]
    reasons += [f"{h.get('name')}: {h['reason']}" for h in status.get("hospitals") or [] if h.get("reason")]
    troubles = [
        str(condition.get("message") or condition.get("reason"))
        for condition in _troubles(status)
        if not (reasons and condition.get("type") in GATHERED) and not _said_by(hospitals, condition)
    ]
    return reasons + troubles


def _troubles(status: Document) -> list[Document]:
    return [
        condition
        for condition in _conditions(status)
        if TROUBLE.get(str(condition.get("type"))) == condition.get("status")
    ]


def _said_by(reasons: list[str], condition: Document) -> bool:
    return any(reason in str(condition.get("message")) for reason in reasons)


def _conditions(status: Document) -> list[Document]:
    return [condition for condition in status.get("conditions") or [] if isinstance(condition, dict)]


def _count(document: dict[str, Any], name: str) -> int:
    return int(document.get(name) or 0)


def _enumerate(names: list[str]) -> str:
    shown = names if len(names) <= 6 else [*names[:5], f"{len(names) - 5} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
