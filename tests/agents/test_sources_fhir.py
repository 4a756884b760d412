"""FHIR exports: what is broken is counted or refused by file and line, and which value of a patient counts."""

import gzip
import math
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilia_agents.sources.extract import Extract
from consilia_agents.sources.moments import Chosen, moment
from consilia_agents.sources.places import Places
from refused_sources import SECRET, refusal
from written_clinical import FHIR_COLUMNS, LOINC, RADIUS, condition, fhir, ndjson, observation, quantity
from written_tables import FEATURES, LABEL, PATIENTS, Written

PATIENT = {"resourceType": "Patient", "id": "p"}


def exported(folder: Path, *resources: dict[str, Any], columns: list[dict[str, Any]] | None = None) -> Extract:
    """What is read of one patient and these resources."""
    (folder / "all.ndjson").write_text(ndjson([PATIENT, *resources]))
    return Written({"fhir": {"path": "all.ndjson"}}, columns or FHIR_COLUMNS, Places(folder)).read().extract(FEATURES)


def test_a_broken_line_is_counted_and_told_by_file_and_line(tmp_path: Path) -> None:
    written = fhir(tmp_path)
    file = tmp_path / "export" / "Patient.ndjson"
    lines = file.read_text().splitlines()
    lines[2:3] = ['{"resourceType": "Patient", "id": "Zaph', "[]", '{"id": "Zaphod"}']
    file.write_text("\n".join(lines))
    found = written.read().extract(FEATURES)
    assert found.unreadable == {"patient_id": 3}
    assert found.notes == tuple(f"export/Patient.ndjson: line {at} is no resource in JSON" for at in (3, 4, 5))
    assert len(found) == len(PATIENTS) - 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        pytest.param(
            "a.ndjson", b"Zaphod,42\n" * 3, "is no NDJSON: line 1 is no resource in JSON, nor is any other", id="CSV"
        ),
        pytest.param("a.ndjson", b'{\n "resourceType": "Patient"\n}', "is no NDJSON: line 1", id="JSON over lines"),
        pytest.param(
            "a.ndjson", b'{"resourceType": "Bundle", "entry": []}', "is a Bundle: export it as Bulk Data", id="a Bundle"
        ),
        pytest.param(
            "a.ndjson.gz", b'{"resourceType": "Patient"}', "is cut off, or no gzip: copy it anew", id="no gzip"
        ),
        pytest.param(
            "a.ndjson.gz",
            gzip.compress(ndjson([PATIENT] * 1000).encode())[:-20],
            "is cut off, or no gzip: copy it anew",
            id="half a gzip",
        ),
    ],
)
def test_a_file_that_is_no_export_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    sentence = refusal(Written({"fhir": {"path": name}}, FHIR_COLUMNS, Places(tmp_path)))
    assert sentence.startswith(f'hospital north: file "{name}" {said}')


