"""What a hospital lets a run do with its cohort: each refusal is one sentence with the number and the remedy."""

import pytest

from consilia.consent import require_consent
from consilia.errors import BudgetExceeded, InvalidPrivacy, Refusal
from consilia.spec import Cohort


def cohort(**spec: object) -> Cohort:
    """Of north, with ``spec`` besides."""
    source = {"builtin": {"dataset": "breast-cancer", "shard": 0, "of": 2}}
    return Cohort.model_validate(
        {
            "apiVersion": "consilia.health/v1alpha1",
            "kind": "Cohort",
            "metadata": {"name": "north-2024"},
            "spec": {"hospital": "north", "source": source, **spec},
        }
    )


BUDGET = {"epsilon": 4.0, "delta": 1e-5}


@pytest.mark.parametrize(
    ("spec", "epsilon", "cap"),
    [
        pytest.param({"budget": BUDGET}, 1.0, 0.0, id="a budget"),
        pytest.param({"budget": {**BUDGET, "perRun": 1.0}}, 1.0, 0.0, id="as much as one run may"),
        pytest.param({"budget": BUDGET}, 1.0, 1.0, id="as much as the cap"),
        pytest.param({"allowNonPrivate": True}, 0.0, 0.0, id="NON-PRIVATE and allowed"),
    ],
)
def test_a_hospital_agrees(spec: dict[str, object], epsilon: float, cap: float) -> None:
    require_consent(cohort(**spec), epsilon, cap)


@pytest.mark.parametrize(
    ("spec", "epsilon", "cap", "kind", "sentence"),
    [
        pytest.param(
            {"allowNonPrivate": True},
            1.0,
            0.0,
            BudgetExceeded,
            "cohort north-2024 of hospital north has no budget, and this run asks for epsilon 1: have the hospital "
            "give its Cohort a spec.budget, or leave it out",
            id="no budget",
        ),
        pytest.param(
            {"budget": {**BUDGET, "perRun": 0.5}},
            1.0,
            2.0,
            BudgetExceeded,
            "cohort north-2024 of hospital north lets one run ask for epsilon 0.5 at most (budget.perRun), and this "
            "run asks for epsilon 1: lower spec.privacy.epsilon to 0.5",
            id="more than one run may",
        ),
        pytest.param(
            {"budget": BUDGET},
            1.0,
            0.75,
            BudgetExceeded,
            "cohort north-2024 of hospital north lets one run ask for epsilon 0.75 at most (DP_EPSILON), and this run "
            "asks for epsilon 1: lower spec.privacy.epsilon to 0.75",
            id="more than the cap",
        ),
        pytest.param(
            {"budget": BUDGET},
            0.0,
            0.0,
            InvalidPrivacy,
            "cohort north-2024 of hospital north is in no NON-PRIVATE run, which privacy.epsilon 0 asks for: set it "
            "above 0, or have the hospital set allowNonPrivate: true",
            id="NON-PRIVATE and not allowed",
        ),
        pytest.param(
            {"allowNonPrivate": True},
            0.0,
            1.0,
            InvalidPrivacy,
            "cohort north-2024 of hospital north is in no NON-PRIVATE run, which privacy.epsilon 0 asks for, as "
            "DP_EPSILON is 1: set spec.privacy.epsilon above 0, or unset DP_EPSILON",
            id="NON-PRIVATE and a cap",
        ),
    ],
)
def test_a_hospital_does_not_agree(
    spec: dict[str, object], epsilon: float, cap: float, kind: type[Refusal], sentence: str
) -> None:
    with pytest.raises(kind) as caught:
        require_consent(cohort(**spec), epsilon, cap)
    assert str(caught.value) == sentence
