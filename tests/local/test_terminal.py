"""What people read while a federation runs, in a terminal and on a pipe."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from consilia.experiment import Privacy
from consilia.spec import Federation
from consilia.status import (
    EventRecord,
    FederationStatus,
    HospitalStatus,
    LedgerState,
    MetricErrors,
    Metrics,
    PrivacyStatus,
    RegisteredModel,
    RoundRecord,
)
from consilia_local.display import Display, Lines, Terminal
from consilia_local.legible import legible
from consilia_local.supervisor import Happening
from consilia_local.tables import status_view
from consilia_local.wording import (
    Links,
    done_line,
    figure,
    headline,
    link_line,
    model_line,
    round_line,
    seconds,
    staying_line,
)

RUNNING = FederationStatus(
    phase="Training",
    run=1,
    round=7,
    rounds=10,
    quorum=2,
    connected=2,
    seconds_per_round=0.031,
    message="round 8 of 10: 1 of 2 answers",
    metrics=Metrics(accuracy=0.947, loss=0.1412, precision=0.958, recall=0.929),
    hospitals=[
        HospitalStatus(
            name="north", phase="Training", rows=102, round=7, accuracy=0.95, loss=0.131, precision=0.961, recall=0.933
        ),
        HospitalStatus(name="riverside", phase="Sent", rows=106, round=7, accuracy=0.941, loss=0.152, recall=0.9),
        HospitalStatus(name="lakeside", phase="Lost", reason="connection closed; not awaited until it rejoins"),
        HospitalStatus(name="harbor"),
    ],
)
PICTURE = """\
Consilia · trial · 2 hospitals · 3 rounds · NON-PRIVATE
broker embedded

  round 7/10    ━━━━━━━━━━━━━━━━━━━━━━             70 %  0.031 s a round
  global        accuracy 94.7 %   loss 0.141   precision 95.8 %   recall 92.9 %   (public test set)

  hospital      state          rows  round  accuracy    loss  precision   recall
  north         training        102      7    95.0 %   0.131     96.1 %   93.3 %
  riverside     sent            106      7    94.1 %   0.152          –   90.0 %
  lakeside      lost                               –       –          –        –
  harbor        not yet here                       –       –          –        –
  lakeside: lost: connection closed; not awaited until it rejoins
"""


def test_the_picture_of_a_run_shows_rounds_scores_and_every_hospital(federation: Federation) -> None:
    out = io.StringIO()
    display = Terminal(Console(file=out, width=110, no_color=True))
    display.open(headline(federation, federation.spec), link_line(Links("embedded")))
    display.show(RUNNING)
    display.close()
    assert [line.rstrip() for line in out.getvalue().splitlines()] == PICTURE.splitlines()


def ledger(spent: float) -> LedgerState:
    return LedgerState(sequence=7, head="ab" * 32, spent=spent, remaining=3.0, budget=4.0, delta=1e-5)


PRIVATE = RUNNING.model_copy(
    update={
        "private": True,
        "privacy": PrivacyStatus(
            epsilon=1.0, delta=1e-5, epsilon_spent=0.7912, epsilon_replace_one=1.68, holdout="mixed"
        ),
        "hospitals": [
            HospitalStatus(
                name="north",
                phase="Training",
                round=7,
                accuracy=0.95,
                loss=0.131,
                precision=0.961,
                recall=0.933,
                errors=MetricErrors(accuracy=0.031, loss=0.024, precision=0.0042, recall=0.09),
                ledger=ledger(0.7912),
            ),
            HospitalStatus(
                name="riverside", phase="Sent", round=7, loss=0.152, hidden=["accuracy", "recall"], ledger=ledger(4)
            ),
            HospitalStatus(name="harbor"),
        ],
    }
)
PRIVATE_TABLE = """\
  hospital      state         round       accuracy          loss     precision         recall  epsilon spent
  north         training          7     95.0 ± 3 %  0.131 ± 0.02  96.1 ± 0.4 %     93.3 ± 9 %    0.80 of 4.0
  riverside     sent              7  hidden: noise         0.152             –  hidden: noise    4.00 of 4.0
  harbor        not yet here                     –             –             –              –              –
  epsilon 0.80 of 1.0 spent per patient (delta 1e-5; 1.68 if a record is replaced); where scores on holdout
  patients are exact, the promise covers the training patients only
