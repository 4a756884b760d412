"""`consilia ledger show` and `verify`: what a data-protection officer reads, and is told of one that is not whole."""

from pathlib import Path

import pytest

from consilia.journal import SpecAccepted, WitnessesGiven, encode
from consilia.manifest import parse
from consilia.privacy.entries import encode as line_of
from consilia.status import LedgerWitness
from consilia_local.cli import main
from written_ledgers import entries, write

SHOWN = """\
Ledger of cohort north/north-2024

#  when                 federation        run  round  kind              mechanism  sigma  epsilon so far
0  2026-11-24 12:00:00                                begun                                         0.00
1  2026-11-24 12:00:01  consortium/trial    1         admitted for 1.0                              0.00
2  2026-11-24 12:00:02  consortium/trial    1      0  centre            Gaussian   47.19            0.29
3  2026-11-24 12:00:02  consortium/trial    1      1  train             Gaussian   8.793            0.50
4  2026-11-24 12:00:02  consortium/trial    1      2  train             Gaussian   8.793            0.66
5  2026-11-24 12:00:02  consortium/trial    1      3  train             Gaussian   8.793            0.79
6  2026-11-24 12:00:02  consortium/trial    1      3  evaluate          Gaussian   4.171            1.00

"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def copied(private_text: str) -> Path:
    """A ledger that was copied out of a volume."""
    return write(Path("copied"), entries(private_text))


@pytest.fixture
def stated(private_text: str) -> Path:
    """The ledger of north in a state folder."""
    return write(Path(".consilia/trial/ledgers/consortium/north-2024"), entries(private_text))


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a verb prints, having ended well."""
    code = main(["ledger", *arguments])
    captured = capsys.readouterr()
    assert (code, captured.err) == (0, "")
    return "".join(f"{line.rstrip()}\n" for line in captured.out.splitlines())


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> str:
    """The one sentence for what does not hold."""
    assert main(["ledger", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err.strip()


def test_every_entry_is_shown_with_what_had_been_spent_by_then(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, "show", str(copied)) == (
        f"{SHOWN}epsilon 1.00 at delta 1e-5 is spent; give --manifest FILE to see what remains of the budget in it\n"
    )


def test_with_the_cohorts_file_it_says_what_remains(
    copied: Path, private_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("trial.yaml").write_text(private_text)
    shown = told(capsys, "show", str(copied), "--manifest", "trial.yaml")
    assert shown.splitlines()[-1] == (
        "epsilon 1.00 at delta 1e-5 is spent of 4.0; a run may still ask for epsilon 3.80"
    )


def test_a_budget_that_is_used_up_says_so(private_text: str, capsys: pytest.CaptureFixture[str]) -> None:
    asks = "privacy: {epsilon: 1.0, delta: 1.0e-5"
    assert asks in private_text
    text = private_text.replace(asks, f"{asks}, reserve: 0").replace("{epsilon: 4.0", "{epsilon: 1.0")
    Path("trial.yaml").write_text(text)
    file = write(Path("copied"), entries(text))
    shown = told(capsys, "show", str(file), "--manifest", "trial.yaml")
    assert shown.splitlines()[-1] == (
        "epsilon 1.00 at delta 1e-5 is spent of 1.0; nothing remains: no further release is possible"
    )


def test_a_cohort_is_found_by_its_name_in_a_state_folder(stated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_name = told(capsys, "show", "north-2024")
    assert by_name.startswith(SHOWN)
    assert told(capsys, "show", "consortium/north-2024", "--state", ".consilia/trial") == by_name
    assert told(capsys, "show", str(stated.parent)) == by_name


def test_showing_and_verifying_leave_everything_as_it_was(stated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in Path.cwd().rglob("*")}
    told(capsys, "show", "north-2024")
    told(capsys, "verify", "north-2024")
    assert {path: path.stat().st_mtime_ns for path in Path.cwd().rglob("*")} == before


def test_a_whole_ledger_is_said_to_be_whole_with_its_head(
    copied: Path, private_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = entries(private_text)
    assert told(capsys, "verify", str(copied)) == (
        f"north/north-2024: 7 entries, each in its place; the last is 6:{made[-1].hash}; epsilon 1.00 at delta 1e-5 is "
        "spent; no witness was given, so that missing entries at its end cannot be told\n"
    )
    assert told(capsys, "verify", str(copied), "--witness", f"4:{made[4].hash}").endswith(
        "it holds entry 4, which was seen elsewhere\n"
    )


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param(lambda lines: lines[:-5], "line 7 is torn (it has no end)", id="torn"),
        pytest.param(lambda lines: lines.replace(b'"round":2', b'"round":1'), "line 5 is edited", id="edited"),
        pytest.param(
            lambda lines: b"".join(line for number, line in enumerate(lines.splitlines(keepends=True)) if number != 3),
            "line 4 has sequence 4, where 3 is due: lines before it are missing",
            id="a line missing",
        ),
        pytest.param(lambda _: b"", "is empty: a ledger has at least its first line", id="emptied"),
    ],
)
@pytest.mark.parametrize("verb", ["show", "verify"])
def test_a_damaged_ledger_is_one_sentence_and_exit_code_1(
    verb: str, damage: object, sentence: str, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(damage)
    copied.write_bytes(damage(copied.read_bytes()))
    said = refused(capsys, verb, str(copied))
    assert str(copied) in said
    assert sentence in said


def test_a_release_of_a_run_that_was_never_admitted_is_told_though_the_chain_holds(
    private_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    created, _, released, *_ = entries(private_text)
    moved = released.model_copy(update={"sequence": 1, "previous": created.hash})
    file = write(Path("copied"), [created, moved])
    assert refused(capsys, "verify", str(file)).startswith(
        "entry 1 is a release of run 1 of federation uid-1, which the ledger did not admit"
    )


def test_a_ledger_that_is_not_there_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "verify", "north-2024") == (
        "north-2024 is missing: there is no such file, and no ledger of a cohort of that name in .consilia/*: name its "
        "file, or its state folder with --state"
    )
    assert "in elsewhere: name its file" in refused(capsys, "show", "north-2024", "--state", "elsewhere")


def test_a_ledger_behind_its_witness_was_rolled_back(private_text: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = entries(private_text)
    file = write(Path("copied"), made[:-2])
    said = refused(capsys, "verify", str(file), "--witness", f"6:{made[6].hash}")
    assert said.endswith("entry 6 of it was seen elsewhere: it was rolled back; restore the newest copy")
    other = refused(capsys, "verify", str(file), "--witness", f"4:{made[3].hash}")
    assert "has another entry 4 than was seen elsewhere" in other


def test_what_the_coordinator_of_the_state_folder_saw_is_the_witness(
    stated: Path, private_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = entries(private_text)
    journal = Path(".consilia/trial/volumes/coordinator/journal/journal")
    journal.parent.mkdir(parents=True)
    journal.write_bytes(accepted(private_text) + witnessed(5, made[5].hash))
    assert told(capsys, "verify", "north-2024").endswith("it holds entry 5, which was seen elsewhere\n")
    stated.write_bytes(b"".join(line_of(entry) for entry in made[:3]))
    assert "it was rolled back; restore the newest copy" in refused(capsys, "verify", "north-2024")


def witnessed(sequence: int, head: str) -> bytes:
    """The fact that somebody saw north's ledger."""
    return encode(WitnessesGiven(at="", witnesses={"north": LedgerWitness(sequence=sequence, head=head)}))


def accepted(text: str) -> bytes:
    """The fact that a run of this file began."""
    return encode(SpecAccepted(at="2026-11-24T12:00:00Z", run=1, spec=parse(text, "").federations[0].spec))


def test_a_name_that_means_two_ledgers_asks_which(private_text: str, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("one", "two"):
        write(Path(f".consilia/{folder}/ledgers/consortium/north-2024"), entries(private_text))
    said = refused(capsys, "show", "north-2024", code=2)
    assert said.startswith("several cohorts are called north-2024 here (.consilia/one/ledgers/consortium/north-2024/")
    told(capsys, "show", "north-2024", "--state", ".consilia/two")


@pytest.mark.parametrize("text", ["6", "six:ab", "-1:" + "a" * 64, "6:" + "z" * 64])
def test_a_witness_that_is_none_is_one_sentence(text: str, copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "verify", str(copied), f"--witness={text}", code=2)
    assert said.startswith(f'--witness is "{text}"; it must be the number of an entry, a colon, and its hash')


def test_several_ledgers_are_verified_and_the_bad_one_is_told(
    copied: Path, private_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = write(Path("bad"), entries(private_text))
    bad.write_bytes(bad.read_bytes()[:-1])
    assert main(["ledger", "verify", str(bad), str(copied)]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("north/north-2024: 7 entries, each in its place")
    assert captured.err.startswith(f"{bad}: line 7 is torn")
