"""What a hospital lets a run do with its cohort: each refusal is one sentence with the number and the remedy."""

import pytest

from consilia.consent import division_of, require_consent
from consilia.errors import BudgetExceeded, InvalidPrivacy, Refusal
from consilia.protocol import PrivacyTerms
from consilia.spec import Cohort

BUDGET = {"epsilon": 4.0, "delta": 1e-5}
WHO = "cohort north-2024 of hospital north"


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


def terms(epsilon: float = 1.0, delta: float = 1e-5) -> PrivacyTerms:
    """Of the first run of a federation."""
    return PrivacyTerms(
        uid="u",
        name="consortium/trial",
        run=1,
        epsilon=epsilon,
        delta=delta,
        clip_norm=1.0,
        mechanism="Gaussian",
        rounds=20,
        reserve=2,
        hospitals=2,
        nominal_rows=455,
    )


@pytest.mark.parametrize(
    ("spec", "asked", "cap"),
    [
        pytest.param({"budget": BUDGET}, terms(), 0.0, id="a budget"),
        pytest.param({"budget": {**BUDGET, "perRun": 1.0}}, terms(), 0.0, id="as much as one run may"),
        pytest.param({"budget": BUDGET}, terms(), 1.0, id="as much as the cap"),
        pytest.param({"budget": BUDGET}, terms(1.2, 1e-7), 1.0, id="no more than the cap at the budget's delta"),
        pytest.param({"allowNonPrivate": True}, None, 0.0, id="NON-PRIVATE and allowed"),
    ],
)
def test_a_hospital_agrees(spec: dict[str, object], asked: PrivacyTerms | None, cap: float) -> None:
    require_consent(cohort(**spec), asked, cap)


@pytest.mark.parametrize(
    ("spec", "asked", "cap", "kind", "sentence"),
    [
        pytest.param(
            {"allowNonPrivate": True},
            terms(),
            0.0,
            BudgetExceeded,
            f"{WHO} has no budget, and so takes part in no private run: have the hospital give its Cohort a "
            "spec.budget (epsilon and delta, for the patients' whole life), or leave it out",
            id="no budget",
        ),
        pytest.param(
            {"budget": {**BUDGET, "perRun": 0.5}},
            terms(),
            2.0,
            BudgetExceeded,
            f"{WHO} lets one run ask for epsilon 0.5 at most, at delta 1e-5 (budget.perRun), and run 1 of federation "
            "consortium/trial asks for epsilon 1 at delta 1e-5: lower privacy.epsilon to 0.5",
            id="more than one run may",
        ),
        pytest.param(
            {"budget": BUDGET},
            terms(),
            0.75,
            BudgetExceeded,
            f"{WHO} lets one run ask for epsilon 0.75 at most, at delta 1e-5 (DP_EPSILON), and run 1 of federation "
            "consortium/trial asks for epsilon 1 at delta 1e-5: lower privacy.epsilon to 0.75",
            id="more than the cap",
        ),
        pytest.param(
            {"budget": BUDGET},
            terms(1.0, 1e-3),
            1.0,
            BudgetExceeded,
            f"{WHO} lets one run ask for epsilon 1 at most, at delta 1e-5 (DP_EPSILON), and run 1 of federation "
            "consortium/trial asks for epsilon 1 at delta 0.001: lower privacy.epsilon further",
            id="more than the cap at the budget's delta",
        ),
        pytest.param(
            {"budget": BUDGET},
            None,
            0.0,
            InvalidPrivacy,
            f"{WHO} takes part in no NON-PRIVATE run, which privacy.epsilon 0 asks for: set it above 0, or have the "
            "hospital set allowNonPrivate: true",
            id="NON-PRIVATE and not allowed",
        ),
        pytest.param(
            {"allowNonPrivate": True},
            None,
            1.0,
            InvalidPrivacy,
            f"{WHO} takes part in no NON-PRIVATE run, which privacy.epsilon 0 asks for, as its DP_EPSILON is 1: set it "
            "above 0, or have DP_EPSILON unset",
            id="NON-PRIVATE and a cap",
        ),
    ],
)
def test_a_hospital_does_not_agree(
    spec: dict[str, object], asked: PrivacyTerms | None, cap: float, kind: type[Refusal], sentence: str
) -> None:
    with pytest.raises(kind) as caught:
        require_consent(cohort(**spec), asked, cap)
    assert str(caught.value) == sentence


TABLE = {"csv": {"path": "labs.csv"}}


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"source": TABLE, "mapping": {"patient": "mrn"}}, id="another column"),
        pytest.param({"source": {"parquet": {"path": "labs"}}}, id="another kind of source"),
        pytest.param({"source": TABLE, "holdout": {"fraction": 0.3}}, id="another fraction"),
        pytest.param({"source": TABLE, "hospital": "south"}, id="another hospital"),
        pytest.param({}, id="builtin data"),
    ],
)
def test_a_cohort_is_divided_otherwise_by(spec: dict[str, object]) -> None:
    assert division_of(cohort(**spec)) != division_of(cohort(source=TABLE))


def test_a_cohort_stays_divided_by_another_file_and_by_spark() -> None:
    elsewhere: dict[str, object] = {"source": {"csv": {"path": "exports", "delimiter": ";"}}, "engine": "spark"}
    assert division_of(cohort(**elsewhere)) == division_of(cohort(source=TABLE))
    sql = {"sql": {"url": "postgresql://db/clinic", "query": "SELECT 1"}}
    jdbc = {"jdbc": {"url": "jdbc:postgresql://db/clinic", "query": "SELECT 1"}}
    assert division_of(cohort(source=sql)) == division_of(cohort(source=jdbc, engine="spark"))
