"""Train and holdout: which of a hospital's patients the model learns from, and on which it is scored.

A keyed hash of the patient's identity decides, never a draw and never the label: a patient's side is the same in
every run and federation, in whatever namespace, and stays so when the table grows. That is what lets the privacy of the
two sides compose in parallel, and what makes a file the same experiment wherever it is applied.
"""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from consilia.dataset import Rows
from consilia.errors import InvalidData


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
        raise InvalidData(
            f"cohort {cohort} of hospital {hospital} has no patient left to train on, as its holdout took them all: "
            "lower holdout.fraction or bring more patients"
        )
    return sides


def sides_of(rows: Rows, hospital: str, cohort: str, fraction: float) -> Sides:
    """The same division, of any rows at all: in a private run nobody is told that a side is empty."""
    held = np.array([is_held_out(patient, hospital, cohort, fraction) for patient in rows.ids], dtype=bool)
    return Sides(rows.take(np.flatnonzero(~held)), rows.take(np.flatnonzero(held)))


def is_held_out(patient: str, hospital: str, cohort: str, fraction: float) -> bool:
    """Whether this patient is held out: keyed BLAKE2b (RFC 7693), as a uniform number, is below ``fraction``."""
    # Neither name holds a slash.
    key = blake2b(f"{hospital}/{cohort}".encode(), digest_size=32, person=b"consilia/holdout").digest()
    number = int.from_bytes(blake2b(patient.encode(), digest_size=8, key=key).digest(), "big")
    return number < fraction * 2**64
