"""A status as its resource takes it: no text, list or number beyond what the definition allows or people can read."""

from typing import Any

import pytest

from consilia.bounds import shortened, within_bounds
from consilia.crds import RESOURCES, schema_of
from consilia.document import Document
from consilia.status import (
    CohortStatus,
    Condition,
    Endpoints,
    FederationStatus,
    HospitalStatus,
    LedgerState,
    Metrics,
    PartProblem,
    PrivacyStatus,
    RegisteredModel,
)

LONG = "é" * 10_000
CONDITION = Condition(type=LONG, status="True", reason=LONG, message=LONG)
WORDY = FederationStatus(
    message=LONG,
    state=LONG,
    metrics=Metrics(accuracy=0.947368421),
    hospitals=[HospitalStatus(name=f"h{number}", reason=LONG, loss=0.123456) for number in range(120)],
    problems=[PartProblem(component="broker", reason=LONG, message=LONG)] * 20,
    model=RegisteredModel(name=LONG, version=LONG, uri=LONG),
    conditions=[CONDITION],
    endpoints=Endpoints(coordinator=LONG, mlflow=LONG, authority=LONG),
    seconds_per_round=0.0312345,
)


def beyond(node: dict[str, Any], value: Any, path: str) -> list[str]:
    """Where ``value`` is more than its schema allows."""
    found: list[str] = []
    if isinstance(value, str) and len(value) > node.get("maxLength", len(value)):
        found.append(path)
    if isinstance(value, list):
        found += [path] if len(value) > node["maxItems"] else []
        for item in value:
            found += beyond(node["items"], item, f"{path}[]")
    if isinstance(value, dict):
        for name, part in value.items():
            found += beyond(node["properties"][name], part, f"{path}.{name}")
    return found


@pytest.mark.parametrize(
    ("resource", "status"),
    [
        pytest.param(RESOURCES[0], WORDY, id="federation"),
        pytest.param(RESOURCES[1], CohortStatus(in_use_by=LONG, conditions=[CONDITION] * 40), id="cohort"),
    ],
)
def test_whatever_a_status_says_is_within_the_bounds_of_its_definition(resource: Any, status: Document) -> None:
    schema = schema_of(resource)["properties"]["status"]
    assert beyond(schema, status.to_json(), "") != []
    assert beyond(schema, within_bounds(status), "") == []


@pytest.mark.parametrize(
    ("path", "length"),
    [
        pytest.param(("message",), 4096, id="a sentence"),
        pytest.param(("state",), 256, id="a short text"),
        pytest.param(("model", "uri"), 2048, id="an address"),
        pytest.param(("endpoints", "authority"), 8192, id="a certificate"),
    ],
)
def test_a_text_that_is_too_long_ends_with_an_ellipsis_at_its_bound(path: tuple[str, ...], length: int) -> None:
    value: Any = within_bounds(WORDY)
    for name in path:
        value = value[name]
    assert (len(value), value[-1]) == (length, "…")


@pytest.mark.parametrize(
    ("text", "length", "kept"),
    [
        pytest.param("four", 4, "four", id="just as long"),
        pytest.param("fives", 4, "fiv…", id="one too many"),
        pytest.param("any", None, "any", id="without a bound"),
    ],
)
def test_what_fits_stays_whole(text: str, length: int | None, kept: str) -> None:
    assert shortened(text, length) == kept


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param(0.947368421, 0.9474, id="a share"),
        pytest.param(0.00012345678, 0.0001235, id="a small loss"),
        pytest.param(12.345678, 12.35, id="a large one"),
        pytest.param(0.0, 0.0, id="none"),
        pytest.param(1.0, 1.0, id="all"),
    ],
)
def test_a_measured_number_has_four_digits(value: float, written: float) -> None:
    assert within_bounds(Metrics(loss=value))["loss"] == written


def test_what_is_spent_is_never_told_too_small_nor_what_remains_too_large() -> None:
    ledger = LedgerState(
        sequence=1,
        head="0" * 64,
        spent=1.00001,
        remaining=3.20999,
        budget=4.0,
        delta=1e-5,
        run_spent=0.786123,
        run_replacing=1.682349,
    )
    privacy = PrivacyStatus(epsilon=1.0, delta=1e-5, epsilon_spent=0.786123, epsilon_replace_one=1.682349)
    written = within_bounds(FederationStatus(hospitals=[HospitalStatus(name="north", ledger=ledger)], privacy=privacy))
    told, promised = written["hospitals"][0]["ledger"], written["privacy"]
    assert {name: told[name] for name in ("spent", "runSpent", "runReplacing", "remaining", "budget")} == {
        "spent": 1.001,
        "runSpent": 0.7862,
        "runReplacing": 1.683,
        "remaining": 3.209,
        "budget": 4.0,
    }
    assert (promised["epsilonSpent"], promised["epsilonReplaceOne"]) == (0.7862, 1.683)
    cohort = within_bounds(CohortStatus(epsilon_spent=0.786123, epsilon_remaining=3.20999))
    assert (cohort["epsilonSpent"], cohort["epsilonRemaining"]) == (0.7862, 3.209)


def test_a_count_keeps_all_its_digits() -> None:
    assert within_bounds(FederationStatus(round=99_999, told=1_234_567))["told"] == 1_234_567


def test_as_a_merge_patch_an_old_value_goes_at_every_depth_but_a_list_is_replaced_whole() -> None:
    written = within_bounds(FederationStatus(metrics=Metrics(accuracy=0.5), hospitals=[HospitalStatus(name="north")]))
    assert written["model"] is None
    absent = dict.fromkeys(("loss", "precision", "recall", "auc", "r2"))
    assert written["metrics"] == {"accuracy": 0.5} | absent
    assert written["hospitals"] == [{"name": "north", "phase": "Pending"}]
