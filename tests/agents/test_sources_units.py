"""Units: golden examples of laboratory values, what is refused, and the laws that any two units keep to."""

import re

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilia_agents.sources.units import HIGHEST_POWER, UNCHANGED, Inconvertible, conversion, parse

GLUCOSE, CREATININE, CHOLESTEROL, BILIRUBIN = 180.156, 113.12, 386.65, 584.66

LOINC = [
    pytest.param(90, "mg/dL", "mmol/L", GLUCOSE, 4.99567, id="2345-7 glucose"),
    pytest.param(7.0, "mmol/L", "mg/dL", GLUCOSE, 126.1092, id="14749-6 glucose"),
    pytest.param(1.1, "mg/dL", "umol/L", CREATININE, 97.24187, id="2160-0 creatinine"),
    pytest.param(88.4, "µmol/L", "mg/dL", CREATININE, 0.99998, id="14682-9 creatinine"),
    pytest.param(200, "mg/dL", "mmol/L", CHOLESTEROL, 5.17264, id="2093-3 cholesterol"),
    pytest.param(1.2, "mg/dL", "umol/L", BILIRUBIN, 20.52475, id="1975-2 bilirubin"),
    pytest.param(13.5, "g/dL", "g/L", None, 135.0, id="718-7 haemoglobin"),
    pytest.param(7.4, "10*3/uL", "10*9/L", None, 7.4, id="6690-2 leukocytes"),
    pytest.param(4.6, "10*6/uL", "10*12/L", None, 4.6, id="789-8 erythrocytes"),
    pytest.param(250_000, "/uL", "10*9/L", None, 250.0, id="777-3 platelets"),
    pytest.param(42, "%", "L/L", None, 0.42, id="4544-3 haematocrit"),
    pytest.param(90, "fL", "um3", None, 90.0, id="787-2 mean corpuscular volume"),
    pytest.param(2.1, "m[IU]/L", "u[IU]/mL", None, 2.1, id="3016-3 thyrotropin"),
    pytest.param(35, "U/L", "ukat/L", None, 0.583333, id="1742-6 alanine aminotransferase"),
    pytest.param(140, "meq/L", "mEq/L", None, 140.0, id="2951-2 sodium"),
    pytest.param(120, "mm[Hg]", "kPa", None, 15.99869, id="8480-6 systolic pressure"),
    pytest.param(37, "Cel", "[degF]", None, 98.6, id="8310-5 temperature"),
    pytest.param(98.6, "[degF]", "degC", None, 37.0, id="8310-5 temperature, from Fahrenheit"),
    pytest.param(150, "[lb_av]", "kg", None, 68.03886, id="29463-7 weight"),
    pytest.param(70, "[in_i]", "cm", None, 177.8, id="8302-2 height"),
    pytest.param(24, "kg/m2", "kg/m**2", None, 24.0, id="39156-5 body mass index"),
    pytest.param(72, "{beats}/min", "bpm", None, 72.0, id="8867-4 heart rate"),
    pytest.param(90, "mL/min/{1.73_m2}", "mL/min/1.73m2", None, 90.0, id="33914-3 filtration rate"),
    pytest.param(30, "mg/mmol", "mg/g", CREATININE, 265.20509, id="9318-7 albumin to creatinine"),
    pytest.param(0.5, "ng/mL", "ug/L", None, 0.5, id="2857-1 prostate-specific antigen"),
    pytest.param(14, "mm", "[in_i]", None, 0.551181, id="21889-1 size of a tumour"),
]


