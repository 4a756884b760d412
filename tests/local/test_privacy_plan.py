"""`consilia privacy plan`: what a run promises, costs and leaves, told before anything runs."""

from pathlib import Path

import pytest

from consilia_local.cli import main
from written_ledgers import entries, write

PLAN = """\
Consilia · trial · 2 hospitals · 3 rounds · epsilon 1.0 per patient (delta 1e-5)

  Whatever a hospital sends in this run tells of any one patient no more than epsilon 1.0 at delta 1e-5
  allows: with that record, or without it. For a record that is replaced by another one, epsilon is 2.16.

  release             at most  sensitivity  sigma  mu each  mu in all  epsilon  if replaced
  centre                    1            4  47.19  0.08477    0.08477    0.285        0.606
  train                     5            1  8.793   0.1137     0.2543    0.944         2.04
  a training patient                                           0.2681        1         2.16
  evaluate                  1        1.118  4.171   0.2681     0.2681        1         2.16
  a holdout patient                                            0.2681        1         2.16

  Step size 10, of public numbers alone: 455 nominal rows, 3 rounds and 2 in reserve, 2 hospitals, clip norm
  1.

  Scores of holdout patients leave once, at the end, with noise: north.

  patients in the holdout                20             50            100    500
  accuracy, 95 % of the time         ± 55 %         ± 22 %         ± 11 %  ± 2 %
  which is                    hidden: noise  hidden: noise  hidden: noise   told

  Scores of holdout patients leave exact, outside of the promise: south. There the promise covers the training
  patients only.

  hospital  cohort      budget  spent  remaining  after this run  admitted
  north     north-2024     4.0   1.00       3.80            3.59  yes
  south     south-2024     0.5   0.00       0.50               –  no

  Remaining: the most that one more run may ask for. Epsilons of several runs compose to less than their sum,
  so that more remains than the difference.
  south: run 1 of federation consortium/trial asks for epsilon 1 (delta 1e-5); of the budget of cohort
"""
NON_PRIVATE = """\
Consilia · trial · 2 hospitals · 3 rounds · NON-PRIVATE

  NON-PRIVATE: nothing that hospitals send carries noise, and it can tell about single patients. Nothing is
  promised to them, and nothing is drawn from a budget.

  hospital  cohort      takes part
  north     north-2024  no
  south     south-2024  yes
  north: cohort north-2024 of hospital north takes part in no NON-PRIVATE run, which privacy.epsilon 0 asks
  for: set it above 0, or have the hospital set allowNonPrivate: true
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MIN_AGENTS", "DP_EPSILON", "DP_CLIP_NORM"):
        monkeypatch.delenv(name, raising=False)


def planned(text: str, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    """What the command says of a file."""
    Path("trial.yaml").write_text(text)
    assert main(["privacy", "plan", "trial.yaml", *flags]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return "".join(f"{line.rstrip()}\n" for line in captured.out.splitlines())


def with_south(text: str, old: str, new: str) -> str:
    """A file in which one thing of south, the last cohort, is another."""
    before, found, after = text.rpartition(old)
    assert found
    return before + new + after


def test_the_plan_of_a_private_run_is_told_with_every_budget(
    private_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = with_south(private_text, "budget: {epsilon: 4.0", "holdout: {metrics: exact}\n  budget: {epsilon: 0.5")
    write(Path("state/ledgers/consortium/north-2024"), entries(text, uid="another federation"))
    said = planned(text, capsys, "--state", "state")
    assert said.startswith(PLAN)
    assert said.endswith("or less, or have the hospital raise the cohort's budget\n")


def test_a_run_without_noise_says_so_and_who_takes_no_part(trial_text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert planned(trial_text.replace("allowNonPrivate: true", "allowNonPrivate: false", 1), capsys) == NON_PRIVATE


def test_laplace_noise_has_a_scale_and_no_mu(private_text: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = planned(private_text.replace("delta: 1.0e-5}\n  hosp", "delta: 1.0e-5, mechanism: Laplace}\n  hosp"), capsys)
    assert "  release             at most  sensitivity  scale  mu each  mu in all  epsilon  if replaced\n" in said
    assert "  train                     5            1      5        –          –        1            2\n" in said


def test_an_epsilon_that_promises_nothing_is_told_for_what_it_is(
    private_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = planned(private_text.replace("epsilon: 1.0, delta", "acceptWeak: true, epsilon: 5000, delta", 1), capsys)
    assert "For a record that is replaced by another one, epsilon is inf." in " ".join(said.split())


def test_a_plan_leaves_nothing_behind(private_text: str, capsys: pytest.CaptureFixture[str]) -> None:
    planned(private_text, capsys)
    assert [path.name for path in Path.cwd().rglob("*")] == ["trial.yaml"]


def test_the_clip_norm_and_the_cap_of_the_environment_are_in_the_plan(
    private_text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DP_CLIP_NORM", "0.5")
    monkeypatch.setenv("DP_EPSILON", "0.75")
    said = planned(private_text, capsys)
    assert "  train                     5          0.5  4.397   0.1137     0.2543    0.944         2.04\n" in said
    assert "north: cohort north-2024 of hospital north lets one run ask for epsilon 0.75 at most, at delta" in said


def test_a_ledger_that_does_not_hold_is_told_in_the_plan(private_text: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(Path(".consilia/trial/ledgers/consortium/north-2024"), entries(private_text))
    file.write_bytes(file.read_bytes().replace(b'"round":2', b'"round":1'))
    said = planned(private_text, capsys)
    assert "  north     north-2024     4.0      –          –               –  no\n" in said
    assert "ledger.jsonl: line 5 is edited" in said.replace("\n  ", " ")
