"""A federation's status as rich draws it: the round's bar, the global scores, the hospitals."""

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, OverflowMethod, RenderableType, RenderResult
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from consilia.status import FederationStatus, HospitalStatus
from consilia.wording import counted
from consilia_local.legible import legible
from consilia_local.statistics_tables import statistics_view
from consilia_local.wording import budget_of, figure, metrics_of, score, seconds, spent_line, state_of

BAR_WIDTH = 32
ROOMY = 100  # columns
STYLES = {"Lost": "yellow", "Refused": "red", "Training": "cyan", "Sent": "green", "Ready": "green", "Pending": "dim"}


def inert(text: str, style: str = "", overflow: OverflowMethod | None = None) -> Text:
    """What others wrote, as it is: rich draws neither control characters nor markup nor emoji of it."""
    return Text(legible(text), style=style, overflow=overflow)


def status_view(status: FederationStatus) -> RenderableType:
    """All of a status, for a terminal of 80 columns or more."""
    return Group(_progress(status), *_result(status), Text(), HospitalsTable(status), *_notes(status))


@dataclass(frozen=True)
class HospitalsTable:
    """One line a hospital; the numbers keep their place while they change, and fit into 80 columns."""

    status: FederationStatus

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it, the columns closer together where there is little room."""
        yield _hospitals(self.status, tight=self.status.private and options.max_width < ROOMY)


def _hospitals(status: FederationStatus, *, tight: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1 if tight else 2, 0, 0), header_style="dim")
    table.add_column("  hospital", min_width=10 if tight else 14, no_wrap=True)
    table.add_column("state", min_width=12, no_wrap=True)
    # How many rows a hospital has is nobody's to know in a private run; and statistics have no model of a round.
    trains = status.task == "Training"
    if trains and not status.private:
        table.add_column("rows", justify="right", min_width=5, no_wrap=True)
    if trains:
        table.add_column("round", justify="right", min_width=5, no_wrap=True)
    for name in metrics_of(status):
        width = {"loss": 7 if tight else 6}.get(name, max(len(name), 7))
        # What noise does to a score goes on in a second line, where there is no room beside it.
        table.add_column(
            name, justify="right", min_width=width, width=width if tight else None, no_wrap=not status.private
        )
    if status.private:
        table.add_column("epsilon spent", justify="right", min_width=11, width=11 if tight else None)
    for hospital in status.hospitals:
        table.add_row(*_cells(hospital, status))
    return table


def _cells(hospital: HospitalStatus, status: FederationStatus) -> list[RenderableType]:
    trains, private = status.task == "Training", status.private
    rows, reached = ("" if each is None else str(each) for each in (hospital.rows, hospital.round))
    return [
        inert(f"  {hospital.name}"),
        inert(state_of(hospital), style=STYLES.get(hospital.phase, "")),
        *([rows] if trains and not private else []),
        *([reached] if trains else []),
        *(score(metric, hospital) for metric in metrics_of(status)),
        *([budget_of(hospital)] if private else []),
    ]


def _progress(status: FederationStatus) -> RenderableType:
    rounds, share = max(status.rounds, 1), 100 * min(status.round / max(status.rounds, 1), 1)
    row = Table.grid(padding=(0, 2))
    pace = f"{seconds(status.seconds_per_round)} a round" if status.seconds_per_round is not None else ""
    row.add_row(
        Text(f"  round {status.round}/{status.rounds}".ljust(14), style="bold"),
        ProgressBar(total=rounds, completed=min(status.round, rounds), width=BAR_WIDTH),
        f"{share:3.0f} %",
        pace or _stage(status),
    )
    return row


def _stage(status: FederationStatus) -> str:
    if status.phase == "Registration":
        return f"{status.connected} of {counted(status.quorum, 'hospital')} joined"
    return status.phase.lower()


def _result(status: FederationStatus) -> list[RenderableType]:
    """Of a statistics run, once there is something: its table; of training, how the model does."""
    return [Text(), statistics_view(status.statistics)] if status.statistics else [_global(status)]


def _global(status: FederationStatus) -> RenderableType:
    scores = status.metrics
    if scores is None:
        return inert(f"  {status.message}", "dim")
    told = "   ".join(f"{metric} {figure(metric, getattr(scores, metric))}" for metric in metrics_of(status))
    return Text.assemble(("  global        ", "bold"), told, ("   (public test set)", "dim"))


def _notes(status: FederationStatus) -> list[RenderableType]:
    """What is wrong, below the table, where a long sentence does not move the columns."""
    notes: list[RenderableType] = [
        inert(f"  {hospital.name}: {state_of(hospital)}: {hospital.reason}", STYLES.get(hospital.phase, ""))
        for hospital in status.hospitals
        if hospital.reason and hospital.phase in ("Lost", "Refused")
    ]
    if status.privacy is not None:
        notes.append(Padding(inert(spent_line(status.privacy), "dim"), (0, 0, 0, 2)))
    if status.phase in ("Blocked", "Idle", "Stopping") and status.message:
        notes.append(inert(f"  {status.phase}: {status.message}", "yellow"))
    return notes