def test_a_folder_without_an_export_is_refused(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    sentence = refusal(Written({"fhir": {"path": "export"}}, FHIR_COLUMNS, Places(tmp_path)))
    assert 'folder "export" holds no file that ends in .ndjson' in sentence


def test_a_feature_without_a_code_says_what_it_may_be(tmp_path: Path) -> None:
    sentence = refusal(replace(fhir(tmp_path), columns=FHIR_COLUMNS[1:]))
    assert sentence == (
        'hospital north has no column "mean radius" in FHIR: give "mean radius" a code, or map it to gender or '
        "birthYear or deceased"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(quantity(1.5, "cm"), 15.0, id="in another unit"),
        pytest.param({"valueQuantity": {"value": 1.5, "unit": "cm"}}, 15.0, id="in a unit without a code"),
        pytest.param(quantity(1.5, None), 1.5, id="in the mapping's unit"),
        pytest.param(
            {"valueQuantity": {"value": 1.5, "unit": "cm", "code": "C07", "system": "http://lab.example"}},
            15.0,
            id="in a unit whose code is the laboratory's",
        ),
        pytest.param(quantity(1.5, "Mm"), None, id="in megametres, which nobody means"),
        pytest.param({"valueInteger": 4}, 4.0, id="a whole number"),
        pytest.param({"valueBoolean": True}, 1.0, id="a boolean"),
        pytest.param({"valueString": " 12.5 "}, 12.5, id="a number as text"),
        pytest.param({}, math.nan, id="none"),
        pytest.param({"dataAbsentReason": {"text": "unknown"}}, math.nan, id="absent"),
        pytest.param(quantity(1.5, "kg"), None, id="in a unit that does not convert"),
        pytest.param(quantity(1.5, "furlongish"), None, id="in a unit that nobody knows"),
        pytest.param(quantity(1.5, "cm", comparator="<"), math.nan, id="below something"),
        pytest.param({"valueString": SECRET}, None, id="a text"),
        pytest.param({"valueCodeableConcept": {"text": SECRET}}, None, id="a concept without a positive one"),
        pytest.param({"valueQuantity": {"value": SECRET, "code": "mm"}}, None, id="a quantity that is none"),
    ],
)
def test_a_value_is_a_number_missing_or_unreadable(
    tmp_path: Path, value: dict[str, Any], expected: float | None
) -> None:
    found = exported(tmp_path, observation("p", RADIUS, "2024", **value))
    assert found.x[0, 0] == pytest.approx(math.nan if expected is None else expected, nan_ok=True)
    assert found.unreadable == ({"mean radius": 1} if expected is None else {})
    assert found.ids == ("p",)


@pytest.mark.parametrize(
    ("concept", "expected"),
    [
        pytest.param(
            {"coding": [{"system": LOINC, "code": "LA6576-8", "display": "Positive"}]}, 1.0, id="by its display"
        ),
        pytest.param({"text": "Positive"}, 1.0, id="by its text"),
        pytest.param({"coding": [{"code": "LA6577-6", "display": "Negative"}]}, 0.0, id="another"),
        pytest.param({}, math.nan, id="none"),
    ],
)
def test_a_concept_is_one_where_it_is_the_positive_one(
    tmp_path: Path, concept: dict[str, Any], expected: float
) -> None:
    columns = [*FHIR_COLUMNS[:3], {"name": LABEL, "code": "41852-5", "positive": "Positive"}]
    found = exported(tmp_path, observation("p", "41852-5", "2024", valueCodeableConcept=concept), columns=columns)
    assert found.y[0] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("code", "system", "expected"),
    [
        pytest.param(RADIUS, LOINC, 5.0, id="LOINC by default"),
        pytest.param(RADIUS, "http://snomed.info/sct", math.nan, id="the same of another system"),
        pytest.param(RADIUS, 7, math.nan, id="of a system that is no text"),
        pytest.param(RADIUS, None, math.nan, id="of a system that is nothing"),
        pytest.param("other", LOINC, math.nan, id="another code"),
    ],
)
def test_a_code_is_loincs_unless_it_says_otherwise(tmp_path: Path, code: str, system: Any, expected: float) -> None:
    seen = observation("p", RADIUS, "2024", **quantity(5, "mm")) | {
        "code": {"coding": [{"system": system, "code": code}]}
    }
    assert exported(tmp_path, seen).x[0, 0] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    "reference", ["Patient/p", "https://fhir.example/r4/Patient/p", "Patient/p/_history/3", "urn:uuid:p"]
)
def test_a_subject_is_known_however_it_is_referred_to(tmp_path: Path, reference: str) -> None:
    seen = observation("p", RADIUS, "2024", **quantity(5, "mm")) | {"subject": {"reference": reference}}
    assert exported(tmp_path, seen).x[0, 0] == 5.0