"""


def test_in_a_private_run_nobody_sees_rows_and_everybody_what_is_spent_and_what_noise_does() -> None:
    out = io.StringIO()
    Console(file=out, width=110, no_color=True).print(status_view(PRIVATE))
    shown = "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())
    assert shown.partition("\n\n")[2] == PRIVATE_TABLE


@pytest.mark.parametrize("width", [80, 99, 100])
def test_a_private_picture_fits_into_its_terminal_with_every_figure(width: int) -> None:
    out = io.StringIO()
    Console(file=out, width=width, no_color=True).print(status_view(PRIVATE))
    shown = out.getvalue()
    assert max(len(line) for line in shown.splitlines()) <= width
    assert "…" not in shown
    words = shown.split()
    counts = {"0.152": 1, "spent": 2, "0.80": 2, "4.00": 1, "4.0": 2, "hidden:": 2, "noise": 2}
    assert {word: words.count(word) for word in counts} == counts


def test_the_headline_and_the_end_of_a_private_run_tell_its_promise(federation: Federation) -> None:
    privacy = Privacy(epsilon=0.25, delta=1e-6)
    spec = federation.spec.model_copy(update={"privacy": privacy})
    assert headline(federation, spec) == (
        "Consilia · trial · 2 hospitals · 3 rounds · epsilon 0.25 per patient (delta 1e-6)"
    )
    assert done_line(PRIVATE, 6.123) == (
        "Done in 6.1 s. Accuracy 94.7 %, loss 0.141. 7 rounds, 0.031 s each. Epsilon 0.80 of 1.0 spent per patient "
        "(delta 1e-5; 1.68 if a record is replaced); where scores on holdout patients are exact, the promise covers "
        "the training patients only."
    )


def test_a_terminal_says_a_sentence_below_the_picture_until_the_next_run_begins(federation: Federation) -> None:
    console = Console(file=io.StringIO(), width=110, color_system=None)
    display = Terminal(console)
    display.open("Consilia · trial", "broker embedded")
    display.show(RUNNING)
    display.say("Done in 6.1 s.")
    display.show(RUNNING.model_copy(update={"run": 2}))
    display.close()
    assert isinstance(console.file, io.StringIO)
    assert "Done in 6.1 s." not in console.file.getvalue()


def test_a_terminal_shows_warnings_above_the_picture_and_leaves_what_is_normal_to_it() -> None:
    out = io.StringIO()
    display = Terminal(Console(file=out, width=110, color_system=None))
    display.open("Consilia · trial", "broker embedded")
    display.hear(EventRecord(at="", type="Normal", reason="QuorumReached", message="2 of 2 joined"), 10)
    display.hear(EventRecord(at="", type="Warning", reason="HospitalLost", message="lakeside: gone"), 10)
    display.warn(Happening("north", "Restarted", "north was ended by SIGKILL; it is started again"))
    display.close()
    text = out.getvalue()
    assert "warning: lakeside: gone (HospitalLost)" in text
    assert "north was ended by SIGKILL; it is started again" in text
    assert "joined" not in text


def test_lines_are_one_for_each_round_and_event_and_a_table_at_the_end() -> None:
    out = io.StringIO()
    display = Lines(out)
    display.open("Consilia · trial", "broker embedded")
    participants = ["north", "south"]
    display.hear(RoundRecord(run=1, round=0, at="", seconds=0.01, participants=participants), 10)
    metrics = Metrics(accuracy=0.947, loss=0.1412)
    display.hear(RoundRecord(run=1, round=7, at="", seconds=0.03, participants=participants, metrics=metrics), 10)
    display.hear(EventRecord(at="", type="Warning", reason="HospitalLost", message="lakeside: gone"), 10)
    display.finish(RUNNING)
    lines = out.getvalue().splitlines()
    assert lines[:5] == [
        "Consilia · trial",
        "broker embedded",
        "scaling     agreed from the summed moments of 2 hospitals",
        "round 7/10  accuracy 94.7 %  loss 0.141  2 hospitals  0.030 s",
        "warning: lakeside: gone (HospitalLost)",
    ]
    assert lines[6].split()[:2] == ["north", "training"]


NUMBERS = RUNNING.model_copy(
    update={
        "numeric": True,
        "metrics": Metrics(r2=0.8731, loss=0.0121),
        "hospitals": [
            HospitalStatus(name="north", phase="Training", rows=102, round=7, r2=0.87, loss=0.0131),
            HospitalStatus(name="south", round=7, loss=0.012, errors=MetricErrors(loss=0.0041)),
            HospitalStatus(name="harbor"),
        ],
    }
)


def test_a_model_of_a_number_has_its_r2_and_no_accuracy() -> None:
    console = Console(file=io.StringIO(), width=90, force_terminal=False, color_system=None)
    console.print(status_view(NUMBERS))
    picture = console.file.getvalue()  # type: ignore[attr-defined]
    assert "global        r2 0.873   loss 0.012   (public test set)" in picture
    assert "hospital      state          rows  round       r2           loss" in picture
    assert "north         training        102      7    0.870          0.013" in picture
    assert "south         not yet here             7        –  0.012 ± 0.004" in picture
    assert "accuracy" not in picture
    record = RoundRecord(run=1, round=7, at="", seconds=0.03, participants=["a"], metrics=NUMBERS.metrics)
    assert round_line(record, 10) == "round 7/10  r2 0.873  loss 0.012  1 hospital  0.030 s"
    assert done_line(NUMBERS, None).startswith("Done. R2 0.873, loss 0.012.")


def test_a_hospital_that_reads_its_data_says_how_far_it_has_come() -> None:
    console = Console(file=io.StringIO(), width=100)
    hospitals = [HospitalStatus(name="north", phase="Ready", reading=0.43), HospitalStatus(name="south", phase="Ready")]
    console.print(status_view(FederationStatus(phase="Training", rounds=3, hospitals=hospitals)))
    assert isinstance(console.file, io.StringIO)
    north, south = console.file.getvalue().splitlines()[-2:]
    assert "reading 43 %" in north
    assert "ready " in south


def test_lines_tell_once_why_a_run_is_blocked() -> None:
    out = io.StringIO()
    display = Lines(out)
    blocked = RUNNING.model_copy(update={"phase": "Blocked", "message": "riverside: a column is missing"})
    display.show(blocked)
    display.show(blocked.model_copy(update={"connected": 1}))
    assert out.getvalue() == "blocked: riverside: a column is missing\n"


def test_the_end_says_how_long_how_good_and_that_it_is_not_private() -> None:
    assert done_line(RUNNING, 6.123) == (
        "Done in 6.1 s. Accuracy 94.7 %, loss 0.141. 7 rounds, 0.031 s each. NON-PRIVATE."
    )
    assert done_line(FederationStatus(round=1), None) == "Done. NON-PRIVATE."


def test_the_model_is_told_as_the_code_that_loads_it() -> None:
    told = model_line(RegisteredModel(name="trial", version="3", uri="models:/trial/3"))
    assert told == 'Model trial v3 is in MLflow:  mlflow.pyfunc.load_model("models:/trial/3")'


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (["dashboard", "mlflow"], "Dashboard and MLflow stay up; Ctrl-C stops them."),
        (["mlflow"], "MLflow stays up; Ctrl-C stops it."),
        ([], "The hospitals stay up for another run; Ctrl-C stops them."),
    ],
)
def test_what_goes_on_is_named(parts: list[str], sentence: str) -> None:
    assert staying_line(parts) == sentence


HOSTILE = "\x1b[2J[red]gone[/red] :warning:\r\n\x9b31m\u202e"
HARMLESS = r"\x1b[2J[red]gone[/red] :warning:\r\n\x9b31m\u202e"


@pytest.mark.parametrize("display_of", [Lines, lambda out: Terminal(Console(file=out, width=200, color_system=None))])
def test_what_others_wrote_is_shown_as_they_wrote_it_and_steers_nothing(
    display_of: Callable[[io.StringIO], Display],
) -> None:
    out = io.StringIO()
    display = display_of(out)
    hostile = RUNNING.model_copy(
        update={
            "phase": "Blocked",
            "message": HOSTILE,
            "metrics": None,
            "hospitals": [HospitalStatus(name=f"n{HOSTILE}", phase="Refused", reason=HOSTILE)],
        }
    )
    display.open(f"Consilia · {HOSTILE}", HOSTILE)
    display.hear(EventRecord(at="", type="Warning", reason="HospitalRefused", message=HOSTILE), 10)
    display.warn(Happening("north", "Restarted", HOSTILE))
    display.show(hostile)
    display.finish(hostile)
    display.say(HOSTILE)
    display.close()
    shown = out.getvalue()
    assert not {"\x1b", "\r", "\x9b", "\u202e"} & {*shown}
    assert shown.count(HARMLESS) >= 6


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("5 hôpitaux · 94,7\u202f% – 🏥", "5 hôpitaux · 94,7\u202f% – 🏥", id="what people read"),
        pytest.param("\x1b]0;title\x07", r"\x1b]0;title\x07", id="escape sequence"),
        pytest.param("a\nb\tc\u2028d", r"a\nb\tc\u2028d", id="ends of lines"),
        pytest.param("\ud800", r"\ud800", id="half a character"),
        pytest.param("[red]a[/red]", "[red]a[/red]", id="markup"),
    ],
)
def test_a_text_is_legible(text: str, shown: str) -> None:
    assert legible(text) == shown


@pytest.mark.parametrize(("value", "text"), [(0.0134, "0.013 s"), (0.31, "0.31 s"), (27.52, "28 s")])
def test_seconds_keep_two_figures(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("loss", 0.14159, "0.142"),
        ("loss", 0.00314, "0.0031"),
        ("loss", 0.0, "0.000"),
        ("recall", 1.0, "100.0 %"),
        ("recall", None, "–"),
    ],
)
def test_figures_read_as_people_write_them(metric: str, value: float | None, text: str) -> None:
    assert figure(metric, value) == text
