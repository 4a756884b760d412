"""What a start of the command goes on with, by what an earlier one left."""

import pytest

from consilia.errors import DamagedState
from consilia.spec import Federation, FederationSpec
from consilia.status import FederationStatus
from consilia_local.folder import StateFolder
from consilia_local.held_federation import Saved, hold, load, next_spec


def left(spec: FederationSpec, phase: str, run: int = 1, **edits: object) -> Saved:
    """What a start with ``spec`` left, edited since."""
    status = FederationStatus.model_validate({"phase": phase, "run": run})
    return Saved("uid", spec, spec.model_copy(update=edits), status)


def test_an_interrupted_run_goes_on_with_the_edits_made_to_it(federation: Federation) -> None:
    spec = next_spec(federation.spec, left(federation.spec, "Training", rounds=9, suspend=True))
    assert (spec.run, spec.rounds, spec.suspend) == (None, 9, True)


def test_a_field_that_the_file_changed_since_wins_over_an_edit(federation: Federation) -> None:
    written = federation.spec.model_copy(update={"rounds": 5})
    assert next_spec(written, left(federation.spec, "Training", rounds=9)).rounds == 5


def test_a_complete_run_is_followed_by_another_with_the_rounds_of_the_file(federation: Federation) -> None:
    spec = next_spec(federation.spec, left(federation.spec, "Complete", run=4, rounds=9))
    assert (spec.run, spec.rounds, spec.suspend) == (5, 3, False)


def test_another_experiment_is_another_run(federation: Federation) -> None:
    written = federation.spec.model_copy(update={"seed": 7})
    assert next_spec(written, left(federation.spec, "Training", run=2)).run == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"quorum": 1, "rounds": 5, "roundTimeout": "5s"},
        {"hospitals": [{"name": "south", "cohort": {"name": "south-2024"}}]},
    ],
    ids=["numbers", "hospitals"],
)
def test_what_holds_in_mid_run_is_no_other_experiment_and_taken_from_the_file(
    federation: Federation, changes: dict[str, object]
) -> None:
    written = FederationSpec.model_validate(federation.spec.to_json() | changes)
    spec = next_spec(written, left(federation.spec, "Training"))
    assert spec == written
    assert spec.run is None


def test_a_state_in_which_no_run_began_is_a_fresh_start(federation: Federation) -> None:
    assert next_spec(federation.spec, left(federation.spec, "Pending", run=0, rounds=9)) == federation.spec


async def test_identity_edits_and_status_outlive_the_command(federation: Federation, folder: StateFolder) -> None:
    first = hold(federation, folder)
    await first.edit({"spec": {"rounds": 8}})
    await first.observe(FederationStatus(phase="Training", run=1, round=2, rounds=8))
    second = hold(federation, folder)
    assert (second.uid, second.spec.rounds, second.status.phase, second.status.run) == (first.uid, 8, "Training", 1)
    assert second.desired_run == 1


async def test_a_new_run_is_shown_as_starting_until_the_coordinator_is_at_it(
    federation: Federation, folder: StateFolder
) -> None:
    held = hold(federation, folder)
    await held.observe(FederationStatus(phase="Complete", run=1, round=3, rounds=3))
    assert held.is_complete
    await held.edit({"spec": {"run": 2}})
    assert not held.is_complete
    assert (held.desired_run, held.shown.run, held.shown.round, held.shown.phase) == (2, 2, 0, "Pending")
    assert [hospital.name for hospital in held.shown.hospitals] == ["north", "south"]


async def test_a_lower_run_is_ignored(federation: Federation, folder: StateFolder) -> None:
    held = hold(federation, folder)
    await held.observe(FederationStatus(phase="Training", run=3))
    await held.edit({"spec": {"run": 2}})
    assert held.desired_run == 3


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"written": {}, "federation": {}}', "{"])
def test_a_damaged_state_is_one_sentence_with_the_remedy(content: str, folder: StateFolder) -> None:
    folder.root.mkdir()
    folder.federation.write_text(content)
    with pytest.raises(DamagedState, match=r"does not read back as it was written: remove .* to begin anew"):
        load(folder)
