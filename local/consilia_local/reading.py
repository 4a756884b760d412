"""How far a look at hospitals' tables has come, for whoever waits for it in a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import Progress, TaskID

from consilia_local.legible import legible


@contextmanager
def watched_reading(out: TextIO) -> Iterator[Callable[[str, float | None], None]]:
    """A line that shows how much of each hospital's table was read, while it is; nothing where nobody looks."""
    with Progress(console=Console(file=out), transient=True, disable=not out.isatty()) as progress:
        tasks: dict[str, TaskID] = {}

        def reading(hospital: str, share: float | None) -> None:
            if hospital not in tasks:
                tasks[hospital] = progress.add_task(legible(f"reading the table of {hospital}"), total=1.0)
            progress.update(tasks[hospital], completed=1.0 if share is None else share)

        yield reading
