"""The words of conditions and Events: in PascalCase, and told to whoever waits for them."""

import re
from pathlib import Path

import pytest

from consilia_operator.reasons import OF_A_COHORT, Reason

INTERFACES = (Path(__file__).parents[2] / "docs" / "interfaces.md").read_text()


@pytest.mark.parametrize("reason", Reason, ids=str)
def test_every_reason_is_documented(reason: Reason) -> None:
    assert re.fullmatch(r"([A-Z][a-z]+)+", reason.value)
    assert f"`{reason.value}`" in INTERFACES


def test_what_is_wrong_with_a_cohort_is_told_from_what_is_wrong_with_a_pod() -> None:
    others = {Reason.BUDGET_EXCEEDED, Reason.PRIVACY_REQUIRED, Reason.CLAIM_UNNAMED}
    assert {r for r in Reason if r.value.startswith("Cohort")} | others == OF_A_COHORT