def test_what_a_patient_is_may_be_a_feature(tmp_path: Path) -> None:
    (tmp_path / "all.ndjson").write_text(
        ndjson(
            [
                {
                    "resourceType": "Patient",
                    "id": "a",
                    "gender": "female",
                    "birthDate": "1970-05-01",
                    "deceasedBoolean": True,
                },
                {"resourceType": "Patient", "id": "b", "gender": "male"},
                {"resourceType": "Patient", "gender": "male"},
            ]
        )
    )
    columns = [
        {"name": "mean radius", "column": "birthYear"},
        {"name": "mean texture", "column": "gender", "positive": "female"},
        {"name": "mean area", "column": "deceased"},
        FHIR_COLUMNS[3],
    ]
    found = Written({"fhir": {"path": "all.ndjson"}}, columns, Places(tmp_path)).read().extract(FEATURES)
    assert found.x[0].tolist() == [1970.0, 1.0, 1.0]
    assert found.x[1].tolist()[1:] == [0.0, 0.0]
    assert math.isnan(found.x[1, 0])
    assert found.unreadable == {"patient_id": 1}


def places_in(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something is within JSON."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, each in inner for place in places_in(each, (*at, key)))]


@pytest.mark.parametrize(
    "junk",
    [None, 7, True, "", "\ud800", [], {}, [[]], [{}], {"x": [1]}, 10**400, math.inf],
    ids=lambda junk: str(junk)[:9],
)
def test_whatever_stands_anywhere_in_a_resource_the_others_are_read(tmp_path: Path, junk: Any) -> None:
    parts = [{"code": {"coding": [{"system": LOINC, "code": RADIUS}]}} | quantity(1.5, "cm")]
    whole = [
        PATIENT | {"birthDate": "1970-01-01", "gender": "male"},
        observation("p", RADIUS, "2024", **quantity(1.5, "cm"), component=parts, effectivePeriod={"end": "2024"}),
        observation("p", RADIUS, "2024", valueCodeableConcept={"text": "x", "coding": [{"code": "x"}]}),
        condition("p", verificationStatus={"coding": [{"code": "confirmed"}]}),
    ]
    spoilt = []
    for resource in whole:
        for *outer, last in filter(None, places_in(resource)):
            copy = within = deepcopy(resource)
            for key in outer:
                within = within[key]
            within[last] = junk
            spoilt.append(copy)
    good = observation("p", RADIUS, "2030", **quantity(7, "mm"))
    found = exported(tmp_path, *spoilt, good)
    assert found.x[found.ids.index("p"), 0] == 7.0


def test_a_condition_that_was_entered_in_error_is_none(tmp_path: Path) -> None:
    void = {"verificationStatus": {"coding": [{"code": "entered-in-error"}]}}
    assert exported(tmp_path, condition("p", **void)).y.tolist() == [0.0]
    assert exported(tmp_path, condition("p")).y.tolist() == [1.0]


@pytest.mark.parametrize(("choose", "expected"), [("latest", 3.0), ("earliest", 1.0), ("mean", 2.5)])
def test_which_of_several_values_counts_is_the_mappings(tmp_path: Path, choose: str, expected: float) -> None:
    seen = [
        observation("p", RADIUS, when, **quantity(value, "mm"))
        for when, value in (("2023-06-01T12:00:00Z", 2), ("2020", 1), ("2024-02-01T00:30:00+02:00", 3), ("2024-01", 4))
    ]
    columns = [FHIR_COLUMNS[0] | {"choose": choose}, *FHIR_COLUMNS[1:]]
    assert exported(tmp_path, *seen, columns=columns).x[0, 0] == expected


def bound(patient: str, when: str) -> dict[str, Any]:
    return observation(patient, RADIUS, when, **quantity(5, "mm", comparator="<"))


@pytest.mark.parametrize("last", [True, False], ids=["read last", "read first"])
@pytest.mark.parametrize(
    ("choose", "when", "expected"),
    [
        pytest.param("latest", "2024", math.nan, id="the latest is a bound"),
        pytest.param("latest", "2016", 900.0, id="a bound, and later a number"),
        pytest.param("earliest", "2016", math.nan, id="the earliest is a bound"),
        pytest.param("earliest", "2024", 900.0, id="a number, and later a bound"),
        pytest.param("mean", "2024", math.nan, id="a mean of a number and a bound"),
    ],
)
def test_no_other_number_stands_for_a_bound_that_counts(
    tmp_path: Path, choose: str, when: str, expected: float, last: bool
) -> None:
    seen = [observation("p", RADIUS, "2020", **quantity(900, "mm")), bound("p", when)]
    columns = [FHIR_COLUMNS[0] | {"choose": choose}, *FHIR_COLUMNS[1:]]
    found = exported(tmp_path, *(seen if last else seen[::-1]), columns=columns)
    np.testing.assert_array_equal(found.x[0, 0], expected)
    of_a_patient = "mean radius: of 1 patient the value is only known to lie below or above something; taken as missing"
    assert found.notes == ((of_a_patient,) if math.isnan(expected) else ())
    assert found.unreadable == {}


def test_bounds_are_told_by_patients_and_not_by_values_nor_of_strangers(tmp_path: Path) -> None:
    others = [
        PATIENT | {"id": "q"},
        bound("q", "2024"),
        bound("p", "2023"),
        bound("p", "2024"),
        bound("nobody", "2024"),
    ]
    found = exported(tmp_path, *others)
    assert np.isnan(found.x[:, 0]).all()
    assert found.notes == (
        "mean radius: of 2 patients the value is only known to lie below or above something; taken as missing",
    )


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param("2024", datetime(2024, 1, 1, tzinfo=UTC), id="a year"),
        pytest.param("2024-11", datetime(2024, 11, 1, tzinfo=UTC), id="a month"),
        pytest.param("2024-11-24", datetime(2024, 11, 24, tzinfo=UTC), id="a day"),
        pytest.param("2024-11-24T12:00:00.5Z", datetime(2024, 11, 24, 12, 0, 0, 500_000, tzinfo=UTC), id="an instant"),
        pytest.param("2024-11-24T12:00:00+02:00", datetime(2024, 11, 24, 10, tzinfo=UTC), id="in a zone"),
        pytest.param(date(2024, 11, 24), datetime(2024, 11, 24, tzinfo=UTC), id="a driver's date"),
    ],
)
def test_times_are_read_as_fhir_and_databases_write_them(told: Any, expected: datetime) -> None:
    assert moment(told) == expected.timestamp()