@pytest.mark.parametrize(("value", "kept", "wanted", "molar_mass", "expected"), LOINC)
def test_a_laboratory_value_is_the_same_in_another_unit(value, kept, wanted, molar_mass, expected):
    forth, back = conversion(kept, wanted, molar_mass), conversion(wanted, kept, molar_mass)
    assert forth.of(value) == pytest.approx(expected, rel=1e-5)
    assert back.of(forth.of(value)) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("kept", "wanted", "said"),
    [
        pytest.param(
            "mg/dL", "mmol/L", "one is of mass and the other of amount, so give molarMass", id="no molar mass"
        ),
        pytest.param("kg", "mm", "it measures something else", id="another dimension"),
        pytest.param("mL/min", "mL/min/{1.73_m2}", "it measures something else", id="not by surface"),
        pytest.param("meq/L", "mmol/L", "it measures something else", id="equivalents need a valence"),
        pytest.param("[IU]/L", "mg/L", "it measures something else", id="units of an assay"),
        pytest.param("mosm/kg", "mmol/kg", "it measures something else", id="osmoles"),
        pytest.param("[pH]", "1", "it measures something else", id="acidity"),
        pytest.param("%", "mmol/mol", "ratios of different things", id="HbA1c"),
        pytest.param("mmol/mol", "%", "ratios of different things", id="HbA1c, back"),
        pytest.param("mol/mol", "%", "ratios of different things", id="HbA1c, that cancels out"),
        pytest.param("mg/g", "mL/L", "ratios of different things", id="masses and volumes"),
        pytest.param("g/g", "mL/L", "ratios of different things", id="masses that cancel out, and volumes"),
        pytest.param("dB", "1", "it does not convert", id="a logarithm"),
        pytest.param("mg/Cel", "mg/[degF]", "it does not convert", id="an offset in a product"),
        pytest.param("furlongish", "mm", "is no known unit: write it as UCUM does", id="an unknown name"),
        pytest.param("mm", "furlongish", "is no known unit", id="an unknown name of the federation"),
        pytest.param("9^9^9^9^9", "1", "is no known unit", id="a tower of powers"),
        pytest.param("10*99", "1", "is no known unit", id="a power of ten too high"),
        pytest.param("m9.m9", "m", "is no known unit", id="a power too high"),
        pytest.param("Mg/dL", "mg/dL", "is no known unit: write it as UCUM does", id="a capital"),
        pytest.param("Mmol/L", "mmol/L", "is no known unit", id="a capital of amounts"),
        pytest.param("ML/min", "mL/min", "is no known unit", id="a capital of volumes"),
        pytest.param("Pg", "pg", "is no known unit", id="a capital of little"),
        pytest.param("MmHg", "mm[Hg]", "is no known unit", id="a capital of pressure"),
        pytest.param("MIU/L", "m[IU]/L", "is no known unit", id="a capital of an assay"),
        pytest.param("EU/mL", "U/mL", "is no known unit", id="endotoxins, and no exa of enzyme units"),
        pytest.param("Gm/dL", "m/dL", "is no known unit", id="grams, and no gigametres"),
        pytest.param("TL", "L", "is no known unit", id="a tera of volumes"),
        pytest.param("Zg", "g", "is no known unit", id="a zetta of masses"),
        pytest.param("Ymol/L", "mol/L", "is no known unit", id="a yotta of amounts"),
        pytest.param("Mkat/L", "mkat/L", "is no known unit", id="a capital of catalysis"),
        pytest.param("MiU/L", "U/L", "is no known unit", id="a power of two of an assay"),
        pytest.param("mil/uL", "10*12/L", "is no known unit", id="millions, or an angle"),
        pytest.param("m" * 65, "m", "is no known unit", id="too long"),
        pytest.param("(mg", "g", "is no known unit", id="an open bracket"),
        pytest.param("mg)", "g", "is no known unit", id="a closed bracket"),
        pytest.param("mg/", "g", "is no known unit", id="a fraction of nothing"),
        pytest.param("mg//dL", "g/L", "is no known unit", id="two strokes"),
        pytest.param("__import__('os')", "g", "is no known unit", id="an expression"),
    ],
)
def test_what_does_not_convert_is_refused_with_why(kept, wanted, said):
    with pytest.raises(Inconvertible, match=re.escape(said)):
        conversion(kept, wanted)


