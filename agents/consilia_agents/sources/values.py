"""Values as numbers: of Arrow's arrays, of a database's rows and of single texts, all by the same rules.

A feature is a number or a boolean, or a text that is a number; where ``positive`` is given, 1 where the text is that
one and 0 where it is another. What is there and is none of these is unreadable: counted, NaN, and quoted nowhere. What
no value of a column can be (a date, a list) is refused by its type.
"""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consilia.errors import InvalidData
from consilia.vectors import FloatArray
from consilia_agents.sources.mapped import MISSING, NUMBER, Column, Mapped, means_one, number
from consilia_agents.sources.records import Records

_BLANKS = " \t\r\n"
_PLAIN = frozenset({int, float, bool, Decimal, type(None)})


def numbers_of_arrow(array: Any, column: Column, hospital: str, where: str = "") -> tuple[FloatArray, int]:
    """An array's values (n,), converted, and how many of them are unreadable. ``where`` is " in labs.csv", or nothing.

    Raises :class:`consilia.errors.InvalidData` for a type that holds no numbers.
    """
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan), 0
    if pa.types.is_string_view(kind):  # for which Arrow cannot do what is done below
        return _texts_of_arrow(array.cast(pa.large_string()), column)
    if _is_text(kind):
        return _texts_of_arrow(array, column)
    if pa.types.is_boolean(kind) and column.positive is not None:
        one = _truth(column.positive)
        if one is None:
            raise _no_such_value(column, "booleans", hospital, where)
        return _floats(pc.cast(pc.equal(array, one), pa.float64())), 0
    if (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    ):
        values = _floats(pc.cast(array, pa.float64(), safe=False))
        if column.positive is not None:
            return _equal(values, column, hospital, where), 0
        return _finite(values, column)
    raise no_number(column, str(kind), hospital, where)


def add_arrow(records: Records, mapped: Mapped, batch: Any, where: str = "", decimal: str = ".") -> None:
    """Add a batch of Arrow's, which has all the columns that are needed, to what was read.

    With ``decimal`` "," all of them are texts, and a number that has a point is none.
    """
    columns = []
    for column in mapped.columns:
        array = batch.column(column.column)
        if decimal == "," and column.positive is None:
            array = pc.replace_substring(pc.replace_substring(array, ".", "no number"), ",", ".")
        values, unreadable = numbers_of_arrow(array, column, mapped.hospital, where)
        records.count(column.name, unreadable)
        columns.append(values)
    records.add(ids_of_arrow(batch.column(mapped.patient), mapped.patient, mapped.hospital, where), columns)


