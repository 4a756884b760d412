"""Train and holdout: which of a hospital's patients the model learns from, and on which it is scored.

A keyed hash of the patient's identity decides, never a draw and never the label: a patient's side is the same in
every run and federation, in whatever namespace, and stays so when the table grows. That is what lets the privacy of the
two sides compose in parallel, and what makes a file the same experiment wherever it is applied.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

import numpy as np

from consilia.dataset import Rows
from consilia.errors import InvalidData
from consilia.model import Flags


@dataclass(frozen=True)
class Sides:
    """The two sides of a cohort; either may be empty. A holdout without rows scores nothing."""

    train: Rows
    holdout: Rows


def divide(rows: Rows, hospital: str, cohort: str, fraction: float) -> Sides:
    """Divide a cohort's rows; each patient is held out with probability ``fraction`` (0 to 1, exclusive).

    The two names key the hash, so that two cohorts hold out different patients. A side may
    lack a class: redrawing until it had both would make a patient's side depend on the others. Raises
    :class:`InvalidData` if nobody is left to train on.
    """
    sides = sides_of(rows, hospital, cohort, fraction)
    if not len(sides.train):
        raise nobody_to_train_on(hospital, cohort)
    return sides


def nobody_to_train_on(hospital: str, cohort: str) -> InvalidData:
    """The refusal of a table that is all holdout."""
    return InvalidData(
        f"cohort {cohort} of hospital {hospital} has no patient left to train on, as its holdout took them all: "
        "lower holdout.fraction or bring more patients"
    )


def sides_of(rows: Rows, hospital: str, cohort: str, fraction: float) -> Sides:
    """The same division, of any rows at all: in a private run nobody is told that a side is empty."""
    held = Holdout(hospital, cohort, fraction).of(rows.ids)
    return Sides(rows.take(np.flatnonzero(~held)), rows.take(np.flatnonzero(held)))


def is_held_out(patient: str, hospital: str, cohort: str, fraction: float) -> bool:
    """Whether this patient is held out: keyed BLAKE2b (RFC 7693), as a uniform number, is below ``fraction``."""
    return Holdout(hospital, cohort, fraction).holds(patient)


@dataclass(frozen=True)
class Holdout:
    """How a cohort is divided: the same of many patients, at one key."""

    hospital: str
    cohort: str
    fraction: float

    @cached_property
    def _key(self) -> bytes:
        # Neither name holds a slash.
        return blake2b(f"{self.hospital}/{self.cohort}".encode(), digest_size=32, person=b"consilia/holdout").digest()

    def holds(self, patient: str) -> bool:
        """Whether this patient is held out."""
        number = int.from_bytes(blake2b(patient.encode(), digest_size=8, key=self._key).digest(), "big")
        return number < self.fraction * 2**64

    def of(self, patients: Sequence[str]) -> Flags:
        """Which of these patients (n,) are held out."""
        return np.array([self.holds(patient) for patient in patients], dtype=np.bool_)
