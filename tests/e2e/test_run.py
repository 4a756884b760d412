"""A federation in processes of its own, over both real brokers, whatever is killed meanwhile."""

import os
import random
import signal
from collections.abc import Callable

import pytest

from deadline import eventually
from running import Command, computed_model, example

pytestmark = pytest.mark.real
LEAN = ("--no-mlflow", "--no-dashboard")
BROKERS = ("embedded", "prosody")
LONG = 800


@pytest.mark.parametrize("broker", BROKERS)
def test_the_example_runs_and_gives_the_same_bits_over_either_broker(
    consilia: Callable[..., Command], broker: str
) -> None:
    command = consilia(example(), "--broker", broker, *LEAN)
    assert command.wait() == 0, command.text()
    assert command.model() == computed_model(example())
    text = command.text()
    assert "NON-PRIVATE" in text
    assert "round 10/10" in text
    assert "Done in " in text
    assert "Traceback" not in text + command.logs()
    assert command.processes() == {}


@pytest.mark.parametrize("broker", BROKERS)
def test_kills_at_random_moments_do_not_change_a_bit(consilia: Callable[..., Command], broker: str) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    text = example(rounds=LONG)
    command = consilia(text, "--broker", broker, *LEAN)
    reached = 0
    for victim in dice.sample(["broker", "coordinator", "hospital-lakeside"], 3):
        reached = command.until_round(reached + dice.randrange(1, LONG // 10))
        print(f"{victim} killed at round {reached}")
        command.kill(victim)
    assert command.wait() == 0, command.text()
    assert command.model() == computed_model(text)


def test_ctrl_c_leaves_nothing_behind_and_the_next_run_goes_on(consilia: Callable[..., Command]) -> None:
    text = example(rounds=LONG)
    command = consilia(text, *LEAN)
    reached = command.until_round(5)
    assert command.process is not None
    command.process.send_signal(signal.SIGINT)
    assert command.wait(20) == 130
    assert command.processes() == {}
    assert "Traceback" not in command.text()
    command.start()
    assert command.wait() == 0
    current = command.history().current
    assert current is not None
    assert current.number == 1
    assert current.committed == LONG > reached
    assert command.model() == computed_model(text)


@pytest.mark.parametrize("broker", BROKERS)
def test_ctrl_c_kills_a_broker_that_does_not_end_when_it_is_asked_to(
    consilia: Callable[..., Command], broker: str
) -> None:
    command = consilia(example(rounds=100_000), "--broker", broker, *LEAN)
    command.until_round(1)
    for pid in command.processes()["broker"]:
        os.kill(pid, signal.SIGSTOP)  # SIGTERM waits for good, as it did for a Prosody that spun in a TLS library
    assert command.process is not None
    command.process.send_signal(signal.SIGINT)
    assert command.wait(20) == 130
    assert command.processes() == {}


def test_no_process_outlives_a_killed_command(consilia: Callable[..., Command]) -> None:
    command = consilia(example(rounds=LONG), *LEAN)
    command.until_round(1)
    assert command.process is not None
    os.kill(command.process.pid, signal.SIGKILL)
    command.process.wait()
    eventually(lambda: not command.processes(), 15, lambda: str(command.processes()))


def test_a_second_run_after_a_complete_one_is_a_new_run_with_the_same_model(consilia: Callable[..., Command]) -> None:
    command = consilia(example(), *LEAN)
    assert command.wait() == 0
    first = command.model()
    command.start()
    assert command.wait() == 0
    current = command.history().current
    assert current is not None
    assert current.number == 2
    assert command.model() == first


def test_edits_of_the_running_federation_hold_at_once(consilia: Callable[..., Command]) -> None:
    command = consilia(example(suspend="true"), *LEAN)
    command.until(lambda: command.phase() == "Idle", "Idle")
    command.api("PATCH", {"rounds": LONG, "suspend": False})
    command.until_round(2)
    command.api("PATCH", {"suspend": True})
    command.until(lambda: command.phase() == "Idle", "Idle again")
    reached = command.history().current
    assert reached is not None
    command.api("PATCH", {"suspend": False, "rounds": reached.committed + 3})
    assert command.wait() == 0
    assert command.model() == computed_model(example(rounds=reached.committed + 3))
