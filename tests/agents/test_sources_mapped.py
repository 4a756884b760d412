"""Which column is which feature: what documents alone decide, and the sentences that refuse."""

import math
import re

import pytest

from consilia.errors import InvalidData
from consilia.experiment import Features
from consilia.spec import CohortSpec
from consilia_agents.sources.mapped import Mapped, means_one, number, own_unit
from consilia_agents.sources.units import UNCHANGED

FEATURES = Features.model_validate(
    {
        "label": "diabetes",
        "scaling": "federated",
        "codebook": [{"name": "glucose", "unit": "mmol/L"}, {"name": "age", "unit": "a"}, {"name": "score"}],
    }
)
GLUCOSE = {"name": "glucose", "column": "GLU", "unit": "mg/dL", "molarMass": 180.156}


def mapped(*columns: dict[str, object], source: str = "csv", patient: str = "patient_id") -> Mapped:
    sources = {
        "csv": {"path": "labs.csv"},
        "fhir": {"path": "export"},
        "omop": {"url": "sqlite:///omop.db"},
    }
    mapping = {"patient": patient, "columns": list(columns)}
    cohort = {"hospital": "north", "source": {source: sources[source]}, "mapping": mapping}
    return Mapped.of(CohortSpec.model_validate(cohort), FEATURES)


def test_columns_are_in_the_codebooks_order_and_the_label_is_last():
    read = mapped(GLUCOSE)
    assert [column.name for column in read.columns] == ["glucose", "age", "score", "diabetes"]
    assert [column.column for column in read.features] == ["GLU", "age", "score"]
    assert read.needed == ("patient_id", "GLU", "age", "score", "diabetes")
    assert read.features[0].conversion.of(180.156) == pytest.approx(10)
    assert read.features[1].conversion is UNCHANGED


@pytest.mark.parametrize(
    ("column", "said"),
    [
        pytest.param(
            {"name": "glucose", "unit": "mg/dL"},
            'hospital north keeps column "glucose" in "mg/dL", and the federation asks for "mmol/L": one is of '
            "mass and the other of amount, so give molarMass, in g/mol; mend unit in its mapping",
            id="no molar mass",
        ),
        pytest.param(
            {"name": "glucose", "column": "GLU", "unit": "kg"},
            'keeps column "GLU" in "kg", and the federation asks for "mmol/L": it measures something else',
            id="another dimension",
        ),
        pytest.param(
            {"name": "score", "unit": "mm"},
            'and the federation names no unit for "score": leave unit out of its mapping',
            id="a unit where the federation has none",
        ),
        pytest.param(
            {"name": "diabetes", "unit": "mm"}, 'the federation names no unit for "diabetes"', id="the label's unit"
        ),
        pytest.param({"name": "age", "code": "30525-0"}, 'maps "age" by code, which FHIR and OMOP', id="a code"),
        pytest.param({"name": "diabetes", "present": True}, 'maps "diabetes" by present', id="a condition"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(column, said):
    with pytest.raises(InvalidData, match=re.escape(said)):
        mapped(column)


def test_a_condition_needs_a_code():
    with pytest.raises(InvalidData, match="with present and without a code: give the code of the condition"):
        mapped({"name": "diabetes", "present": True}, source="fhir")


@pytest.mark.parametrize(
    ("there", "said"),
    [
        pytest.param(
            ["patient_id", "GLU", " Age", "score", "diabetes"],
            'hospital north has no column "age" in labs.csv: name " Age", or map the column',
            id="spelt otherwise",
        ),
        pytest.param(
            ["Patient_ID", "GLU", "age", "score", "diabetes"],
            'in labs.csv, which tells patients apart: name "Patient_ID" in mapping.patient',
            id="patients spelt otherwise",
        ),
        pytest.param(
            ["patient_id", "age", "score", "diabetes"],
            'hospital north has no column "GLU" in labs.csv, to which "glucose" is mapped: name one of its 4 columns, '
            "or map the column",
            id="of another name",
        ),
        pytest.param(
            ["patient_id", "GLU", "score", "diabetes"],
            'hospital north has no column "age" in labs.csv: name one of its 4 columns, or map the column',
            id="of its own name",
        ),
        pytest.param(
            ["GLU", "age", "score", "diabetes"],
            'hospital north has no column "patient_id" in labs.csv, which tells patients apart: name another in '
            "mapping.patient",
            id="the patient's",
        ),
        pytest.param(
            ["patient_id", "GLU", "age", "age", "score", "diabetes"],
            'hospital north has the column "age" 2 times in labs.csv: rename all but one',
            id="twice",
        ),
    ],
)
def test_a_column_that_is_missing_or_there_twice_is_named(there, said):
    with pytest.raises(InvalidData, match=re.escape(said)):
        mapped(GLUCOSE).require(there, " in labs.csv")


def test_a_column_that_nobody_reads_may_be_there_twice():
    mapped(GLUCOSE).require(["patient_id", "GLU", "age", "score", "diabetes", "note", "note"])


@pytest.mark.parametrize("text", ["12", "-12.5", "+1e-3", " 7 ", "1.", ".5", "1E5", "007"])
def test_a_text_may_be_a_number(text):
    assert number(text) == float(text)


@pytest.mark.parametrize("text", ["", "  ", "NA", "N/A", "NaN", "nan", "NULL", "null"])
def test_a_text_may_stand_for_what_is_missing(text):
    missing = number(text)
    assert missing is not None
    assert math.isnan(missing)


@pytest.mark.parametrize(
    "text", ["high", "<5", "1,5", "1_000", "0x1F", "inf", "-Infinity", "1e999", "1 2", "٣", "--1", "."]
)
def test_any_other_text_is_no_number(text):
    assert number(text) is None


def test_the_positive_text_is_one_and_any_other_is_not():
    assert means_one(" malignant ", "malignant")
    assert not means_one("Malignant", "malignant")


def test_a_records_own_unit_comes_before_the_mappings():
    column = mapped(
        {"name": "glucose", "code": "2345-7", "unit": "mg/dL", "molarMass": 180.156}, source="fhir"
    ).columns[0]
    values = [own_unit(column, unit) for unit in (None, "", " ", "mg/dL", "g/L", "mmol/L", "kg", "furlongish")]
    factors = [each and each.factor for each in values]
    tenth = pytest.approx(10 / 180.156)
    assert factors == [tenth, tenth, tenth, tenth, pytest.approx(1000 / 180.156), 1.0, None, None]
