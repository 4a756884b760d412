"""A run that its hospitals would refuse is refused with one sentence, before any process is started."""

from collections.abc import Callable
from pathlib import Path

import pytest

from builders import AT
from consilia.errors import Refusal
from consilia.journal import SpecAccepted, WitnessesGiven, encode
from consilia.manifest import parse
from consilia.status import FederationStatus, LedgerWitness
from consilia_local.admission import require_admitted
from consilia_local.cli import main
from consilia_local.folder import StateFolder
from consilia_local.held_federation import HeldFederation
from written_ledgers import entries, write


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MIN_AGENTS", "DP_EPSILON", "DP_CLIP_NORM"):
        monkeypatch.delenv(name, raising=False)


CONSENT = [
    pytest.param(
        lambda text: text.replace("  budget: {epsilon: 4.0, delta: 1.0e-5}\n", "", 1),
        "cohort north-2024 of hospital north has no budget, and so takes part in no private run",
        id="no budget",
    ),
    pytest.param(
        lambda text: text.replace("{epsilon: 4.0", "{perRun: 0.5, epsilon: 4.0"),
        "cohort north-2024 of hospital north lets one run ask for epsilon 0.5 at most, at delta 1e-5 (budget.perRun)",
        id="more than one run may",
    ),
]


@pytest.mark.parametrize("verb", ["run", "validate"])
@pytest.mark.parametrize(("change", "sentence"), CONSENT)
def test_what_the_file_itself_does_not_admit_is_refused(
    verb: str, change: Callable[[str], str], sentence: str, private_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("trial.yaml").write_text(change(private_text))
    assert main([verb, "trial.yaml"]) == 2
    assert capsys.readouterr().err.startswith(sentence)
    assert not Path(".consilia").exists()


@pytest.mark.parametrize("verb", ["run", "validate"])
def test_a_run_that_asks_for_more_than_the_environments_cap_is_refused(
    verb: str, private_text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DP_EPSILON", "0.5")
    Path("trial.yaml").write_text(private_text)
    assert main([verb, "trial.yaml"]) == 2
    assert "lets one run ask for epsilon 0.5 at most, at delta 1e-5 (DP_EPSILON)" in capsys.readouterr().err


def test_a_private_file_is_valid_and_says_what_it_asks_for(
    private_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("trial.yaml").write_text(private_text)
    assert main(["validate", "trial.yaml"]) == 0
    assert capsys.readouterr().out == (
        "trial is valid · 2 hospitals (north, south) · 3 rounds · quorum 2 · epsilon 1.0 per patient (delta 1e-5)\n"
    )


def test_a_budget_that_is_spent_ends_the_command_before_anything_starts(
    private_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = private_text.replace("{epsilon: 4.0", "{epsilon: 1.2")
    Path("trial.yaml").write_text(text)
    write(Path(".consilia/trial/ledgers/consortium/north-2024"), entries(text, uid="an earlier federation"))
    assert main(["run", "trial.yaml", "--no-mlflow", "--no-dashboard"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(
        "run 1 of federation consortium/trial asks for epsilon 1 (delta 1e-5); of the budget of cohort "
        "north/north-2024 (epsilon 1.2 at delta 1e-5, for its whole life) 1 is spent, and a run of at most epsilon 0.5"
    )
    assert captured.err.endswith(f"removing {Path('.consilia/trial').resolve()} begins anew\n")
    assert not Path(".consilia/trial/logs").exists()


def held(text: str, run: int = 0) -> HeldFederation:
    """The Federation of a file, at a run, in the state folder `state`."""
    federation = parse(text, "trial.yaml").federations[0]
    status = FederationStatus(run=run, phase="Training" if run else "Pending")
    return HeldFederation(federation, federation.spec, "uid-1", status, StateFolder(Path("state")))


def admit(text: str, run: int = 0, quorum: int = 2) -> None:
    """Ask whether a run of a file could begin, or go on."""
    manifest = parse(text, "trial.yaml")
    federation = manifest.federations[0]
    require_admitted(held(text, run), federation, manifest.cohorts_of(federation), quorum)


@pytest.fixture
def spent(private_text: str) -> str:
    """A file whose budgets have room for one run, which north has made."""
    text = private_text.replace("{epsilon: 4.0", "{epsilon: 1.2")
    write(Path("state/ledgers/consortium/north-2024"), entries(text))
    return text


def test_a_run_goes_on_that_the_ledger_admitted(spent: str) -> None:
    admit(spent, run=1)
    with pytest.raises(Refusal, match="run 2 of federation consortium/trial asks for epsilon 1"):
        admit(spent, run=2)


def test_without_those_who_have_nothing_left_a_run_needs_its_quorum(spent: str) -> None:
    admit(spent, run=2, quorum=1)
    with pytest.raises(Refusal, match="cohort north/north-2024"):
        admit(spent, run=2, quorum=2)


def test_a_damaged_ledger_is_refused_with_its_sentence(spent: str) -> None:
    file = Path("state/ledgers/consortium/north-2024/ledger.jsonl")
    file.write_bytes(file.read_bytes().replace(b'"round":2', b'"round":1'))
    with pytest.raises(Refusal, match=r"ledger\.jsonl: line 5 is edited"):
        admit(spent, run=2)


def test_the_torn_end_that_a_crash_left_is_the_hospitals_to_drop(spent: str) -> None:
    file = Path("state/ledgers/consortium/north-2024/ledger.jsonl")
    file.write_bytes(file.read_bytes() + b'{"at":"2026')
    admit(spent, run=1)


def test_a_ledger_that_the_coordinator_saw_is_not_begun_anew(private_text: str) -> None:
    made = entries(private_text)
    journal = Path("state/volumes/coordinator/journal/journal")
    journal.parent.mkdir(parents=True)
    spec = parse(private_text, "trial.yaml").federations[0].spec
    seen = LedgerWitness(sequence=6, head=made[6].hash)
    facts = (SpecAccepted(at=AT, run=1, spec=spec), WitnessesGiven(at=AT, witnesses={"north": seen}))
    journal.write_bytes(b"".join(encode(fact) for fact in facts))
    with pytest.raises(Refusal, match=r"ledger\.jsonl is missing, and entry 6 of it was seen elsewhere"):
        admit(private_text, run=2)
    write(Path("state/ledgers/consortium/north-2024"), made)
    admit(private_text, run=2)


def test_the_ledger_of_another_cohort_is_none_of_this_ones(spent: str) -> None:
    write(Path("state/ledgers/consortium/north-2024"), entries(spent, hospital="south"))
    with pytest.raises(Refusal, match="is of cohort south/south-2024, not of north/north-2024"):
        admit(spent, run=2)


def test_a_run_without_noise_looks_at_no_ledger(trial_text: str) -> None:
    file = write(Path("state/ledgers/consortium/north-2024"), [])
    assert file.read_bytes() == b""
    admit(trial_text)
