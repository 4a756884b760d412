"""Units, and the one affine map from a hospital's to the federation's.

A unit is written as UCUM does (``mg/dL``, ``10*9/L``, ``mm[Hg]``, ``Cel``) or as people and pint do (``kg/m**2``,
``mmHg``, ``degC``). It is read by a grammar of its own, a few products and powers, for units come from federations and
from records, and pint would compute whatever expression it is given. What the names mean, pint says.

Refused is what only looks like a conversion: amounts to masses without a molar mass; equivalents, osmoles and
international units to anything else; a ratio of amounts to a plain ratio (an HbA1c of 48 mmol/mol is not 4.8 %); a
capital that makes milli mega and pico peta (Mmol/L), or a kind of unit an exa of another (EU/mL).
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

import numpy as np

from consilia.vectors import FloatArray

LONGEST = 64
"""Letters of a unit; what is longer is none."""
HIGHEST_POWER = 9
HIGHEST_TEN = 30

_OWN = (
    "international_unit = [international_units] = IU",
    "equivalent = [equivalents] = eq = Eq",
    "osmole = [osmoles] = osm = Osm = osmol",
    "acidity = [acidity] = _",
    "cell = count",
    "copy = count = _ = copies",
    "beat = count",
    "bpm = count / minute",
    "@alias month = mo",
    "@alias week = wk",
    "@alias gram = gm",
)
"""What pint lacks. The first four are measures of their own kind, so that they convert to nothing else."""

_UCUM = {
    "Cel": "degree_Celsius",
    "[degF]": "degree_Fahrenheit",
    "[lb_av]": "pound",
    "[oz_av]": "ounce",
    "[in_i]": "inch",
    "[ft_i]": "foot",
    "m[Hg]": "meter_Hg",
    "mm[Hg]": "millimeter_Hg",
    "cm[H2O]": "centimeter_H2O",
    "[pH]": "acidity",
    "pH": "acidity",
    "[ppm]": "ppm",
    "u": "unified_atomic_mass_unit",
    "st": "stere",
}
_MEASURES = {"gram", "mole", "molar", "liter", "meter", "second", "meter_Hg"}
_MEASURES |= {"international_unit", "enzyme_unit", "equivalent", "osmole", "katal"}
_TOO_MUCH = {"mega", "giga", "tera", "peta", "exa", "zetta", "yotta", "ronna", "quetta"}
_TOO_MUCH |= {"kibi", "mebi", "gibi", "tebi", "pebi", "exbi", "zebi", "yobi", "robi", "quebi"}
_MISTAKEN = {f"{prefix}{measure}" for prefix in _TOO_MUCH for measure in _MEASURES} | {"mil"}
"""Units that no patient has: who writes Mg/dL, Mmol/L, ML or Pg means milli and pico, and is a billion times off; who
writes Gm/dL means grams, and EU/mL the units of endotoxins or of an ELISA; who writes mil/uL means millions, and pint
an angle."""
_UCUM_PREFIXED = re.compile(r"([a-zµ]?)\[(?:iU|IU)\]")

_SPELLING = (
    (re.compile(r"/ ?\{?1\.73[ _]?m(?:2|²|\^2|\*\*2)\}?"), "/(1.73.m2)"),  # as glomerular filtration is told
    (re.compile(r"\{[^{}]*\}"), ""),
    (re.compile("mm Hg"), "mmHg"),
    (re.compile(" ?([/*.·×]) ?"), r"\1"),
    (re.compile("[·×]"), "."),
    (re.compile("[μ\u00b5]"), "u"),
    (re.compile("²"), "2"),
    (re.compile("³"), "3"),
    (re.compile("°"), "deg"),
    (re.compile(r"\*\*"), "^"),
)
_TOKEN = re.compile(
    r"10[*^](?P<ten>[+-]?[0-9]{1,2})"
    r"|(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?)"
    r"|(?P<name>[a-zA-Z]*\[[a-zA-Z0-9_]+\]|[cm]mH2O|[a-zA-Z%_]+)\^?(?P<power>[+-]?[0-9])?"
    r"|(?P<sign>[./*()])"
)


class Inconvertible(ValueError):
    """One unit does not convert to the other, or is none; says why, to follow "column x is in mg/dL"."""


@dataclass(frozen=True)
class Conversion:
    """``x * factor + offset``: from the hospital's unit to the federation's."""

    factor: float = 1.0
    offset: float = 0.0

    @property
    def identity(self) -> bool:
        """Whether it leaves values as they are."""
        return self == UNCHANGED

    def of(self, value: float) -> float:
        """One value, converted; the same bits as :meth:`apply` gives."""
        return value if self.identity else value * self.factor + self.offset

    def apply(self, values: FloatArray) -> FloatArray:
        """Values of any shape, converted; NaN stays NaN, and what is too large for a float becomes infinite."""
        if self.identity:
            return values
        with np.errstate(over="ignore", invalid="ignore"):  # the second of NaN that signal, as a damaged file has them
            converted: FloatArray = values * self.factor + self.offset
        return converted


UNCHANGED = Conversion()


@dataclass(frozen=True)
class Unit:
    """A number times powers of pint's units."""

    scale: Fraction
    powers: tuple[tuple[str, int], ...]
    names: frozenset[str] = frozenset()
    """All that it is written with, those too that cancel out (mol/mol)."""

    @property
    def pint(self) -> Any:
        """The powers as pint has them, without the number."""
        registry = _registry()
        return registry.Unit(registry.UnitsContainer(dict(self.powers)))


