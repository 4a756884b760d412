"""What a look at a hospital's table found, as rich draws it for whoever keeps that table. Pure."""

from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from consilia.wording import counted, first_of
from consilia_local.data_check import Checked
from consilia_local.tables import inert
from consilia_local.wording import ABSENT

MANY_COLUMNS = 12
"""Above so many columns, those of which there is nothing to tell are only counted."""
MOST_CLASSES = 10
COUNTS = (("missing", "missing"), ("unreadable", "unreadable"), ("outOfBounds", "out of bounds"))


def checked_view(checked: Checked) -> RenderableType:
    """One hospital's table: whether it can be used, what is in it, and each column."""
    parts: list[RenderableType] = [_headline(checked)]
    if checked.refusal is not None and checked.report is None:
        parts.append(_indented(inert(checked.refusal, "red")))
    if checked.report is not None:
        report = checked.report
        parts += [_indented(inert(_records(report))), _indented(_columns(report["columns"]))]
        parts += [_indented(inert(note, "yellow")) for note in _notes(checked)]
    return Group(*parts, Text())


def _headline(checked: Checked) -> Text:
    spec = checked.cohort.spec
    said = f"{checked.hospital} · cohort {checked.cohort.metadata.name} · {spec.source.kind} · "
    word, style = ("accepted", "green") if checked.accepted else ("not accepted", "red")
    return Text.assemble(inert(said, "bold"), (word, style))


def _records(report: dict[str, Any]) -> str:
    told = [counted(report["rows"], "row"), counted(report["patients"], "patient"), f"{report['usable']} usable"]
    if report["labels"] is not None:
        classes = [f"{count} of class {label}" for label, count in report["labels"].items()]
        told.append(", ".join(first_of(classes, MOST_CLASSES)) or "no class")
    if report["withoutPatient"]:
        told.append(f"{report['withoutPatient']} without a patient")
    return " · ".join(told)


def _columns(columns: list[dict[str, Any]]) -> RenderableType:
    shown = columns if len(columns) <= MANY_COLUMNS else [each for each in columns if _tells(each)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("column", overflow="fold")
    table.add_column("unit", overflow="fold")
    for _, name in COUNTS:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for each in shown:
        table.add_row(
            inert(_named(each)),
            inert(_unit(each)),
            *(str(each[key]) if each[key] else "" for key, _ in COUNTS),
            inert(_verdict(each), "red" if each["objection"] else ""),
        )
    rest = len(columns) - len(shown)
    if not rest:
        return table
    which = counted(rest, "more column" if shown else "column")
    silent = inert(f"{which}: nothing missing, unreadable or out of bounds", "dim")
    return Group(table, silent) if shown else silent


def _tells(column: dict[str, Any]) -> bool:
    return bool(column["objection"]) or any(column[key] for key, _ in COUNTS)


def _named(column: dict[str, Any]) -> str:
    name, kept = column["name"], column["column"]
    return name if kept == name else f"{kept} ({name})"


def _unit(column: dict[str, Any]) -> str:
    wanted, kept = column["unit"], column["kept"]
    if kept is None or kept == wanted:
        return wanted or ABSENT
    return f"{kept} to {wanted}"


def _verdict(column: dict[str, Any]) -> str:
    if column["objection"]:
        return str(column["objection"])
    gaps = column["missing"] + column["unreadable"]
    if gaps and column["impute"] is not None:
        return f"imputed: {column['impute']:g}"
    said = ["rows left out"] if gaps else []
    if column["outOfBounds"]:
        said.append("clipped")
    return ", ".join(said) or "good"


def _notes(checked: Checked) -> list[str]:
    report = checked.report or {}
    told = {each["objection"] for each in report["columns"]}
    notes = [said for said in report["objections"] if said not in told]
    if checked.refusal is not None and report["accepted"]:
        notes.append(checked.refusal)
    if checked.private and not report["accepted"]:
        notes.append("a private run tells nobody of this: it goes on without the records that cannot be used")
    return [*notes, *report["notes"]]


def _indented(view: RenderableType) -> RenderableType:
    return Padding(view, (0, 0, 0, 2), expand=False)
