"""Sources that are refused: with one sentence, that quotes nothing of a patient's."""

import pytest

from consilia.errors import ConsiliaError, InvalidData
from written_tables import FEATURES, PATIENTS, Written

SECRET = "Zaphod"
"""Stands where a patient's value is; no sentence may have it."""


def refusal(written: Written, kind: type[ConsiliaError] = InvalidData) -> str:
    """The one sentence with which it is refused."""
    with pytest.raises(kind) as told:
        written.read().extract(FEATURES)
    return sentence_of(told.value)


def sentence_of(error: BaseException) -> str:
    """What an error says, which is one sentence without a patient's value; nor does a cause that is shown have one."""
    shown: BaseException | None = error
    while shown is not None:
        assert SECRET not in str(shown)
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
    sentence = str(error)
    assert "\n" not in sentence
    assert not any(patient in sentence for patient in PATIENTS.ids)
    assert sentence.startswith("hospital north")
    return sentence