@lru_cache(maxsize=4096)
def conversion(kept: str, wanted: str, molar_mass: float | None = None) -> Conversion:
    """The map from ``kept`` to ``wanted``; ``molar_mass`` (g/mol) leads from masses to amounts and back.

    Computed in fractions and rounded once. Raises :class:`Inconvertible`.
    """
    if kept.strip() == wanted.strip():
        return UNCHANGED
    source, target = parse(kept), parse(wanted)
    mole = _mole_power(source, target)
    if mole and molar_mass is None:
        raise Inconvertible("one is of mass and the other of amount, so give molarMass, in g/mol")
    _require_one_kind(source, target, kept, wanted)
    bridge = Fraction(repr(molar_mass) if molar_mass is not None else "1") ** mole
    unit = source.pint * _registry().Unit("g/mol") ** mole if mole else source.pint
    try:
        zero, one = (
            _registry().convert(value * source.scale * bridge, unit, target.pint) / target.scale
            for value in (Fraction(0), Fraction(1))
        )
        return Conversion(float(one - zero), float(zero))
    except (ArithmeticError, TypeError, ValueError):
        # pint's, of offsets within products (mg/Cel) and of logarithms (dB): there is no affine map.
        raise Inconvertible(f'it does not convert to "{wanted}"') from None


@lru_cache(maxsize=4096)
def parse(text: str) -> Unit:
    """Read a unit. Raises :class:`Inconvertible` for what is none."""
    unknown = f'"{text[:LONGEST]}" is no known unit: write it as UCUM does, such as mg/dL, mmol/L or 10*9/L'
    if len(text) > LONGEST:
        raise Inconvertible(unknown)
    spelt = text.strip()
    for pattern, replacement in _SPELLING:
        spelt = pattern.sub(replacement, spelt)
    tokens = list(_TOKEN.finditer(spelt))
    ends = [0, *(token.end() for token in tokens)]
    if any(token.start() != end for token, end in zip(tokens, ends, strict=False)) or ends[-1] != len(spelt):
        raise Inconvertible(unknown)
    try:
        return _Reader(tokens).read()
    except (AttributeError, LookupError, ValueError, ArithmeticError):  # the first is pint's, of a name
        raise Inconvertible(unknown) from None


