"""A private federation in processes of its own: what it spends is in every cohort's ledger, whatever is killed."""

import os
import random
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from consilia.journal import UpdateReceived, decode
from consilia.privacy import entries
from consilia.privacy.entries import AnyEntry, Opened, Released
from consilia.privacy.ledger import Ledger
from running import CONSILIA, Command, private_example

pytestmark = pytest.mark.real
LEAN = ("--no-mlflow", "--no-dashboard")
HOSPITALS = ("harbor", "hillview", "lakeside", "north", "riverside")
LONG = 300
FOUR_RUNS = 2.2
"""A budget with room for four runs of epsilon 1 and not for five: they compose to less than their sum."""


def ledger_of(command: Command, hospital: str) -> Path:
    return command.state / "ledgers" / "default" / f"{hospital}-2024" / "ledger.jsonl"


def entries_of(command: Command, hospital: str) -> list[AnyEntry]:
    path = ledger_of(command, hospital)
    return entries.decode(path.read_bytes(), str(path))


def releases_of(command: Command, hospital: str, kind: str) -> list[Released]:
    return [each for each in entries_of(command, hospital) if isinstance(each, Released) and each.kind == kind]


def received(command: Command) -> list[UpdateReceived]:
    journal = command.state / "volumes" / "coordinator" / "journal" / "journal"
    facts, _ = decode(journal.read_bytes(), "journal")
    return [fact for fact in facts if isinstance(fact, UpdateReceived)]


