"""Cutting one table into hospitals' shards, for trying things out: label-skewed, as the builtin source's are.

The cells stay as they are in the file, text by text; only which row goes where is decided, by
:func:`consilia.dataset.shard`.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from consilia.dataset import Table, shard
from consilia.errors import InvalidData, Unwritable
from consilia.wording import counted, first_of

MOST_NAMED = 5


@dataclass(frozen=True)
class Cut:
    """How a table is cut: ``of`` shards, by the column ``label``, of which ``positive`` is the text that means 1.

    Without one, the column holds 0 and 1. ``delimiter`` stands between two values, in the file and in the shards.
    ``alpha`` and ``seed``: see :func:`consilia.dataset.shard`.
    """

    of: int
    label: str
    positive: str | None = None
    delimiter: str = ","
    alpha: float = 0.5
    seed: int = 42


def cut(file: Path, into: Path, how: Cut) -> Iterator[tuple[Path, int]]:
    """Write the shards of a CSV or Parquet ``file`` as CSV into a folder: the path of each and its rows, as they come.

    Raises :class:`InvalidData` for a table that cannot be cut so, and :class:`Unwritable` where there is no room.
    """
    header, rows = _read(file, how.delimiter)
    if how.label not in header:
        raise InvalidData(
            f'{file} has no column "{how.label}": it has {", ".join(header)}; name one of them, or say what stands '
            "between two of them with --delimiter"
        )
    texts = [row[header.index(how.label)] for row in rows]
    outcomes = np.column_stack([np.arange(len(rows), dtype=np.float64), _outcomes(texts, how, file)])
    table = Table(tuple(map(str, range(len(rows)))), ("row", "outcome"), outcomes)
    for index in range(how.of):
        mine = shard(table, index, how.of, how.alpha, how.seed).values[:, 0].astype(int)
        path = into / f"shard-{index + 1}.csv"
        _write(path, header, [rows[i] for i in mine], how.delimiter)
        yield path, len(mine)


def _outcomes(texts: list[str], how: Cut, file: Path) -> list[float]:
    if how.positive is not None:
        if how.positive not in texts:
            raise InvalidData(f'{file}: no row has "{how.positive}" in column "{how.label}": mend --positive')
        return [float(text == how.positive) for text in texts]
    values = {text: _number(text) for text in set(texts)}
    if not set(values.values()) <= {0.0, 1.0}:
        raise InvalidData(
            f'{file}: column "{how.label}" holds other values than 0 and 1: say which text means 1, with --positive'
        )
    return [values[text] for text in texts]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _read(file: Path, delimiter: str) -> tuple[list[str], list[list[str]]]:
    try:
        if file.suffix.lower() == ".parquet":
            return _read_parquet(file)
        with file.open(encoding="utf-8-sig", newline="") as text:
            header, *rows = [row for row in csv.reader(text, delimiter=delimiter, strict=True) if row]
    except UnicodeDecodeError as error:
        raise InvalidData(f"{file} is no UTF-8 text: convert it, with iconv for instance") from error
    except csv.Error as error:
        raise InvalidData(f"{file} is no CSV: {error}") from error
    except OSError as error:
        raise InvalidData(f"{file} cannot be read: {error.strerror or 'it is no such file'}") from error
    except ValueError as error:
        raise InvalidData(f"{file} is empty: it has no header") from error
    uneven = [str(number) for number, row in enumerate(rows, 1) if len(row) != len(header)]
    if uneven:
        raise InvalidData(
            f"{file} has {counted(len(uneven), 'row')} with another number of cells than the header, which has "
            f"{len(header)}: rows {', '.join(first_of(uneven, MOST_NAMED))}"
        )
    return header, rows


def _read_parquet(file: Path) -> tuple[list[str], list[list[str]]]:
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415 - only where it is needed
    except ModuleNotFoundError as error:
        raise InvalidData(f"{file} is Parquet, and pyarrow is not installed: pip install pyarrow") from error
    try:
        table = parquet.read_table(file)
    except ArrowException as error:
        raise InvalidData(f"{file} is no Parquet, or is cut off") from error
    columns = [["" if value is None else str(value) for value in column.to_pylist()] for column in table.columns]
    return table.column_names, [list(row) for row in zip(*columns, strict=True)]


def _write(path: Path, header: list[str], rows: list[list[str]], delimiter: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows([header, *rows])
    except OSError as error:
        raise Unwritable(f"{path} cannot be written: {error.strerror}") from error