@pytest.mark.parametrize("told", [None, "", "yesterday", "2024-13-01"])
def test_what_is_no_time_is_not_known(told: Any) -> None:
    assert math.isnan(moment(told))


@given(
    st.lists(
        st.tuples(st.floats(-1e6, 1e6) | st.just(math.nan), st.one_of(st.just(math.nan), st.integers(0, 5).map(float))),
        min_size=1,
    ),
    st.sampled_from(["latest", "earliest", "mean"]),
)
def test_the_value_that_counts_is_what_a_sorted_list_says(seen: list[tuple[float, float]], choose: str) -> None:
    chosen = Chosen(choose)
    for value, at in seen:
        chosen.put(3, value, at)
    timed = [(value, at) for value, at in seen if not math.isnan(at)] or seen
    expected = {
        "latest": max(enumerate(timed), key=lambda each: (0 if math.isnan(each[1][1]) else each[1][1], each[0]))[1][0],
        "earliest": min(enumerate(timed), key=lambda each: (0 if math.isnan(each[1][1]) else each[1][1], each[0]))[1][
            0
        ],
        "mean": sum(value for value, _ in seen) / len(seen),
    }[choose]
    values = chosen.values(5)
    assert values[3] == pytest.approx(expected, rel=1e-12, abs=1e-9, nan_ok=True)
    assert chosen.bounds(5).tolist() == [False, False, False, math.isnan(expected), False]
    assert all(math.isnan(value) for row, value in enumerate(values) if row != 3)
