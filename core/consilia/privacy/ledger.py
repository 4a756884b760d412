"""The rules of a cohort's ledger: what its patients have spent, over all runs and federations, and what is admitted.

* **A run** is admitted where the releases so far plus its *whole* plan are within the budget; what is refused is
  refused before its first round. Admission pins the run's terms: with others (more rounds, say) it must be a new run.
* **Only releases spend.** A run that ends early has not spent the rest of its plan, and reserves nothing meanwhile.
* **A release** is admitted where its run's plan still has one of its kind, and the budget still has room for it. The
  order that makes a kill harmless at any point: (1) the noised bytes go to the outbox, (2) the entry goes to the
  ledger, synced, (3) the bytes are sent. Killed before 2, nothing was sent, and the bytes wait for their entry; after
  2 they count as sent, and :meth:`Ledger.release_of` finds what may be sent again for nothing.
* **Training and holdout** patients are different people, so a patient has spent the larger of two totals, and not
  their sum; unless runs have divided the cohort differently: then somebody may be in both, and it is the sum. Whoever
  was scored exactly has no promise left: a cohort that was, or is to be, is never divided anew.
* **The witness**, kept elsewhere, is the last release that anybody saw: a ledger that does not hold it was rolled back
  or begun anew, and is refused. Without file and witness both, nothing can be told.

Nothing here changes a ledger but :meth:`Ledger.append`, which is called when the line is on the disk.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import floor, log10, sqrt

from consilia.epsilons import rounded_up, small
from consilia.errors import BudgetExceeded, DamagedLedger, IllegalEvent, InvalidPrivacy
from consilia.privacy import gaussian
from consilia.privacy.accounting import Loss
from consilia.privacy.entries import AnyEntry, Created, Opened, Place, Released, Terms, decode
from consilia.privacy.noise_plan import Kind
from consilia.wording import counted

RunKey = tuple[str, int]
"""The UID of a federation, and the number of its run."""
DIGITS = 4
"""In which a sentence tells what is spent."""


@dataclass(frozen=True)
class Budget:
    """What a hospital grants its cohort for life: epsilon above 0, delta between 0 and 1."""

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        gaussian.require_epsilon(self.epsilon, above_zero=True)
        gaussian.require_delta(self.delta)


@dataclass(frozen=True)
class Witness:
    """What somebody else last saw of a ledger: the number and the hash of its last entry then."""

    sequence: int
    head: str


@dataclass(frozen=True)
class Answer:
    """What a release answers, and with what: see :class:`consilia.privacy.entries.Released`."""

    federation: str
    run: int
    round: int
    attempt: int
    participants: str
    order: str
    message: str


@dataclass
class OpenRun:
    """A run of the ledger: the entry that admitted it, and its releases by kind."""

    opened: Opened
    made: Counter[Kind] = field(default_factory=Counter)


@dataclass
class Ledger:
    """The fold of a cohort's entries."""

    cohort: str = ""
    witness: Witness = field(default=Witness(-1, ""))
    training: Loss = field(default_factory=Loss)
    holdout: Loss = field(default_factory=Loss)
    divisions: set[str] = field(default_factory=set)
    exact: bool = False
    runs: dict[RunKey, OpenRun] = field(default_factory=dict)
    hashes: list[str] = field(default_factory=list)
    orders: dict[str, Released] = field(default_factory=dict)

    @classmethod
    def read(cls, lines: bytes | None, source: str, cohort: str, witness: Witness | None) -> "Ledger":
        """The ledger of ``cohort`` from its file (None where there is none), refused where ``witness`` saw another.

        Without file and witness it is one without entries, which :meth:`create` begins.
        """
        ledger = cls()
        if lines is not None:
            for entry in decode(lines, source):
                ledger.append(entry)
            if ledger.cohort != cohort:
                raise DamagedLedger(f"{source} is of cohort {ledger.cohort}, not of {cohort}: mount its own volume")
        ledger._require_holds(witness, source)
        return ledger

    @property
    def place(self) -> Place:
        """Where the next entry goes."""
        return Place(len(self.hashes), self.hashes[-1]) if self.hashes else Place()

    def create(self, cohort: str, nonce: str, at: str) -> Created:
        """The first entry, of a ledger without any; ``nonce``: 64 hexadecimal digits from the system's generator."""
        if self.hashes:
            raise IllegalEvent(f"the ledger of cohort {self.cohort} is there already: it is created once")
        return Created(sequence=0, previous=self.place.previous, at=at, cohort=cohort, nonce=nonce)

    def open_run(self, federation: str, name: str, run: int, terms: Terms, budget: Budget, at: str) -> Opened | None:
        """The entry that admits a run; None where it was admitted already, on the same terms.

        ``federation`` is its UID. Raises :class:`BudgetExceeded` where the whole run does not fit into the budget, or
        where it was admitted on other terms.
        """
        place = self._place_after_creation()
        known = self.runs.get((federation, run))
        if known is not None:
            if known.opened.terms != terms:
                raise BudgetExceeded(
                    f"run {run} of federation {name} has begun with {_told(known.opened.terms)}, and its noise is "
                    f"calibrated for that; for {_told(terms)} start a new run"
                )
            return None
        self._require_no_exact_patient_is_moved(terms)
        losses = [planned.loss for kind, planned in terms.planned.items() if kind != "evaluate"]
        held = [planned.loss for kind, planned in terms.planned.items() if kind == "evaluate"]
        self._require_room(
            Loss.sum(losses),
            Loss.sum(held),
            self.divisions | {terms.division},
            budget,
            f"run {run} of federation {name} asks for epsilon {terms.epsilon:g} (delta {small(terms.delta)})",
            terms.delta,
        )
        return Opened(
            sequence=place.sequence,
            previous=place.previous,
            at=at,
            federation=federation,
            name=name,
            run=run,
            terms=terms,
        )

    def release(self, kind: Kind, answer: Answer, budget: Budget, at: str) -> Released:
        """The entry of a release, which is on the disk before its bytes are sent.

        Raises :class:`BudgetExceeded` where the run's plan, or the budget, has no such release left, and
        :class:`IllegalEvent` where the run was not admitted.
        """
        place = self._place_after_creation()
        run = self.runs.get((answer.federation, answer.run))
        if run is None:
            raise IllegalEvent(
                f"run {answer.run} of federation {answer.federation} is not in the ledger: open it first"
            )
        planned = run.opened.terms.planned.get(kind)
        what = f"run {answer.run} of federation {run.opened.name}"
        if planned is None or run.made[kind] >= planned.times:
            times = planned.times if planned else 0
            raise BudgetExceeded(
                f"{what} has made {counted(times, f'{kind} release')} and its noise was calibrated for no more: "
                "start a new run"
            )
        one = Loss.of(planned.event)
        in_training = kind != "evaluate"
        self._require_room(
            one if in_training else Loss(),
            Loss() if in_training else one,
            self.divisions,
            budget,
            f"release {run.made[kind] + 1} of kind {kind} of {what} asks for more",
            run.opened.terms.delta,
        )
        return Released(
            sequence=place.sequence,
            previous=place.previous,
            at=at,
            federation=answer.federation,
            run=answer.run,
            round=answer.round,
            attempt=answer.attempt,
            kind=kind,
            mechanism=planned.noise.mechanism,
            sensitivity=planned.sensitivity,
            scale=planned.noise.scale,
            participants=answer.participants,
            order=answer.order,
            message=answer.message,
        )

    def release_of(self, order: str) -> Released | None:
        """The last release that answered this order: bytes of its ``message`` may be sent again, and no others."""
        return self.orders.get(order)

    def append(self, entry: AnyEntry) -> None:
        """Fold in an entry that is on the disk. Raises :class:`DamagedLedger` where it does not belong there."""
        place = self.place
        if not entry.goes(place):
            raise DamagedLedger(f"entry {entry.sequence} does not follow entry {place.sequence - 1} of the ledger")
        match entry:
            case Created():
                self.cohort = entry.cohort
            case Opened():
                self.runs[entry.federation, entry.run] = OpenRun(entry)
                self.divisions.add(entry.terms.division)
                self.exact = self.exact or entry.terms.holdout == "exact"
            case Released():
                if (entry.federation, entry.run) not in self.runs:
                    raise DamagedLedger(
                        f"entry {entry.sequence} is a release of run {entry.run} of federation {entry.federation}, "
                        "which the ledger did not admit: restore the file; nothing is sent"
                    )
                self._spend(entry)
        self.hashes.append(entry.hash)
        self.witness = Witness(entry.sequence, entry.hash)

    def spent(self, delta: float) -> float:
        """Epsilon at ``delta`` of the patient who has spent most."""
        return max(loss.epsilon(delta) for loss in _totals(self.training, self.holdout, self.divisions))

    def spent_replacing(self, delta: float) -> float:
        """The same, where a record is replaced by another one."""
        return max(loss.replacing(delta) for loss in _totals(self.training, self.holdout, self.divisions))

    def remaining(self, budget: Budget, delta: float, divisions: Iterable[str] = ()) -> float:
        """The largest epsilon at ``delta`` that a run with Gaussian noise may still ask for; 0 where none is left.

        Not the difference of budget and spent: losses compose to less than their sum. ``divisions``: those of the run,
        where the cohort is divided otherwise than so far.
        """
        divided = self.divisions.union(divisions)

        def fits(mu: float) -> bool:
            more = Loss(gaussian=mu * mu)
            losses = _totals(self.training + more, self.holdout + more, divided)
            return all(loss.within(budget.epsilon, budget.delta) for loss in losses)

        high = gaussian.mu_of(budget.epsilon, budget.delta)
        # Squared mus add up: where all noise is Gaussian this is the answer, and nothing has to be searched for.
        most = max(loss.mu for loss in _totals(self.training, self.holdout, divided))
        mu = sqrt(max(0.0, (high * (1 - gaussian.LOOSE)) ** 2 - most * most))
        if self.training.pure + self.holdout.pure > 0 or not fits(mu):
            if not fits(0.0):
                return 0.0
            mu = high if fits(high) else gaussian.largest(0.0, high, fits)
        return gaussian.epsilon_of(mu * (1 - 4 * gaussian.LOOSE), delta)

    def _spend(self, entry: Released) -> None:
        self.runs[entry.federation, entry.run].made[entry.kind] += 1
        loss = Loss.of(entry.planned.event)
        if entry.kind == "evaluate":
            self.holdout += loss
        else:
            self.training += loss
        self.orders[entry.order] = entry

    def _place_after_creation(self) -> Place:
        if not self.hashes:
            raise IllegalEvent("the ledger has no entry yet: create it first")
        return self.place

    def _require_no_exact_patient_is_moved(self, terms: Terms) -> None:
        divisions = self.divisions | {terms.division}
        if len(divisions) > 1 and (self.exact or terms.holdout == "exact"):
            raise InvalidPrivacy(
                f"cohort {self.cohort} would be divided anew ({terms.division}), and patients scored without noise "
                "would be among those trained on with a promise: keep its holdout, its kind of source and the column "
                "of its patients as they were"
            )

    def _require_room(
        self, training: Loss, holdout: Loss, divisions: Iterable[str], budget: Budget, asks: str, delta: float
    ) -> None:
        totals = _totals(self.training + training, self.holdout + holdout, divisions)
        if all(loss.within(budget.epsilon, budget.delta) for loss in totals):
            return
        spent = rounded_up(self.spent(budget.delta), DIGITS)
        remaining = rounded_down(self.remaining(budget, delta, divisions))
        advice = f"ask for epsilon {remaining:g} or less, or have" if remaining > 0 else "have"
        raise BudgetExceeded(
            f"{asks}; of the budget of cohort {self.cohort} (epsilon {budget.epsilon:g} at delta {small(budget.delta)},"
            f" for its whole life) {spent:g} is spent, and a run of at most epsilon {remaining:g} "
            f"fits: {advice} the hospital raise the cohort's budget"
        )

    def _require_holds(self, witness: Witness | None, source: str) -> None:
        if witness is None:
            return
        if not self.hashes:
            raise DamagedLedger(
                f"{source} is missing, and entry {witness.sequence} of it was seen elsewhere: restore it; without it "
                "nobody knows what these patients have spent, so nothing is sent"
            )
        last = len(self.hashes) - 1
        if last < witness.sequence:
            raise DamagedLedger(
                f"{source} ends with entry {last}, and entry {witness.sequence} of it was seen elsewhere: it was "
                "rolled back; restore the newest copy"
            )
        if self.hashes[witness.sequence] != witness.head:
            raise DamagedLedger(
                f"{source} has another entry {witness.sequence} than was seen elsewhere: it was rolled back or begun "
                "anew, and went on; restore the one that was seen"
            )


def _totals(training: Loss, holdout: Loss, divisions: Iterable[str]) -> tuple[Loss, ...]:
    """What patients have spent: two kinds of them while everybody keeps their side, and one who may be both after."""
    return (training, holdout) if len(set(divisions)) < 2 else (training + holdout,)


def _told(terms: Terms) -> str:
    times = ", ".join(f"{each.times} x {each.kind}" for each in terms.releases)
    return f"epsilon {terms.epsilon:g}, delta {small(terms.delta)} and {times}"


def rounded_down(value: float) -> float:
    """To three digits, never up: whoever asks for what they were told must get it. What has no more stays."""
    if value <= 0:
        return 0.0
    if value == float(f"{value:.3g}"):
        return value
    unit = 10.0 ** (floor(log10(value)) - 2)
    return float(f"{floor(value / unit) * unit:.3g}")
