"""Tables of patients, and the builtin ones: public data cut into a test split and hospitals' shards.

Both sides need it: a hospital's builtin source reads a shard, the coordinator the test split. Reading the packaged
file is the one read in core (ADR 0003). All draws come from NumPy's PCG64 seeded here, so that a seed means the same
rows everywhere.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from consilia.errors import InvalidData
from consilia.features import require_finite
from consilia.vectors import FloatArray
from consilia.wording import counted

FILES = {"breast-cancer": "breast_cancer.csv"}
"""The builtin datasets. In each file the last column is the outcome, 0 or 1, by which splits and shards are drawn."""

FEWEST = 5
"""Patients of either outcome that each shard is dealt first, where there are enough."""

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Rows:
    """Patients as a model sees them: identities (n), features ``x`` (n, d) and labels ``y`` 0.0 or 1.0 (n,)."""

    ids: tuple[str, ...]
    x: FloatArray
    y: FloatArray

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Indices) -> "Rows":
        """The rows at ``rows``, in that order."""
        return Rows(tuple(self.ids[i] for i in rows), self.x[rows], self.y[rows])


@dataclass(frozen=True, eq=False)
class Table:
    """Patients as a hospital keeps them: identities (n), named columns and their ``values`` (n, columns)."""

    ids: tuple[str, ...]
    columns: tuple[str, ...]
    values: FloatArray

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Indices) -> "Table":
        """The rows at ``rows``, in that order."""
        return Table(tuple(self.ids[i] for i in rows), self.columns, self.values[rows])

    def select(self, features: tuple[str, ...] | list[str], label: str, owner: str) -> Rows:
        """The columns that a federation names, as rows. ``owner`` ("hospital north") begins each refusal.

        Raises :class:`InvalidData` for a missing column, NaN or infinity, a label other than 0 or 1, or one class only.
        """
        rows = self.project(features, label, owner)
        try:
            require_finite(rows.x, features)
        except InvalidData as error:
            raise InvalidData(f"{owner}: {error}") from error
        _require_two_classes(rows.y, label, owner)
        return rows

    def project(self, features: tuple[str, ...] | list[str], label: str, owner: str) -> Rows:
        """The same whatever the values are: only a missing column is refused, of which no patient knows."""
        for name in (*features, label):
            if name not in self.columns:
                raise InvalidData(
                    f'{owner} has no column "{name}": name one of its {counted(len(self.columns), "column")}, '
                    "or map the column"
                )
        at = {name: i for i, name in enumerate(self.columns)}
        x = np.ascontiguousarray(self.values[:, [at[name] for name in features]])
        return Rows(self.ids, x, self.values[:, at[label]].copy())


@dataclass(frozen=True)
class Split:
    """A table cut in two: rows that hospitals share out, and public test rows."""

    train: Table
    test: Table


def parse(text: str, name: str) -> Table:
    """Read a table from CSV with a header; row i gets the identity ``name/i``, counted from 0."""
    header, *lines = text.splitlines()
    columns = tuple(header.split(","))
    values = np.array([[float(cell) for cell in line.split(",")] for line in lines])
    return Table(tuple(f"{name}/{i}" for i in range(len(lines))), columns, values)


@cache
def load(dataset: str) -> Table:
    """The builtin dataset of that name; its values cannot be written to, as every caller gets the same ones."""
    if dataset not in FILES:
        raise InvalidData(f'builtin dataset "{dataset}" is unknown: use one of {", ".join(FILES)}')
    table = parse(files("consilia.data").joinpath(FILES[dataset]).read_text("utf-8"), dataset)
    table.values.flags.writeable = False
    return table


def split(table: Table, seed: int, test_fraction: float = 0.2) -> Split:
    """Cut a table into training and test rows, stratified by its outcome; both in random order.

    The test part has ``round(test_fraction * n)`` rows, and of each class its share of them.
    """
    draw = np.random.Generator(np.random.PCG64([seed, 0]))
    zeros, ones = (draw.permutation(rows) for rows in _by_outcome(table))
    in_test = round(test_fraction * len(table))
    ones_in_test = round(in_test * ones.size / len(table))
    zeros_in_test = in_test - ones_in_test
    test = draw.permutation(np.concatenate([zeros[:zeros_in_test], ones[:ones_in_test]]))
    train = draw.permutation(np.concatenate([zeros[zeros_in_test:], ones[ones_in_test:]]))
    return Split(table.take(train), table.take(test))


def shard(train: Table, index: int, of: int, alpha: float, seed: int) -> Table:
    """Shard ``index`` of ``of``: label-skewed, every row in exactly one shard, the same for the same arguments.

    Each shard is first dealt up to ``FEWEST`` rows of either outcome, so that every hospital has both classes,
    something to learn from and something to hold out. All other rows of an outcome are dealt in proportions drawn
    from Dirichlet(alpha) (Hsu, Qi & Brown 2019): small alpha gives a hospital mostly one outcome.
    """
    if not 0 <= index < of:
        raise InvalidData(f"shard {index} does not exist: of {of} shards the last is {of - 1}")
    draw = np.random.Generator(np.random.PCG64([seed, 1]))
    outcomes = [draw.permutation(rows) for rows in _by_outcome(train)]
    fewest = min(FEWEST, *(rows.size // of for rows in outcomes))
    if fewest < 1:
        scarcest = min(rows.size for rows in outcomes)
        raise InvalidData(
            f"{counted(of, 'shard')} are too many: the rarer outcome has {counted(scarcest, 'row')}; lower of"
        )
    mine: list[Indices] = []
    for rows in outcomes:
        dealt, rest = rows[: fewest * of], rows[fewest * of :]
        ends = np.floor(np.cumsum(draw.dirichlet([alpha] * of)) * rest.size + 0.5).astype(int)
        ends[-1] = rest.size
        mine += [dealt[index * fewest : (index + 1) * fewest], rest[ends[index - 1] if index else 0 : ends[index]]]
    return train.take(np.sort(np.concatenate(mine)))


def _by_outcome(table: Table) -> tuple[Indices, Indices]:
    outcome = table.values[:, -1]
    return np.flatnonzero(outcome < 0.5), np.flatnonzero(outcome > 0.5)


def _require_two_classes(y: FloatArray, label: str, owner: str) -> None:
    if y.size == 0:
        raise InvalidData(f"{owner} has no rows: there is nothing to learn from")
    if ((y != 0.0) & (y != 1.0)).any():
        raise InvalidData(f'{owner}: label "{label}" is neither 0 nor 1 in some rows: code it as 0 or 1')
    if y.min() == y.max():
        raise InvalidData(
            f'{owner} has one class only: label "{label}" is the same in every row; patients of both 0 and 1 are needed'
        )
