"""Disruption budgets: one over the hospitals of each namespace, owned by what is there."""

import pytest

from consilia_operator.naming import selector
from consilia_operator.resources.disruption import disruption_budgets
from sites import UID, site

HOSPITALS = ("north", "south", "west")


@pytest.mark.parametrize(
    ("namespaces", "expected"),
    [
        pytest.param({}, {"consortium": "breast-cancer"}, id="all in the federation's"),
        pytest.param(
            {"north": "clinic"},
            {"clinic": "north-2024", "consortium": "breast-cancer"},
            id="one in its own",
        ),
        pytest.param(
            {"north": "clinic", "south": "clinic", "west": "west"},
            {"clinic": "north-2024", "west": "west-2024"},
            id="none in the federation's: no budget of nobody there",
        ),
    ],
)
def test_each_namespace_with_hospitals_has_its_budget(namespaces: dict[str, str], expected: dict[str, str]) -> None:
    budgets = disruption_budgets(site(hospitals=HOSPITALS, namespaces=namespaces))
    assert {b["metadata"]["namespace"]: b["metadata"]["ownerReferences"][0]["name"] for b in budgets} == expected


def test_a_budget_takes_one_hospital_at_a_time_and_no_other_pod() -> None:
    made = site(hospitals=HOSPITALS)
    (budget,) = disruption_budgets(made)
    assert budget["spec"]["maxUnavailable"] == 1
    selected = budget["spec"]["selector"]["matchLabels"]
    for component in made.components:
        covered = selected.items() <= selector(made.federation, component).items()
        assert covered is (component.hospital is not None)


def test_every_hospital_is_under_one_budget_of_its_own_namespace() -> None:
    made = site(hospitals=HOSPITALS, namespaces={"north": "clinic"})
    budgets = disruption_budgets(made)
    for component in made.components:
        if component.hospital is not None:
            (one,) = [b for b in budgets if b["metadata"]["namespace"] == component.namespace]
            assert one["metadata"]["labels"]["consilia.health/federation-uid"] == UID
