"""Who guards a cohort's patients: admits runs, counts releases before they leave, and tells what is left.

The hospital's side of the ledger (:mod:`consilia.privacy.ledger` has its rules). A run is admitted by what this
hospital grants, whatever the federation asks: no budget, no private run; NON-PRIVATE only where the Cohort allows it.
The ledger is held from the first private run on, for as long as the process lives.
"""

import threading
from collections.abc import Callable
from pathlib import Path

from consilia.consent import division_of, require_consent
from consilia.errors import BudgetExceeded, InvalidMessage, InvalidSetting
from consilia.privacy import ledger as rules
from consilia.privacy.entries import BEFORE_THE_FIRST, Released, Terms
from consilia.privacy.ledger import Budget, Ledger, RunKey, Witness
from consilia.privacy.noise_plan import Kind
from consilia.protocol import Order, PrivacyTerms, RunSettings
from consilia.spec import Cohort
from consilia.status import LedgerState, LedgerWitness
from consilia_agents.disk import Disk
from consilia_agents.ledger_file import LedgerFile, nonce, now
from consilia_agents.ledger_state import state_of

KINDS: tuple[Kind, ...] = ("centre", "train", "evaluate", "statistics")


class Custodian:
    """The guard of one cohort. Blocking, and safe to call from several threads.

    ``folder`` is the ledger's, ``cap`` what this process lets one run ask for at most (0: no such cap).
    """

    def __init__(
        self,
        cohort: Cohort,
        folder: Path | None,
        cap: float = 0.0,
        disk: Disk | None = None,
        clock: Callable[[], str] = now,
        draw: Callable[[], str] = nonce,
    ) -> None:
        self._cohort = cohort
        self._name = cohort.metadata.name
        self._hospital = cohort.spec.hospital
        self._spec = cohort.spec
        self._division = division_of(cohort)
        self._folder = folder
        self._cap = cap
        self._disk = disk
        self._clock = clock
        self._draw = draw
        self._file: LedgerFile | None = None
        self._run: RunKey | None = None
        self._terms: PrivacyTerms | None = None
        self._room: tuple[Order, Released] | None = None
        self._state: LedgerState | None = None
        self._mutex = threading.Lock()

    @property
    def state(self) -> LedgerState | None:
        """The ledger as it is now; None before the first private run."""
        return self._state

    def admit(self, settings: RunSettings, witness: LedgerWitness | None) -> None:
        """Admit a run, or refuse it with a sentence; nothing is computed for one that was not admitted.

        Reads the ledger anew, which must hold ``witness``. Raises :class:`BudgetExceeded`,
        :class:`consilia.errors.InvalidPrivacy` and what :class:`LedgerFile` raises.
        """
        with self._mutex:
            terms = settings.privacy
            self._run = self._terms = self._room = None
            require_consent(self._cohort, terms, self._cap)
            if terms is None:
                return
            budget = self._budget()
            plan = terms.noise(noised_holdout=self._noised)
            file = self._hold(None if witness is None else Witness(witness.sequence, witness.head))
            opened = file.ledger.open_run(
                terms.uid, terms.name, terms.run, Terms.of(plan, self._division), budget, self._clock()
            )
            if opened is not None:
                file.append(opened)
            self._run, self._terms = (terms.uid, terms.run), terms
            self._tell(file.ledger, budget)

    def counted(self, order: Order, message: str) -> bool:
        """Whether bytes of this SHA-256 are in the ledger as the last answer to this very order: they are free."""
        with self._mutex:
            release = self._held().ledger.release_of(order.key)
            return release is not None and release.message == message

    def releases(self, order: Order) -> bool:
        """Whether the answer to this order is a release: all are, but for the scores of a holdout that is exact."""
        return order.task != "evaluate" or self._noised

    def require_room(self, order: Order, terms: PrivacyTerms) -> None:
        """Refuse, before anything is computed, an order for whose answer there is no room.

        ``terms`` are those by which its noise is drawn. Raises :class:`BudgetExceeded`, or :class:`InvalidMessage`
        where they, or the order, are of another run than was admitted.
        """
        with self._mutex:
            self._room = (order, self._entry(self._held().ledger, order, terms, BEFORE_THE_FIRST))

    def release(self, order: Order, terms: PrivacyTerms, message: str, keep: Callable[[LedgerState], None]) -> None:
        """Count bytes of this SHA-256, noised by ``terms``, which are about to leave for good to answer ``order``.

        ``keep`` puts them on the disk together with the ledger as it will be; then the entry is written, synced. Only
        when this has returned may they be sent.
        """
        with self._mutex:
            file = self._held()
            entry = self._due(file.ledger, order, terms, message)
            state = state_of(file.ledger, self._budget(), self._run, self._division, exact=not self._noised, then=entry)
            keep(state)
            file.append(entry)
            self._state = state

    def close(self) -> None:
        """Let go of the ledger, for good."""
        with self._mutex:
            if self._file is not None:
                self._file.close()

    @property
    def _noised(self) -> bool:
        return self._spec.holdout.metrics == "noised"

    def _budget(self) -> Budget:
        budget = self._spec.budget
        if budget is None:
            raise BudgetExceeded(f"cohort {self._name} of hospital {self._hospital} has no budget")
        return Budget(budget.epsilon, budget.delta)

    def _hold(self, witness: Witness | None) -> LedgerFile:
        if self._folder is None:
            raise InvalidSetting(
                f"hospital {self._hospital} has no ledger, as its CONSILIA_LEDGER is not set: it takes part in no "
                "private run before it names a folder"
            )
        if self._file is None:
            cohort = f"{self._hospital}/{self._name}"
            self._file = LedgerFile(self._folder, cohort, witness, self._disk, self._clock, self._draw)
        else:
            self._file.read(witness)
        return self._file

    def _held(self) -> LedgerFile:
        if self._file is None:
            raise InvalidMessage("an order of a private run came before the run was admitted")
        return self._file

    def _entry(self, ledger: Ledger, order: Order, terms: PrivacyTerms, message: str) -> Released:
        # What is counted is the plan of the run that was admitted last: noise of any other's is not what leaves.
        if self._run != (order.federation, order.run) or self._terms != terms:
            raise InvalidMessage(
                f"an order of run {order.run} of federation {order.federation} came with the settings of another run"
            )
        kind = next((kind for kind in KINDS if kind == order.task), None)
        if kind is None:
            raise InvalidMessage(f"an order asks for {order.task}, which is not in the plan of this private run")
        answer = rules.Answer(
            order.federation, order.run, order.round, order.attempt, order.participants, order.key, message
        )
        return ledger.release(kind, answer, self._budget(), self._clock())

    def _due(self, ledger: Ledger, order: Order, terms: PrivacyTerms, message: str) -> Released:
        """The entry for which room was found, where nothing was appended or admitted since; else it is looked for."""
        room, self._room = self._room, None
        if room is not None and room[0] is order and self._terms is terms and room[1].goes(ledger.place):
            return room[1].model_copy(update={"at": self._clock(), "message": message})
        return self._entry(ledger, order, terms, message)

    def _tell(self, ledger: Ledger, budget: Budget) -> None:
        self._state = state_of(ledger, budget, self._run, self._division, exact=not self._noised)
