"""When a hospital's table is read again, and what follows from a look at it: the same for every engine.

A look's findings go to a report at the hospital (:mod:`consilia_agents.data_report`). What may be told of them differs:
in a NON-PRIVATE run a verdict against the table is a refusal; in a private run it stays in the report, as whoever sees
a refusal could learn of a patient (docs/adr/0017).

The table is pinned for a run by its fingerprint at the first look that accepts it. Another fingerprint in the same run
is refused in either kind of run, for the model would be of no table that ever was.
"""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from consilia.errors import InvalidData, Unwritable
from consilia.experiment import Features, Model
from consilia.model import LOGISTIC, Family, family_of
from consilia.spec import Cohort
from consilia_agents.data_report import report
from consilia_agents.disk import Disk
from consilia_agents.findings import Findings, verdict
from consilia_agents.ledger_file import now

logger = logging.getLogger(__name__)

REPORT, PIN = "data-check.json", "fingerprint.json"


@dataclass(frozen=True)
class Question:
    """What a look is for: which columns, in which units, by which model's rules (None: of statistics), and whether
    answers have noise."""

    features: Features
    family: Family | None
    private: bool

    @classmethod
    def of(cls, features: Features, model: Model | None, *, private: bool) -> Self:
        """The question of a run that learns this model, or none."""
        return cls(features, None if model is None else family_of(model, features), private)

    @property
    def trained(self) -> Family:
        """What a trainer is made for. Where nothing is learned nobody asks it for anything that depends on it."""
        return LOGISTIC if self.family is None else self.family

    @property
    def columns(self) -> tuple[tuple[str, str | None], ...]:
        """What makes other rows, or the same in other units."""
        label = (self.features.label, self.features.outcome.unit if self.features.outcome else None)
        return (*((feature.name, feature.unit) for feature in self.features.codebook), label)


@dataclass(frozen=True)
class Seen:
    """What one look saw. ``stamp`` is the source's from before it was read; ``notes`` stay at the hospital."""

    question: Question
    findings: Findings
    fingerprint: str
    stamp: str | None
    notes: tuple[str, ...] = ()


class Looks:
    """The looks of one hospital's process at its table; ``folder`` is its state's, without which nothing is kept.

    Told of its run from the event loop and asked from the thread that works, never from two of those.
    """

    def __init__(
        self, cohort: Cohort, folder: Path | None = None, disk: Disk | None = None, clock: Callable[[], str] = now
    ) -> None:
        self._cohort = cohort
        self._folder = folder
        self._disk = disk or Disk()
        self._clock = clock
        self._run: tuple[str, int] | None = None
        self._held: tuple[Seen, tuple[str, int] | None] | None = None
        self._share: float | None = None

    @property
    def reading(self) -> float | None:
        """The share of the table that was read, from 0 to 1 in whole percents, while it is read."""
        return self._share

    def enter(self, federation: str, run: int | None) -> None:
        """From here on, looks are for this run of the federation with this uid; None where it is not known yet."""
        if run is not None:
            self._run = (federation, run)

    def progress(self, share: float) -> None:
        """See :data:`consilia_agents.sources.extract.Progress`."""
        self._share = round(min(max(share, 0.0), 1.0), 2)

    def stand(self, question: Question, stamp: str | None) -> bool:
        """Whether the rows of the last look are those that the run is pinned to; else the table must be read again.

        It is for other columns, or when it changed, or for another run where only reading tells. Raises
        :class:`InvalidData` where the run is pinned to another table.
        """
        if self._held is None:
            return False
        seen, run = self._held
        if seen.question != question or seen.stamp != stamp:
            return False
        if run != self._run:
            if stamp is None and run is not None:
                return False
            self._held = None
            self._pin(seen)
            self._held = (seen, self._run)
        return True

    def begin(self) -> None:
        """A look begins: what was seen before stands no more."""
        self._held = None
        self._share = 0.0

    def end(self) -> None:
        """A look has ended, however it did."""
        self._share = None

    def accept(self, seen: Seen) -> None:
        """Keep the report of a look, and refuse what may be refused: :class:`InvalidData`."""
        question, hospital = seen.question, self._cohort.spec.hospital
        judged = verdict(seen.findings, question.features, self._cohort.spec.mapping, hospital, question.family)
        self._report(seen)
        pinned = self._pinned()
        if pinned is not None:
            self._require(pinned, seen)
        if not question.private:
            judged.require_accepted()
        if pinned is None:
            self._pin(seen)
        self._held = (seen, self._run)

    def _report(self, seen: Seen) -> None:
        if self._folder is None:
            return
        path = self._folder / REPORT
        question = seen.question
        text = json.dumps(
            report(
                seen.findings, question.features, self._cohort, question.family, private=question.private,
                notes=seen.notes, at=self._clock(),
            ),
            indent=2,
        )  # fmt: skip
        self._put(path, text, durable=False)
        logger.info("a look at the table has ended; what it found is in %s", path)

    def _pin(self, seen: Seen) -> None:
        """Pin the run to this look's table, or require that it is pinned to that."""
        pinned = self._pinned()
        if pinned is not None:
            self._require(pinned, seen)
        elif self._folder is not None and self._run is not None:
            federation, run = self._run
            pin = {"federation": federation, "run": run, "columns": _digest(seen), "fingerprint": seen.fingerprint}
            self._put(self._folder / PIN, json.dumps(pin), durable=True)

    def _pinned(self) -> dict[str, Any] | None:
        """What this run is pinned to, if it is."""
        if self._folder is None or self._run is None:
            return None
        path = self._folder / PIN
        try:
            pin = json.loads(path.read_text("utf-8"))
            same = (pin["federation"], pin["run"]) == self._run
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unwritable(f"{path} cannot be read ({error.strerror}): the run's table is not known") from error
        except (ValueError, KeyError, TypeError):  # of another version; it is written whole, so never torn
            return None
        return pin if same else None

    def _require(self, pinned: dict[str, Any], seen: Seen) -> None:
        if pinned.get("columns") != _digest(seen) or pinned.get("fingerprint") == seen.fingerprint:
            return
        raise InvalidData(
            f"hospital {self._cohort.spec.hospital}: the table changed during run {pinned['run']} of this federation: "
            "put it back as it was, or start a new run"
        )

    def _put(self, path: Path, text: str, *, durable: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._disk.put(path, text.encode(), durable=durable)


def _digest(seen: Seen) -> str:
    """Other columns are another table: a run that asks for them pins anew."""
    return hashlib.sha256(json.dumps(seen.question.columns).encode()).hexdigest()