def add_rows(records: Records, mapped: Mapped, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Add rows of a database, whose columns have these names, to what was read."""
    by_name = dict(zip(names, zip(*rows, strict=True), strict=True))
    columns = []
    for column in mapped.columns:
        values, unreadable = numbers_of_rows(by_name[column.column], column)
        records.count(column.name, unreadable)
        columns.append(values)
    records.add([id_of(each, mapped.patient, mapped.hospital) for each in by_name[mapped.patient]], columns)


def ids_of_arrow(array: Any, name: str, hospital: str, where: str = "") -> list[str | None]:
    """Identities as text; None where there is none."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    kind = array.type
    whole = pa.types.is_decimal(kind) and kind.scale == 0
    if pa.types.is_null(kind):
        return [None] * len(array)
    if not (pa.types.is_integer(kind) or whole or _is_text(kind)):
        raise no_identity(name, str(kind), hospital, where)
    return [None if text is None or not text.strip(_BLANKS) else text for text in array.cast(pa.string()).to_pylist()]


def numbers_of_rows(values: Sequence[Any], column: Column) -> tuple[FloatArray, int]:
    """The values (n,) of one column of a database's rows, and how many are unreadable."""
    if column.positive is None and _PLAIN.issuperset(map(type, values)):
        try:
            return _finite(np.array(values, dtype=np.float64), column)
        except OverflowError:
            pass  # a whole number beyond all floats, which is unreadable
    found = [number_of(value, column) for value in values]
    unreadable = sum(each is None for each in found)
    array = np.array([math.nan if each is None else each for each in found])
    return column.conversion.apply(array) if column.positive is None else array, unreadable


def number_of(value: Any, column: Column) -> float | None:
    """One value, not converted yet: NaN for what is missing, None for what is unreadable."""
    if value is None:
        return math.nan
    if isinstance(value, bool) and column.positive is not None:
        one = _truth(column.positive)
        return None if one is None else float(value == one)
    if isinstance(value, str):
        return _of_text(value, column.positive)
    return _of_number(value, column.positive) if isinstance(value, int | float | Decimal) else None


def id_of(value: Any, name: str, hospital: str) -> str | None:
    """One identity as text; None where there is none."""
    if value is None:
        return None
    if isinstance(value, str):
        return value if value.strip(_BLANKS) else None
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return str(int(value))
    if (isinstance(value, int) and not isinstance(value, bool)) or isinstance(value, UUID):
        return str(value)
    raise no_identity(name, type(value).__name__, hospital)


def no_number(column: Column, kind: str, hospital: str, where: str = "") -> InvalidData:
    """The refusal of a column by its type."""
    return InvalidData(
        f'hospital {hospital}: column "{column.column}"{where} is of type {kind}, and "{column.name}" is a number: map '
        "another column, or give a number in its place"
    )


def no_identity(name: str, kind: str, hospital: str, where: str = "") -> InvalidData:
    """The refusal of the patient's column by its type."""
    return InvalidData(
        f'hospital {hospital}: column "{name}"{where} is of type {kind}, and patients are told apart by texts or whole '
        "numbers: name another in mapping.patient"
    )


def _of_text(text: str, positive: str | None) -> float | None:
    if positive is None:
        return number(text)
    return math.nan if text.strip(_BLANKS) in MISSING else float(means_one(text, positive))


def _of_number(value: float | Decimal, positive: str | None) -> float | None:
    try:
        plain = float(value)
    except (OverflowError, ValueError):
        return None
    if positive is None or math.isnan(plain):
        return None if math.isinf(plain) else plain
    one = number(positive)
    return None if one is None else float(plain == one)


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _texts_of_arrow(array: Any, column: Column) -> tuple[FloatArray, int]:
    if column.positive is None:
        try:
            values = _floats(pc.cast(array, pa.float64()))
        except pa.ArrowInvalid:
            pass  # something is no number, or has blanks around it: look at each
        else:
            if int(np.isnan(values).sum()) == array.null_count:
                return _finite(values, column)  # else Arrow takes more texts for NaN than are missing here
    array.validate(full=True)  # a Parquet's texts may be no UTF-8
    plain = pc.utf8_trim(array, _BLANKS)
    missing = pc.or_(pc.is_null(plain), pc.fill_null(pc.is_in(plain, pa.array(MISSING, plain.type)), False))
    if column.positive is not None:
        one = pc.equal(plain, column.positive.strip(_BLANKS))
        return _floats(pc.if_else(missing, None, pc.cast(one, pa.float64()))), 0
    numeric = pc.fill_null(pc.match_substring_regex(plain, NUMBER), False)
    texts = pc.replace_substring_regex(pc.if_else(numeric, plain, None), r"^\+", "")
    values, beyond = _finite(_floats(pc.cast(texts, pa.float64())), column)
    neither = int(pc.sum(pc.invert(pc.or_(missing, numeric))).as_py() or 0)
    return values, neither + beyond


def _floats(array: Any) -> FloatArray:
    return np.asarray(pc.fill_null(array, math.nan).to_numpy(zero_copy_only=False), dtype=np.float64)


def _finite(values: FloatArray, column: Column) -> tuple[FloatArray, int]:
    values = column.conversion.apply(values)
    beyond = np.isinf(values)
    unreadable = int(beyond.sum())
    if unreadable:
        values = np.where(beyond, np.nan, values)
    return values, unreadable


def _equal(values: FloatArray, column: Column, hospital: str, where: str) -> FloatArray:
    one = number(column.positive or "")
    if one is None or math.isnan(one):
        raise _no_such_value(column, "numbers", hospital, where)
    return np.where(np.isnan(values), np.nan, (values == one).astype(np.float64))


def _truth(positive: str) -> bool | None:
    """Which boolean a positive text is; None where it is none."""
    return {"true": True, "1": True, "false": False, "0": False}.get(positive.strip(_BLANKS).lower())


def _no_such_value(column: Column, held: str, hospital: str, where: str) -> InvalidData:
    return InvalidData(
        f'hospital {hospital}: column "{column.column}"{where} holds {held}, and the positive text of "{column.name}" '
        f"is none: give the {held.removesuffix('s')}, or leave positive out"
    )
