"""What a run shows while it goes on: a live picture in a terminal, lines anywhere else."""

from typing import Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from consilia.status import EventRecord, FederationStatus, RoundRecord
from consilia_local.statistics_tables import statistics_view
from consilia_local.supervisor import Happening
from consilia_local.tables import HospitalsTable, inert, status_view
from consilia_local.wording import event_line, round_line

LINE_WIDTH = 110


class Display(Protocol):
    """Where a run is shown."""

    def open(self, headline: str, links: str) -> None:
        """Say what runs and where to look."""

    def show(self, status: FederationStatus) -> None:
        """The status is now this; called at most ten times a second."""

    def finish(self, status: FederationStatus) -> None:
        """The run is complete, with this status."""

    def hear(self, record: RoundRecord | EventRecord, rounds: int, /) -> None:
        """A round was committed, or something happened in the federation."""

    def warn(self, happening: Happening) -> None:
        """Something happened to a process."""

    def say(self, sentence: str) -> None:
        """Something that stays readable to the end."""

    def close(self) -> None:
        """Leave the terminal as it was; what was last shown stays."""


class Lines:
    """One line a round and an event, for pipes, logs and continuous integration."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out, width=LINE_WIDTH, force_terminal=False, color_system=None)
        self._told = ""

    def open(self, headline: str, links: str) -> None:
        """Say what runs and where to look."""
        self.say(headline)
        self.say(links)

    def show(self, status: FederationStatus) -> None:
        """Each new reason why nothing happens."""
        told, self._told = self._told, status.message
        if status.phase == "Blocked" and told != status.message:
            self.say(f"blocked: {status.message}")

    def finish(self, status: FederationStatus) -> None:
        """The hospitals' last scores, as a table, and before them the statistics of a run that took some."""
        if status.statistics:
            self._console.print(statistics_view(status.statistics))
            self.say("")
        self._console.print(HospitalsTable(status))

    def hear(self, record: RoundRecord | EventRecord, rounds: int, /) -> None:
        """A line."""
        self.say(round_line(record, rounds) if isinstance(record, RoundRecord) else event_line(record))

    def warn(self, happening: Happening) -> None:
        """A line."""
        self.say(f"warning: {happening.message}")

    def say(self, sentence: str) -> None:
        """A line, however long."""
        self._console.print(inert(sentence), soft_wrap=True)

    def close(self) -> None:
        """Nothing: lines stay as they are."""


class Terminal:
    """A picture that is drawn anew in place; warnings scroll above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=False, vertical_overflow="crop")
        self._status: FederationStatus | None = None
        self._said: list[str] = []

    def open(self, headline: str, links: str) -> None:
        """Say what runs and where to look, then begin the picture."""
        name, _, rest = headline.partition(" · ")
        self._console.print(Text.assemble(inert(name, "bold"), inert(f" · {rest}")))
        self._print(links)
        self._console.print()
        self._live.start()

    def show(self, status: FederationStatus) -> None:
        """Draw the status."""
        if not self._said_of(status):
            self._said.clear()
        self._status = status
        self._draw()

    def finish(self, status: FederationStatus) -> None:
        """Draw the status."""
        self.show(status)

    def hear(self, record: RoundRecord | EventRecord, _rounds: int, /) -> None:
        """Warnings only: the picture shows the rest."""
        if isinstance(record, EventRecord) and record.type == "Warning":
            self._print(event_line(record), "yellow")

    def warn(self, happening: Happening) -> None:
        """A line above the picture."""
        self._print(happening.message, "yellow")

    def say(self, sentence: str) -> None:
        """A line below the picture, until another run begins."""
        self._said.append(sentence)
        self._draw()

    def close(self) -> None:
        """End the picture where it is."""
        self._live.stop()

    def _said_of(self, status: FederationStatus) -> bool:
        return self._status is None or self._status.run == status.run

    def _draw(self) -> None:
        parts: list[RenderableType] = [] if self._status is None else [status_view(self._status)]
        if self._said:
            parts.append(Text())
        parts += [inert(sentence, overflow="fold") for sentence in self._said]
        self._live.update(Group(*parts), refresh=True)

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(inert(text, style), soft_wrap=True)
