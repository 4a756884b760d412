"""What a run promises its patients, what that has cost so far, and whom it covers. Pure."""

from dataclasses import dataclass, field

from consilia.epsilons import asked, remaining, small, spent
from consilia.experiment import Privacy
from consilia.wording import NON_PRIVATE, counted
from consilia_dashboard.seen import Document, Seen

_DEFAULT = Privacy()


@dataclass(frozen=True)
class Promise:
    """``label`` is for the header, ``share`` (0 to 1) for its bar, ``covers`` always shown, ``explained`` on demand.

    ``noised``: whether hospitals' scores may carry noise; ``mixed``: some do and some do not.
    """

    private: bool
    label: str
    share: float = 0.0
    covers: str = ""
    noised: bool = False
    mixed: bool = False
    explained: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Budget:
    """A cohort's budget on its card: ``text`` is what was spent of it, ``share`` (0 to 1) the same for a bar."""

    text: str
    share: float
    left: str
    explained: str = ""


def asks(spec: Document) -> tuple[float, float]:
    """The epsilon and the delta of the next run; what a spec does not name is as for everybody."""
    privacy = spec.get("privacy") or {}
    epsilon, delta = privacy.get("epsilon"), privacy.get("delta")
    return float(_DEFAULT.epsilon if epsilon is None else epsilon), float(_DEFAULT.delta if delta is None else delta)


def is_private(seen: Seen) -> bool:
    """Whether the run that is shown adds noise: as it says itself, or as the spec says before there is one."""
    status = seen.current
    if int(status.get("run") or 0):
        return bool(status.get("private"))
    return asks(seen.spec)[0] > 0


def promise(seen: Seen) -> Promise:
    """The promise of the run that is shown."""
    if not is_private(seen):
        return Promise(
            private=False,
            label=NON_PRIVATE,
            explained=[
                "Epsilon is 0: what leaves a hospital carries no noise, and can tell of single patients.",
                "For a private run, set spec.privacy.epsilon above 0: usually between 0.5 and 8.",
            ],
        )
    told = seen.current.get("privacy") or {}
    epsilon, delta = asks(seen.spec)
    epsilon, delta = float(told.get("epsilon") or epsilon), float(told.get("delta") or delta)
    cost, replacing = float(told.get("epsilonSpent") or 0), float(told.get("epsilonReplaceOne") or 0)
    covers = _covers(seen)
    most = f"This run costs a patient epsilon {asked(epsilon)} at most, at delta {small(delta)}"
    far = f"So far it is {spent(cost)} at the hospital where it is most"
    return Promise(
        private=True,
        label=f"private: epsilon {spent(cost)} of {asked(epsilon)}",
        # A run goes on as it began though its spec asks for no privacy by now, and its status has yet to say how.
        share=min(1.0, cost / epsilon) if epsilon > 0 else 0.0,
        covers=covers,
        mixed=told.get("holdout") == "mixed",
        noised=told.get("holdout") in ("noised", "mixed"),
        explained=[
            f"{most}, for one record added or removed.",
            f"{far}; {spent(replacing)} for one record replaced by another.",
            covers,
        ],
    )


def _covers(seen: Seen) -> str:
    holdout = (seen.current.get("privacy") or {}).get("holdout")
    if holdout == "exact":
        return "Scores on holdout patients are exact: the promise covers the training patients only."
    if holdout == "mixed":
        exact = [str(h.get("name")) for h in _hospitals(seen) if (h.get("ledger") or {}).get("exact")]
        where = f"At {', '.join(exact)}" if 0 < len(exact) <= 5 else "At some hospitals"
        return f"{where} scores on holdout patients are exact: there the promise covers the training patients only."
    if holdout == "noised":
        return "The promise covers every patient: scores on holdout patients carry noise, and come once, at the end."
    return "Whatever leaves a hospital carries noise."


def budget(hospital: Document) -> Budget:
    """A hospital's budget in a private run: a dash until its agent has told of its ledger."""
    ledger = hospital.get("ledger") or {}
    if not ledger:
        return Budget("–", 0.0, "its ledger is not known yet")
    cost, whole, left = float(ledger["spent"]), float(ledger["budget"]), float(ledger["remaining"])
    told = f"{remaining(left)} remains" if left > 0 else "nothing remains: no further private run is possible"
    this_run = float(ledger.get("runSpent") or 0)
    return Budget(
        text=f"{spent(cost)} of {asked(whole)}",
        share=min(1.0, cost / whole),
        left=f"{told}; this run {spent(this_run)}" if this_run else told,
        explained=f"All runs on these patients together, at delta {small(float(ledger['delta']))}. What remains is the "
        "largest epsilon that a run may still ask for.",
    )


def scores_of(hospital: Document) -> str:
    """How a hospital's scores leave; empty until its agent has told of it."""
    ledger = hospital.get("ledger") or {}
    return ("exact scores" if ledger.get("exact") else "noised scores") if ledger else ""


def kept_rounds(seen: Seen) -> int | None:
    """The target that a private run keeps although the spec asks for more: its noise was calibrated for no more."""
    status, spec = seen.current, seen.spec
    run, kept = int(status.get("run") or 0), int(status.get("rounds") or 0)
    another = int(spec.get("run") or 0) > run
    if not run or another or not is_private(seen) or seen.target <= kept:
        return None
    return kept or None


def deferral(seen: Seen) -> str:
    """Why more rounds have to wait for another run, and how to get it; empty where they do not."""
    kept = kept_rounds(seen)
    if kept is None:
        return ""
    how = "press Start" if seen.current.get("phase") == "Complete" else "once this one is complete, press Start"
    return (
        f"A new run is needed for {counted(int(seen.spec['rounds']), 'round')}: the noise of this run was calibrated "
        f"for fewer, so that its target stays {kept}; {how}."
    )


def short_of(seen: Seen) -> list[str]:
    """Hospitals whose budget does not allow what a new run would ask for, each with what remains: in words."""
    epsilon, _ = asks(seen.spec)
    told = [(str(h.get("name")), h.get("ledger")) for h in _hospitals(seen)]
    return [
        f"{name} has only {remaining(float(ledger['remaining']))} left"
        for name, ledger in told
        if ledger and float(ledger["remaining"]) < epsilon
    ]


def _hospitals(seen: Seen) -> list[Document]:
    return list(seen.current.get("hospitals") or [])
