"""Fixtures of the tests that run the whole product."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from running import Command


@pytest.fixture
def consilia(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Start `consilia run` on a text with flags; ended after the test."""
    commands: list[Command] = []

    def run(text: str, *flags: str, terminal: bool = False) -> Command:
        commands.append(Command(tmp_path, text, *flags).start(terminal=terminal))
        return commands[-1]

    yield run
    for command in commands:
        command.stop()
