"""Where a federation stands: what its coordinator says, put together with what only the cluster can tell. Pure.

The status, its conditions and its message are all computed from this.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from pydantic import ValidationError

from consilia.bounds import DIGITS
from consilia.epsilons import rounded_up
from consilia.plan import BROKER, COORDINATOR
from consilia.spec import Federation
from consilia.status import FederationStatus, HospitalCounts, HospitalStatus, Phase
from consilia.wording import NON_PRIVATE, counted, first_of
from consilia_operator.images import KEPT as IMAGE_KEPT
from consilia_operator.naming import Manifest
from consilia_operator.outcome import Reconciled
from consilia_operator.problems import Problem, time_of
from consilia_operator.reasons import OF_A_HOSPITAL, Reason
from consilia_operator.resources.storage import KEPT as STORAGE_KEPT
from consilia_operator.wishes import more_is_wished, wished_run

MOST_TOLD = 5
"""Hospitals that one sentence names with their reasons; the rest are counted."""
ESSENTIAL = (BROKER, COORDINATOR)
"""Parts without which no round goes on; without tracking they do, and it catches up."""
RESTING: tuple[Phase, ...] = ("Idle", "Complete")
PRESENT = ("Ready", "Training", "Sent")
PASSING = (Reason.STARTING.value, Reason.POD_RESTARTED.value)
"""What is over by itself: nothing is blocked by it."""
KEPT = (IMAGE_KEPT, STORAGE_KEPT, Reason.EXECUTOR_MISSING.value)
"""What hinders nothing: a wish that is not followed, or not all of it, and what there is goes on."""
SKEW = timedelta(seconds=5)
"""How far the clocks of two nodes may be apart."""


@dataclass(frozen=True)
class Trouble:
    """Why one hospital or part does not do its share."""

    reason: str
    sentence: str


@dataclass(frozen=True)
class Standing:
    """A federation as it stands.

    ``base`` is what its coordinator said last; ``heard``: whether it ever said anything; ``silence``: why it does not
    answer now.
    """

    federation: Federation
    base: FederationStatus
    heard: bool
    silence: str | None
    admission: dict[str, Problem]
    short: dict[str, Problem]
    of_pods: list[Problem]

    @classmethod
    def of(
        cls, reconciled: Reconciled, said: FederationStatus | None, silence: str | None, before: Manifest
    ) -> "Standing":
        """``said`` is what the coordinator told this process; without it what ``before``, the last status, knows."""
        base = said or read_back(before) or FederationStatus(rounds=reconciled.federation.spec.target)
        return cls(
            federation=reconciled.federation,
            base=base,
            heard=base.run > 0,
            silence=silence,
            admission=reconciled.admission.problems,
            short=reconciled.admission.short,
            of_pods=_gravest(reconciled.pod_problems),
        )

    @property
    def quorum(self) -> int:
        """Fewest hospitals of a round."""
        return self.federation.spec.effective_quorum()

    @property
    def wished_run(self) -> int:
        """The run that the spec asks for; never one that is over."""
        return wished_run(self.federation, self.base.run)

    @property
    def parts(self) -> list[Problem]:
        """What is wrong with the federation's own parts."""
        return [problem for problem in self.of_pods if problem.hospital is None]

    @property
    def essential(self) -> list[Problem]:
        """What is wrong with those parts without which no round goes on."""
        return [each for each in self.parts if each.component in ESSENTIAL and each.reason not in KEPT]

    @cached_property
    def hospitals(self) -> list[HospitalStatus]:
        """Every hospital of the spec with what is wrong with it, in the order of names."""
        known = {hospital.name: hospital for hospital in self.base.hospitals}
        return [
            self._hospital(known.get(name, HospitalStatus(name=name))) for name in self.federation.spec.hospital_names
        ]

    def _hospital(self, seen: HospitalStatus) -> HospitalStatus:
        problem = self.of_cohort(seen) or self._of_pod(seen)
        # Signs of life are the coordinator's to show: here they would cost an idle federation writes for nothing.
        seen = seen.model_copy(update={"last_seen": None})
        if problem is None:
            return seen
        phase = seen.phase
        if seen.name in self.admission:
            phase = "Pending" if problem.reason == Reason.COHORT_BUSY else "Refused"
        reason = problem.message
        if problem.reason in KEPT and seen.reason is not None:
            reason = f"{seen.reason}; {reason}"
        return seen.model_copy(update={"phase": phase, "problem": problem.reason, "reason": reason})

    def of_cohort(self, hospital: HospitalStatus) -> Problem | None:
        """Why its cohort may not be used; or, until its ledger has told itself, that too little is expected there."""
        told = hospital.ledger is not None or hospital.phase == "Refused" or self.base.round > 0
        return self.admission.get(hospital.name) or (None if told else self.short.get(hospital.name))

    def _of_pod(self, seen: HospitalStatus) -> Problem | None:
        """What its pod tells. A container that runs again is well once the coordinator has heard of it since."""
        told = [problem for problem in self.of_pods if problem.hospital == seen.name]
        problem = min(told, key=lambda each: each.reason in KEPT, default=None)
        if problem is None or problem.at is None:
            return problem
        back = seen.phase in PRESENT and self.silence is None
        explains = seen.last_seen is None or problem.at >= time_of(seen.last_seen) - SKEW
        return problem if explains and not back else None

    @property
    def private(self) -> bool:
        """Whether the current run is, or the one that is asked for before there is any."""
        return self.base.privacy is not None if self.heard else self.federation.spec.privacy.private

    @property
    def privacy_label(self) -> str:
        """What the current run has cost so far, for people."""
        spent = self.base.privacy.epsilon_spent if self.base.privacy is not None else 0.0
        return f"{rounded_up(spent, DIGITS):g}" if self.private else NON_PRIVATE

    @property
    def counts(self) -> HospitalCounts:
        """How many hospitals are in each phase."""
        return HospitalCounts(**Counter(hospital.phase.lower() for hospital in self.hospitals))

    @cached_property
    def troubles(self) -> list[Trouble]:
        """Every hospital that is lost or cannot take part. At rest a cohort may be lent to another federation."""
        told = []
        for hospital in self.hospitals:
            if hospital.problem == Reason.COHORT_BUSY and self.phase in RESTING:
                continue
            if hospital.problem not in (None, *KEPT):
                told.append(Trouble(str(hospital.problem), f"{hospital.name}: {hospital.reason}"))
            elif hospital.phase in ("Lost", "Refused"):
                reason = Reason.HOSPITAL_LOST if hospital.phase == "Lost" else Reason.DATA_REFUSED
                told.append(Trouble(reason.value, f"{hospital.name}: {hospital.reason or 'gone'}"))
        return told

    @property
    def more_is_wished(self) -> bool:
        """Whether a run is complete and the spec asks for another, or for more rounds, that is not taken up yet."""
        spec = self.federation.spec
        # Another task waits for another run.
        wished = more_is_wished(self.wished_run, spec.target if spec.task == self.base.task else 0, self.base)
        return self.base.phase == "Complete" and wished

    @property
    def ignored_run(self) -> int | None:
        """The spec's run, where it is over."""
        wished = self.federation.spec.run
        return wished if wished is not None and wished < self.base.run else None

    @cached_property
    def phase(self) -> Phase:
        """One word for people."""
        rests = self.base.phase in RESTING
        if self.more_is_wished:
            rests = self.federation.spec.suspend
        if not rests and (self._cannot_start or self.below_quorum):
            return "Blocked"
        if self.more_is_wished:
            return "Idle" if rests else "Pending"
        return self.base.phase

    @property
    def _cannot_start(self) -> bool:
        return any(problem.reason not in PASSING for problem in self.essential)

    @property
    def below_quorum(self) -> bool:
        """Whether so few hospitals can take part that no round can commit until somebody does something."""
        usable = [h for h in self.hospitals if h.phase != "Refused" and h.problem in (None, *PASSING, *KEPT)]
        return len(usable) < self.quorum

    @property
    def message(self) -> str:
        """What happens now, or why nothing does, as a sentence."""
        if self.phase not in RESTING and self._hindrance:
            return self._hindrance
        if self.more_is_wished:
            return self._wish
        if self.base.phase == "Registration":
            problems = [f"{h.name}: {h.reason}" for h in self.hospitals if h.problem not in (None, *KEPT)]
            return "; ".join(filter(None, [self.base.message, listed(problems)]))
        return self.base.message or f"its broker, its coordinator and {counted(len(self.hospitals), 'hospital')} start"

    @property
    def _hindrance(self) -> str | None:
        """Why what is wished cannot be done now, where the coordinator does not know."""
        if self.essential:
            return "; ".join(problem.sentence for problem in self.essential)
        if self.below_quorum:
            return f"the quorum of {self.quorum} cannot be reached: {listed(each.sentence for each in self.troubles)}"
        if self.silence is not None:
            return self.silence if self.heard else f"starting; {self.silence}"
        return None

    @property
    def _wish(self) -> str:
        done = f"run {self.base.run} is complete: {counted(self.base.round, 'round')}"
        spec = self.federation.spec
        wish = f"run {self.wished_run}" if self.wished_run > self.base.run else spec.work
        return f"{done}; {wish} {'wait for Start' if spec.suspend else 'asked for, about to start'}"


