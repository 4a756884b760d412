"""Start, Stop and Rounds as edits of a federation's spec: what each does, said before and after. Pure.

They touch ``suspend``, ``rounds`` and ``run`` and nothing else.
"""

from dataclasses import dataclass

from consilia import edits
from consilia.epsilons import asked
from consilia.errors import Refusal
from consilia.wording import NON_PRIVATE, counted, first_of
from consilia_dashboard.faces import stage
from consilia_dashboard.promise import asks, is_private, short_of
from consilia_dashboard.seen import Document, Seen


class NothingToDo(Refusal):
    """The federation is already where the command would bring it."""


class InvalidRounds(Refusal):
    """The target is not a number of rounds."""


@dataclass(frozen=True)
class Command:
    """An edit of the spec, and the sentence that answers whoever asked for it."""

    spec: Document
    message: str


def can_start(seen: Seen) -> bool:
    """Whether Start would change anything."""
    where = stage(seen)
    return where in ("Idle", "Complete") or (where in ("Pending", "Blocked") and bool(seen.spec.get("suspend")))


def can_stop(seen: Seen) -> bool:
    """Whether Stop would change anything."""
    return stage(seen) in ("Pending", "Blocked", "Starting", "Waiting", "Training", "Stalled") and not seen.spec.get(
        "suspend"
    )


def start_does(seen: Seen) -> str:
    """What Start would do, as the beginning of a sentence: "Starts run 1"."""
    status = seen.current
    run, done = int(status.get("run") or 0), int(status.get("round") or 0)
    if stage(seen) == "Complete":
        fresh = "" if seen.spec.get("task") == edits.STATISTICS else " from a fresh model"
        return f"Start begins run {edits.next_run(seen.spec.get('run'), run)}{fresh}"
    return f"Start resumes run {run} after round {done}" if done else f"Start begins run {max(run, 1)}"


def start_with(seen: Seen) -> str:
    """With whom and how privately: "5 hospitals, epsilon 1.0"."""
    epsilon, _ = asks(seen.spec)
    told = f"epsilon {asked(epsilon)}" if epsilon > 0 else NON_PRIVATE
    return f"{counted(len(seen.spec.get('hospitals') or []), 'hospital')}, {told}"


def start_lacks(seen: Seen) -> str:
    """Whose budget does not allow the run that Start would begin, as a sentence; empty where all of them do."""
    begins = stage(seen) == "Complete" or not int(seen.current.get("round") or 0)
    short = short_of(seen) if begins else []
    if not short:
        return ""
    return f"{'; '.join(first_of(short, 3))}: ask there for a larger budget, or lower spec.privacy.epsilon."


def start(seen: Seen, rounds: str | None) -> Command:
    """Start, or resume; ``rounds``, when given, becomes the target in the same edit."""
    if not can_start(seen):
        raise NothingToDo(f"it is {stage(seen).lower()} already: Start has nothing to do")
    spec = edits.start(seen.spec, seen.current, parse_rounds(rounds) if rounds else None)
    target = int(spec.get("rounds", seen.spec.get("rounds")) or 0)
    what = "statistics" if seen.spec.get("task") == edits.STATISTICS else counted(target, "round")
    return Command(spec, f"Starting: {what}, {start_with(seen)}.")


def stop(seen: Seen) -> Command:
    """Stop after the round in progress."""
    if not can_stop(seen):
        raise NothingToDo(f"it is {stage(seen).lower()}: Stop has nothing to do")
    after = stage(seen) in ("Training", "Stalled")
    return Command(edits.stop(), "Stopping after this round." if after else "Stopping.")


def set_rounds(seen: Seen, rounds: str) -> Command:
    """Set the target: above the current round it goes on to there, below it ends there."""
    target, done = parse_rounds(rounds), int(seen.current.get("round") or 0)
    if target == seen.spec.get("rounds"):
        raise NothingToDo(f"the target is {counted(target, 'round')} already")
    told = f"The target is now {counted(target, 'round')}"
    if stage(seen) in ("Training", "Stalled", "Waiting") and target <= done:
        return Command({"rounds": target}, f"{told}: the run ends here.")
    held = int(seen.current.get("rounds") or 0)
    if int(seen.current.get("run") or 0) and is_private(seen) and target > held:
        return Command(
            {"rounds": target},
            f"{told}: if this run's noise was calibrated for fewer, a new run is needed for them.",
        )
    if stage(seen) == "Complete" and target > done:
        return Command({"rounds": target}, f"{told}: the run goes on.")
    return Command({"rounds": target}, f"{told}.")


def parse_rounds(text: str) -> int:
    """Read a number of rounds as typed."""
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdigit() and len(stripped) <= 9 and int(stripped) >= 1):
        raise InvalidRounds(f'rounds is "{text[:20]}": type a whole number of at least 1')
    return int(stripped)