class _Reader:
    """Products from left to right, as UCUM reads them: a/b.c is (a/b).c; a number sticks to the name behind it."""

    def __init__(self, tokens: list["re.Match[str]"]) -> None:
        self._tokens = tokens
        self._at = 0
        self._names: set[str] = set()

    def read(self) -> Unit:
        scale, powers = self._product() if self._tokens else (Fraction(1), {})
        if self._at != len(self._tokens):
            raise ValueError("a closing bracket too many")
        if any(abs(power) > HIGHEST_POWER for power in powers.values()):
            raise ValueError("a power too high")
        left = tuple(sorted((name, power) for name, power in powers.items() if power))
        return Unit(scale, left, frozenset(self._names))

    def _sign(self) -> str | None:
        return self._tokens[self._at]["sign"] if self._at < len(self._tokens) else None

    def _product(self) -> tuple[Fraction, dict[str, int]]:
        scale, powers = (Fraction(1), {}) if self._sign() == "/" else self._factor()
        while self._sign() in {".", "*", "/"}:
            direction = -1 if self._sign() == "/" else 1
            self._at += 1
            more, with_powers = self._factor()
            scale *= more**direction
            for name, power in with_powers.items():
                powers[name] = powers.get(name, 0) + direction * power
        return scale, powers

    def _factor(self) -> tuple[Fraction, dict[str, int]]:
        token = self._tokens[self._at]
        self._at += 1
        if token["sign"] == "(":
            inner = self._product()
            if self._sign() != ")":
                raise ValueError("a bracket is not closed")
            self._at += 1
            return inner
        if token["ten"]:
            if abs(int(token["ten"])) > HIGHEST_TEN:
                raise ValueError("a power too high")
            return Fraction(10) ** int(token["ten"]), {}
        if token["number"]:
            scale = Fraction(token["number"])
            if self._at < len(self._tokens) and self._tokens[self._at]["name"]:
                more, powers = self._factor()
                return scale * more, powers
            return scale, {}
        if token["name"]:
            name = _name(token["name"])
            self._names.add(name)
            return Fraction(1), {name: int(token["power"] or 1)}
        raise ValueError("a sign without a unit")


def _name(written: str) -> str:
    """What pint calls it."""
    prefixed = _UCUM_PREFIXED.fullmatch(written)
    plain = f"{prefixed[1]}IU" if prefixed else _UCUM.get(written, written)
    found: str = _registry().get_name(plain, case_sensitive=True)
    if not found or found in _MISTAKEN:
        raise ValueError("not a unit, or not the one that is meant")
    return found


@cache
def _registry() -> Any:
    import pint  # noqa: PLC0415 - a third of a second, for those who convert

    registry = pint.UnitRegistry(non_int_type=Fraction)
    for definition in _OWN:
        registry.define(definition)
    return registry


def _dimension(unit: Unit) -> dict[str, int]:
    return dict(unit.pint.dimensionality)


def _mole_power(source: Unit, target: Unit) -> int:
    """By which power of g/mol the dimensions differ: 0, 1 (amount to mass) or -1. Raises where by anything else."""
    between = dict((target.pint / source.pint).dimensionality)
    if not between:
        return 0
    if between in ({"[mass]": 1, "[substance]": -1}, {"[mass]": -1, "[substance]": 1}):
        return int(between["[mass]"])
    raise Inconvertible("it measures something else than the federation's unit")


def _require_one_kind(source: Unit, target: Unit, kept: str, wanted: str) -> None:
    """Ratios of one dimension may mean different things: amounts, masses, volumes."""
    if _dimension(source) or _dimension(target):
        return
    here, there = _matter(source), _matter(target)
    if here != there and ("[substance]" in here | there or (here and there)):
        raise Inconvertible(f'"{kept}" and "{wanted}" are ratios of different things')


def _matter(unit: Unit) -> set[str]:
    """What a ratio is one of."""
    dimensions = {dimension for name in unit.names for dimension in _dimension(Unit(Fraction(1), ((name, 1),)))}
    return dimensions & {"[substance]", "[mass]", "[length]"}