def _gravest(problems: Iterable[Problem]) -> list[Problem]:
    """One problem a component: what hinders nothing comes last."""
    ordered = sorted(problems, key=lambda problem: problem.reason not in KEPT)
    return sorted({problem.component: problem for problem in ordered}.values(), key=lambda problem: problem.component)


def listed(sentences: Iterable[str]) -> str:
    """The first few sentences, and how many more there are."""
    return "; ".join(first_of(list(sentences), MOST_TOLD))


def common_reason(troubles: Iterable[Trouble], otherwise: Reason) -> str:
    """The one reason of all troubles, or ``otherwise`` where there are several."""
    reasons = {trouble.reason for trouble in troubles}
    return reasons.pop() if len(reasons) == 1 else otherwise.value


def read_back(written: Manifest) -> FederationStatus | None:
    """What the coordinator had said, from a status that an operator wrote; None where there is none."""
    status = read(written)
    return None if status is None else _as_the_coordinator_said(status)


def read(written: Manifest) -> FederationStatus | None:
    """A status that an operator wrote. Another version may have known other fields: what cannot be read is left out."""
    known = {
        name: written[name]
        for name in (field.alias or name for name, field in FederationStatus.model_fields.items())
        if written.get(name) is not None
    }
    if not known:
        return None
    try:
        return FederationStatus.model_validate(known)
    except ValidationError as error:
        unread = {each["loc"][0] for each in error.errors()}
        return FederationStatus.model_validate({name: value for name, value in known.items() if name not in unread})


def _as_the_coordinator_said(status: FederationStatus) -> FederationStatus:
    """Without what was added to it. Whether no round can commit is found again from what else is known."""
    hospitals = [_cleared(hospital, heard=status.run > 0) for hospital in status.hospitals]
    changes: dict[str, object] = {"hospitals": hospitals, "problems": []}
    if status.phase == "Blocked":
        changes |= {"phase": "Pending", "message": ""}
    return status.model_copy(update=changes)


def _cleared(hospital: HospitalStatus, *, heard: bool) -> HospitalStatus:
    if hospital.problem is None or (heard and hospital.phase == "Refused" and hospital.problem in OF_A_HOSPITAL):
        return hospital
    phase = "Pending" if hospital.phase == "Refused" else hospital.phase
    return hospital.model_copy(update={"problem": None, "reason": None, "phase": phase})