def verb(command: Command, *arguments: str) -> str:
    """What a verb says of the command's state folder, having ended well."""
    found = subprocess.run(
        [CONSILIA, *arguments, "--state", command.state],
        cwd=command.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def assert_all_is_counted(command: Command) -> None:
    """Every ledger holds, as the coordinator saw it; and nothing was received that is not in one."""
    told = verb(command, "ledger", "verify", *(f"{hospital}-2024" for hospital in HOSPITALS))
    assert told.count("which was seen elsewhere") == len(HOSPITALS)
    counted = {
        (name, each.message) for name in HOSPITALS for each in entries_of(command, name) if isinstance(each, Released)
    }
    answered = {(update.hospital, update.vector.sha256) for update in received(command) if update.vector is not None}
    assert answered
    assert answered <= counted


def test_a_private_run_tells_what_it_spent_and_others_draw_on_the_same_ledger_until_nothing_is_left(
    consilia: Callable[..., Command],
) -> None:
    command = consilia(private_example(FOUR_RUNS), "--broker", "prosody", *LEAN)
    for run in range(1, 5):
        assert command.wait() == 0, command.text()
        current = command.history().current
        assert current is not None
        assert (current.number, current.committed) == (run, 20)
        assert [len(releases_of(command, name, "train")) for name in HOSPITALS] == [20 * run] * len(HOSPITALS)
        command.start()
    assert command.wait() == 2
    text = command.text()
    assert "5 hospitals · 20 rounds · epsilon 1.0 per patient (delta 1e-5)" in text
    assert re.search(r"run 5 of federation default/breast-cancer asks for epsilon 1 .* is spent, and a run of at", text)
    assert "NON-PRIVATE" not in text
    assert "Traceback" not in text + command.logs()
    assert_all_is_counted(command)
    told = verb(command, "status")
    assert "rows" not in told
    spent = {float(found) for found in re.findall(rf"([\d.]+) of {FOUR_RUNS}\n", told)}
    assert len(spent) == 1
    ledger = Ledger.read(ledger_of(command, "north").read_bytes(), "north", "north/north-2024", None)
    assert ledger.spent(1e-5) <= spent.pop() <= FOUR_RUNS


@pytest.mark.parametrize("broker", ["embedded", "prosody"])
def test_kills_of_hospitals_in_mid_run_end_in_the_right_accounting(
    consilia: Callable[..., Command], broker: str
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    command = consilia(private_example(rounds=LONG), "--broker", broker, *LEAN)
    reached = 0
    for victim in ("lakeside", "north"):
        reached = command.until_round(reached + dice.randrange(1, LONG // 8))
        print(f"{victim} killed at round {reached}")
        command.kill(f"hospital-{victim}")
    assert command.wait() == 0, command.text()
    assert_all_is_counted(command)
    for hospital in HOSPITALS:
        trained = releases_of(command, hospital, "train")
        # What was sent again is counted once; what had to be made anew comes out of the reserve.
        assert LONG <= len(trained) <= LONG + 2
        assert len({each.message for each in trained}) == len(trained)
        assert len(releases_of(command, hospital, "centre")) == 1
        assert sum(isinstance(each, Opened) for each in entries_of(command, hospital)) == 1
    status = command.saved_status()
    assert status.privacy is not None
    assert 0 < status.privacy.epsilon_spent <= 1.0
    for told in status.hospitals:
        assert told.ledger is not None
        assert told.ledger.sequence == entries_of(command, told.name)[-1].sequence


def test_a_killed_command_goes_on_with_its_run_and_its_ledgers(consilia: Callable[..., Command]) -> None:
    command = consilia(private_example(rounds=LONG), *LEAN)
    command.until_round(5)
    assert command.process is not None
    os.kill(command.process.pid, signal.SIGKILL)
    command.process.wait()
    command.until_gone()
    command.start()
    assert command.wait() == 0, command.text()
    current = command.history().current
    assert current is not None
    assert (current.number, current.committed) == (1, LONG)
    assert_all_is_counted(command)
    for hospital in HOSPITALS:
        assert LONG <= len(releases_of(command, hospital, "train")) <= LONG + 2


def test_more_rounds_in_mid_run_wait_for_another_run(consilia: Callable[..., Command]) -> None:
    command = consilia(private_example(rounds=LONG), *LEAN)
    command.until_round(3)
    command.api("PATCH", {"rounds": 2 * LONG})
    assert command.wait() == 0, command.text()
    current = command.history().current
    assert current is not None
    assert (current.number, current.committed) == (1, LONG)
    assert "(EditDeferred)" in command.text()
    assert [len(releases_of(command, name, "train")) for name in HOSPITALS] == [LONG] * len(HOSPITALS)
    assert_all_is_counted(command)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param(lambda path: path.unlink(), "is missing, and entry", id="deleted"),
        pytest.param(
            lambda path: path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4])),
            "it was rolled back; restore the newest copy",
            id="rolled back",
        ),
    ],
)
def test_a_ledger_that_was_tampered_with_ends_in_refusal(
    consilia: Callable[..., Command], damage: Callable[[Path], object], sentence: str
) -> None:
    command = consilia(private_example(rounds=3), *LEAN)
    assert command.wait() == 0, command.text()
    damage(ledger_of(command, "north"))
    before = len(received(command))
    command.start()
    assert command.wait() == 2
    assert sentence in command.text()
    assert len(received(command)) == before


def test_a_hospital_with_noised_scores_tells_them_once_with_what_noise_does(consilia: Callable[..., Command]) -> None:
    text = private_example(budget=8.0, epsilon=8.0, rounds=5)
    assert text.count("metrics: exact") == 5
    command = consilia(text.replace("metrics: exact", "metrics: noised", 4), *LEAN)
    assert command.wait() == 0, command.text()
    scored = {each.name: each for each in command.saved_status().hospitals}
    exact = {name for name, each in scored.items() if each.ledger is not None and each.ledger.exact}
    assert exact == {"harbor"}
    assert scored["harbor"].errors is None
    assert all(scored[name].errors is not None or scored[name].hidden for name in HOSPITALS if name != "harbor")
    assert [len(releases_of(command, name, "evaluate")) for name in HOSPITALS] == [0, 1, 1, 1, 1]
    assert_all_is_counted(command)