def test_a_unit_that_nobody_knows_is_still_itself():
    assert conversion("points of mood ", "points of mood") is UNCHANGED


def test_a_ratio_that_cancels_out_is_of_what_it_is_written_with():
    assert conversion("mol/mol", "mmol/mol").of(0.048) == pytest.approx(48)
    assert conversion("g/g", "mg/g").of(0.3) == pytest.approx(300)
    assert conversion("g/g", "%").of(0.3) == pytest.approx(30)


def test_what_is_called_otherwise_is_left_as_it_is():
    assert conversion("kg/m2", "kg/m^2").identity


ATOMS = st.sampled_from(
    ["mg", "g", "ug", "mol", "mmol", "L", "dL", "mL", "m", "mm", "s", "min", "h", "kPa", "mm[Hg]", "U"]
)
TERMS = st.lists(st.tuples(ATOMS, st.integers(-3, 3).filter(bool)), min_size=1, max_size=4)
PINT = pint.UnitRegistry()


def as_ucum(terms: list[tuple[str, int]]) -> str:
    return ".".join(f"{name}{power}" for name, power in terms)


def as_pint(terms: list[tuple[str, int]]) -> str:
    return "*".join(f"{name.replace('[Hg]', 'Hg')}**{power}" for name, power in terms)


def modest(terms: list[tuple[str, int]]) -> bool:
    # Also where all of them are drawn as one and the same unit.
    return sum(abs(power) for _, power in terms) <= HIGHEST_POWER


@given(TERMS.filter(modest), st.floats(-1e9, 1e9), st.data())
def test_products_convert_as_pint_converts_them(terms, value, data):
    base = [(data.draw(st.sampled_from(LIKE[name])), power) for name, power in terms]
    kept, wanted = as_ucum(terms), as_ucum(base)
    expected = PINT.Quantity(value, PINT.parse_units(as_pint(terms))).to(PINT.parse_units(as_pint(base))).magnitude
    assert conversion(kept, wanted).of(value) == pytest.approx(expected, rel=1e-12)


LIKE = {
    name: kind
    for kind in (["mg", "g", "ug"], ["mol", "mmol"], ["L", "dL", "mL"], ["m", "mm"], ["s", "min", "h"], ["U"])
    for name in kind
} | {"kPa": ["kPa", "mm[Hg]"], "mm[Hg]": ["kPa", "mm[Hg]"]}


@given(st.sampled_from(["Cel", "[degF]", "K", "degC"]), st.sampled_from(["Cel", "[degF]", "K"]), st.floats(-200, 1e4))
def test_temperatures_go_forth_and_back(one, other, value):
    there = conversion(one, other).of(value)
    assert conversion(other, one).of(there) == pytest.approx(value, rel=1e-12, abs=1e-9)


@given(
    st.sampled_from(["mg/dL", "g/L", "ug/mL", "ng/mL"]),
    st.sampled_from(["mmol/L", "umol/L", "nmol/mL"]),
    st.floats(1, 1e5),
    st.floats(0, 1e6),
)
def test_masses_become_amounts_as_in_pints_chemistry(mass, amount, molar_mass, value):
    context = {"mw": PINT.Quantity(molar_mass, "g/mol")}
    expected = PINT.Quantity(value, mass).to(amount, "chemistry", **context).magnitude
    assert conversion(mass, amount, molar_mass).of(value) == pytest.approx(expected, rel=1e-12)
    assert conversion(amount, mass, molar_mass).of(expected) == pytest.approx(value, rel=1e-12)


@given(st.text(max_size=70))
def test_any_text_is_a_unit_or_refused_at_once(text):
    try:
        powers = parse(text).powers
    except Inconvertible:
        powers = ()
    assert all(abs(power) <= HIGHEST_POWER for _, power in powers)
