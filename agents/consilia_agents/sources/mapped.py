"""Which column is which feature, and by what map its values become the federation's: decided before anything is read.

Whatever reads a hospital's rows, in this process's memory or in Spark, asks here; so all say the same sentences, and
compute the same numbers. Refused is what the documents alone decide: a unit that does not convert, a code where the
source has columns, a column that is not there. None of it says anything of a patient.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from consilia.data_source import ColumnMapping, TableMapping
from consilia.errors import InvalidData
from consilia.experiment import Features
from consilia.spec import CohortSpec
from consilia.wording import counted
from consilia_agents.sources.units import UNCHANGED, Conversion, Inconvertible, conversion

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
"""A text that is a number, without the blanks around it; infinity is none. Java, RE2 and Python read it alike."""
MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null")
"""Texts that stand for no value, without the blanks around them."""
_NUMBER = re.compile(NUMBER, re.ASCII)


@dataclass(frozen=True)
class Column:
    """How one feature, or the label, is read."""

    name: str
    """The federation's name."""
    column: str
    """The hospital's: a column, or the code or concept where ``code`` is set."""
    conversion: Conversion = UNCHANGED
    """From the unit that values are kept in to the federation's."""
    unit: str | None = None
    """The unit that values are kept in where a record says none; None where the federation names no unit."""
    wanted: str | None = None
    """The federation's unit."""
    molar_mass: float | None = None
    """In g/mol."""
    positive: str | None = None
    """The text that means 1; any other means 0."""
    code: bool = False
    present: bool = False
    """1 where the patient has a condition of this code, else 0."""
    choose: str = "latest"


@dataclass(frozen=True)
class Mapped:
    """What is read of a hospital's table: the features in the order of the codebook, and last the label."""

    hospital: str
    patient: str
    columns: tuple[Column, ...]

    @classmethod
    def of(cls, cohort: CohortSpec, features: Features) -> Self:
        """The columns that a federation asks a cohort for. Raises :class:`consilia.errors.InvalidData`."""
        return cls._of(cohort.hospital, cohort.mapping, features, coded=cohort.source.kind in {"fhir", "omop"})

    @classmethod
    def of_table(cls, hospital: str, mapping: TableMapping, features: Features) -> Self:
        """The same of a table with named columns."""
        return cls._of(hospital, mapping, features, coded=False)

    @classmethod
    def _of(cls, hospital: str, mapping: TableMapping, features: Features, *, coded: bool) -> Self:
        units = {feature.name: feature.unit for feature in features.codebook}
        units[features.label] = features.outcome.unit if features.outcome else None
        columns = tuple(_column(hospital, mapping.of(name), unit, coded=coded) for name, unit in units.items())
        return cls(hospital, mapping.patient, columns)

    @property
    def features(self) -> tuple[Column, ...]:
        """All but the label."""
        return self.columns[:-1]

    @property
    def label(self) -> Column:
        """The label."""
        return self.columns[-1]

    @property
    def needed(self) -> tuple[str, ...]:
        """The hospital's columns that are read, each once, the patient's first."""
        return tuple(dict.fromkeys([self.patient, *(column.column for column in self.columns)]))

    def require(self, there: Sequence[str], where: str = "") -> None:
        """Refuse a table that lacks a column, or has one twice. ``where`` is " in labs.csv", or nothing."""
        times = Counter(there)
        for column in self.columns:
            if not times[column.column]:
                mapped = "" if column.column == column.name else f', to which "{column.name}" is mapped'
                meant = _alike(column.column, there) or f"one of its {counted(len(times), 'column')}"
                raise InvalidData(
                    f'hospital {self.hospital} has no column "{column.column}"{where}{mapped}: name {meant}, or map '
                    "the column"
                )
        if not times[self.patient]:
            raise InvalidData(
                f'hospital {self.hospital} has no column "{self.patient}"{where}, which tells patients apart: '
                f"name {_alike(self.patient, there) or 'another'} in mapping.patient"
            )
        for name in self.needed:
            if times[name] > 1:
                raise InvalidData(
                    f'hospital {self.hospital} has the column "{name}" {times[name]} times{where}: rename all but one'
                )


def _alike(name: str, there: Sequence[str]) -> str | None:
    """A column whose name differs in capitals and blanks alone, in quotes; it names no other to whoever asks."""
    plain = name.strip().casefold()
    return next((f'"{each}"' for each in there if each.strip().casefold() == plain), None)


def number(text: str) -> float | None:
    """The number that a text is, without the blanks around it; NaN for what is missing, None for what is no number."""
    plain = text.strip(" \t\r\n")
    if plain in MISSING:
        return float("nan")
    if _NUMBER.match(plain) is None:
        return None
    value = float(plain)
    return value if abs(value) != float("inf") else None


def means_one(text: str, positive: str) -> bool:
    """Whether a text, without the blanks around it, is the one that means 1."""
    return text.strip(" \t\r\n") == positive.strip(" \t\r\n")


def own_unit(column: Column, unit: str | None) -> Conversion | None:
    """The map for a value whose record says its unit; None where it does not convert. Nothing said is the mapping's."""
    if column.wanted is None or not unit or not unit.strip():
        return column.conversion
    try:
        return conversion(unit, column.wanted, column.molar_mass)
    except Inconvertible:
        return None


def _column(hospital: str, mapping: ColumnMapping, wanted: str | None, *, coded: bool) -> Column:
    if not coded and (mapping.code is not None or mapping.present):
        word = "code" if mapping.code is not None else "present"
        raise InvalidData(
            f'hospital {hospital} maps "{mapping.name}" by {word}, which FHIR and OMOP have alone: give its column'
        )
    if mapping.present and mapping.code is None:
        raise InvalidData(
            f'hospital {hospital} maps "{mapping.name}" with present and without a code: give the code of the condition'
        )
    column = mapping.code or mapping.column or mapping.name
    return Column(
        name=mapping.name,
        column=column,
        conversion=_converted(hospital, column, mapping, wanted),
        unit=mapping.unit or wanted,
        wanted=wanted,
        molar_mass=mapping.molar_mass,
        positive=mapping.positive,
        code=mapping.code is not None,
        present=mapping.present,
        choose=mapping.choose,
    )


def _converted(hospital: str, column: str, mapping: ColumnMapping, wanted: str | None) -> Conversion:
    if mapping.unit is None:
        return UNCHANGED
    kept = f'hospital {hospital} keeps column "{column}" in "{mapping.unit}"'
    if wanted is None:
        raise InvalidData(
            f'{kept}, and the federation names no unit for "{mapping.name}": leave unit out of its mapping, or have '
            "the federation name one"
        )
    try:
        return conversion(mapping.unit, wanted, mapping.molar_mass)
    except Inconvertible as error:
        raise InvalidData(
            f'{kept}, and the federation asks for "{wanted}": {error}; mend unit in its mapping'
        ) from error
