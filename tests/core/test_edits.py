"""Start and Stop as edits of a spec."""

from typing import Any

import pytest

from consilia.edits import COMMANDED, EDITABLE, next_run, start, stop
from consilia.spec import FederationSpec


@pytest.mark.parametrize(
    ("spec", "status", "rounds", "patch"),
    [
        pytest.param({}, {}, None, {"suspend": False}, id="nothing known yet"),
        pytest.param(
            {"suspend": True}, {"phase": "Idle", "run": 3}, None, {"suspend": False}, id="a stopped run goes on"
        ),
        pytest.param({}, {"phase": "Idle"}, 20, {"suspend": False, "rounds": 20}, id="with a target"),
        pytest.param({}, {"phase": "Complete", "run": 3}, None, {"suspend": False, "run": 4}, id="a complete run"),
        pytest.param(
            {"run": 4}, {"phase": "Complete", "run": 3}, None, {"suspend": False, "run": 4}, id="asked for already"
        ),
        pytest.param({"run": 9}, {"phase": "Complete", "run": 3}, None, {"suspend": False, "run": 9}, id="a later one"),
        pytest.param({"run": 2}, {"phase": "Complete", "run": 3}, None, {"suspend": False, "run": 4}, id="a lower one"),
    ],
)
def test_start_changes_as_little_as_brings_the_federation_to_run(
    spec: dict[str, Any], status: dict[str, Any], rounds: int | None, patch: dict[str, Any]
) -> None:
    assert start(spec, status, rounds) == patch


def test_stop_suspends() -> None:
    assert stop() == {"suspend": True}


def test_the_first_run_is_number_one() -> None:
    assert next_run(None, 0) == 1


@pytest.mark.parametrize("name", [*EDITABLE, *COMMANDED])
def test_what_can_be_edited_are_fields_of_the_spec(name: str) -> None:
    assert name in FederationSpec.model_fields
