"""What a look at a table finds, which records count, and the verdict: sentences that count and quote nobody."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from consilia.data_source import TableMapping
from consilia.errors import InvalidData
from consilia.experiment import Features, Model
from consilia.model import family_of
from consilia_agents.findings import FEWEST_RECORDS, Findings, usable, verdict
from consilia_agents.sources.extract import Extract

NAN, INF = np.nan, np.inf
FEATURES = Features.model_validate(
    {"label": "sick", "codebook": [{"name": "age", "min": 0, "max": 120}, {"name": "weight", "min": 0, "max": 300}]}
)
AS_NAMED = TableMapping()
Row = tuple[str, float, float, float]
GOOD: list[Row] = [("p1", 50, 70, 0), ("p2", 60, 80, 1), ("p3", 70, 90, 1)]


def extract_of(rows: Sequence[Row], **unreadable: int) -> Extract:
    values = np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, 3)
    ids = tuple(row[0] for row in rows)
    return Extract(ids, ("age", "weight"), "sick", values[:, :2], values[:, 2], "f", unreadable)


def mapping(*columns: dict[str, Any]) -> TableMapping:
    return TableMapping.model_validate({"columns": list(columns)})


def reason_of(extract: Extract, columns: TableMapping = AS_NAMED, features: Features = FEATURES) -> str:
    findings = Findings.of(extract, features, columns)
    return verdict(findings, features, columns, "north").reason


def test_a_whole_table_is_accepted_and_all_its_records_count() -> None:
    findings = Findings.of(extract_of(GOOD), FEATURES, AS_NAMED)
    assert findings == Findings(rows=3, patients=3, labels={0.0: 1, 1.0: 2}, usable=3)
    judged = verdict(findings, FEATURES, AS_NAMED, "north")
    assert judged.accepted
    assert judged.reason == ""
    judged.require_accepted()


def test_values_are_counted_by_column_and_kind() -> None:
    rows = [*GOOD, ("p4", NAN, 70, 0), ("p5", NAN, INF, 0), ("p6", 121, 301, NAN), ("p1", 50, 70, 0)]
    findings = Findings.of(extract_of(rows, age=1), FEATURES, AS_NAMED)
    assert (findings.rows, findings.patients, findings.usable) == (7, 6, 3)
    assert findings.missing == {"age": 1, "sick": 1}
    assert findings.unreadable == {"age": 1, "weight": 1}
    assert findings.out_of_bounds == {"age": 1, "weight": 1}


def test_of_a_patients_records_the_first_counts_and_what_lacks_something_is_left_out() -> None:
    rows = [("p9", 9, 9, 1), ("p1", NAN, 70, 0), ("p2", 1, 1, 1), ("p1", 50, 70, 0), ("p9", 8, 8, 0)]
    kept = usable(extract_of(rows), FEATURES, AS_NAMED)
    assert kept.ids == ("p9", "p2")
    assert kept.x.tolist() == [[9, 9], [1, 1]]
    assert kept.y.tolist() == [1, 1]


def test_a_public_value_takes_the_place_of_what_is_missing_or_no_number() -> None:
    columns = mapping({"name": "weight", "impute": 75.0}, {"name": "sick", "impute": 0.0})
    rows = [("p1", 50, NAN, 0), ("p2", 50, INF, 1), ("p3", 50, 60, NAN), ("p4", NAN, 60, 1)]
    kept = usable(extract_of(rows), FEATURES, columns)
    assert kept.ids == ("p1", "p2", "p3")
    assert kept.x[:, 1].tolist() == [75, 75, 60]
    assert kept.y.tolist() == [0, 1, 0]


def test_a_whole_table_is_not_copied() -> None:
    extract = extract_of(GOOD)
    assert usable(extract, FEATURES, AS_NAMED).x is extract.x


@pytest.mark.parametrize(
    ("extract", "columns", "said"),
    [
        pytest.param(extract_of([]), AS_NAMED, "the table has no rows", id="no rows"),
        pytest.param(
            extract_of(GOOD, weight=1), AS_NAMED, 'column "weight" has values that are no numbers', id="unreadable"
        ),
        pytest.param(
            extract_of([*GOOD, ("p4", INF, 1, 1)]), AS_NAMED, 'column "age" has values that are no', id="infinite"
        ),
        pytest.param(
            extract_of([("p1", NAN, 1, 0), ("p2", NAN, 1, 1)]), AS_NAMED, 'column "age" is empty: fill it', id="empty"
        ),
        pytest.param(
            extract_of([("p1", 1, 1, NAN), ("p2", 2, 1, NAN)]), AS_NAMED, 'column "sick" is empty', id="no label"
        ),
        pytest.param(
            extract_of([("p1", 50, 154, 0), ("p2", 60, 1760, 1), ("p3", 60, 1980, 1)]),
            mapping({"name": "weight", "column": "wt_oz"}),
            'column "wt_oz" ("weight") lies mostly outside of its public bounds 0 to 300: give the unit',
            id="another unit",
        ),
        pytest.param(
            extract_of([*GOOD, ("p1", 1, 1, 0)]), AS_NAMED, "some patients have several rows, by column", id="twice"
        ),
        pytest.param(
            extract_of(GOOD, patient_id=2), AS_NAMED, 'some rows have no patient in column "patient_id"', id="nobody"
        ),
        pytest.param(
            extract_of([("p1", 50, NAN, 0), ("p2", NAN, 80, 1), ("p3", 70, 90, 1)]),
            AS_NAMED,
            f"fewer than {FEWEST_RECORDS} records are left",
            id="too few",
        ),
        pytest.param(
            extract_of([("p1", 1, 1, 1), ("p2", 2, 2, 1)]), AS_NAMED, "there is one class only: label", id="one class"
        ),
        pytest.param(
            extract_of([("p1", 1, 1, 0), ("p2", 2, 2, 0)]),
            mapping({"name": "sick", "positive": "ill"}),
            "bring patients of another, or mend positive in the mapping",
            id="a word that nobody uses",
        ),
        pytest.param(
            extract_of([*GOOD, ("p4", 1, 1, 2)]), AS_NAMED, 'label "sick" is neither 0 nor 1 in some rows', id="label"
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_its_column(
    extract: Extract, columns: TableMapping, said: str
) -> None:
    reason = reason_of(extract, columns)
    assert reason.startswith("hospital north: ")
    assert said in reason
    with pytest.raises(InvalidData, match=re.escape(said)):
        verdict(Findings.of(extract, FEATURES, columns), FEATURES, columns, "north").require_accepted()


def test_a_few_values_out_of_bounds_are_clipped_and_gaps_are_left_out() -> None:
    rows = [*GOOD, ("p4", 121, 70, 0), ("p5", NAN, 70, 0)]
    assert reason_of(extract_of(rows)) == ""


def test_a_column_with_a_public_value_may_be_empty() -> None:
    rows: list[Row] = [("p1", NAN, 1, 0), ("p2", NAN, 1, 1)]
    assert reason_of(extract_of(rows), mapping({"name": "age", "impute": 50.0})) == ""


@pytest.mark.parametrize("more", [1, 2, 5])
def test_a_sentence_is_the_same_however_many_patients_it_is_about(more: int) -> None:
    """It leaves the hospital: it tells which column, and neither how many nor what."""
    once = [*GOOD, *[(f"q{i}", INF, 90.0, 7.0) for i in range(1)]]
    often = [*GOOD, *[(f"q{i}", INF, 90.0, 7.0) for i in range(more)]]
    assert reason_of(extract_of(once)) == reason_of(extract_of(often))


def test_only_the_first_objections_are_told() -> None:
    columns = [{"name": f"c{i}", "min": 0, "max": 1} for i in range(5)]
    features = Features.model_validate({"label": "sick", "codebook": columns})
    extract = Extract(("p",), tuple(features.names), "sick", np.full((1, 5), INF), np.ones(1), "f")
    reason = reason_of(extract, features=features)
    assert reason.count("no numbers") == 3
    assert reason.endswith("and 2 more")


@pytest.mark.parametrize(
    ("model", "labels", "said"),
    [
        pytest.param({"kind": "SoftmaxRegression", "classes": 3}, (0, 2, 1), "", id="three classes"),
        pytest.param({"kind": "SoftmaxRegression", "classes": 3}, (0, 3, 1), "none of the classes 0 to 2", id="a 4th"),
        pytest.param({"kind": "LinearRegression"}, (0.5, 0.5, 0.5), "", id="a number"),
        pytest.param({"kind": "PoissonRegression"}, (0, 5, 9), "", id="counts"),
        pytest.param({"kind": "PoissonRegression"}, (0, 0.5, 9), "no whole number from 0 in some rows", id="no count"),
        pytest.param({"kind": "LinearRegression"}, (50, 60, 1), 'column "sick" lies mostly outside', id="other unit"),
    ],
)
def test_a_label_is_judged_by_the_runs_model(model: dict[str, Any], labels: tuple[float, ...], said: str) -> None:
    learned = Model.model_validate(model)
    outcome = {"outcome": {"min": 0, "max": 10}} if learned.numeric else {}
    features = Features.model_validate(FEATURES.to_json() | outcome)
    rows = [(f"p{i}", 50.0, 70.0, float(label)) for i, label in enumerate(labels)]
    family = family_of(learned, features)
    findings = Findings.of(extract_of(rows), features, AS_NAMED, family)
    assert (findings.labels is None) == learned.numeric
    reason = verdict(findings, features, AS_NAMED, "north", family).reason
    assert said in reason
    assert bool(said) == bool(reason)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param((1, 1, 1), id="one class"),
        pytest.param((NAN, NAN, NAN), id="none"),
        pytest.param((0, NAN, 7), id="gaps and others"),
        pytest.param((INF, -INF, 0.5), id="no numbers"),
    ],
)
def test_where_nothing_is_learned_no_label_is_looked_at(labels: tuple[float, ...]) -> None:
    rows = [(f"p{i}", 50.0, 70.0, float(label)) for i, label in enumerate(labels)]
    findings = Findings.of(extract_of(rows, sick=1), FEATURES, AS_NAMED, None)
    assert findings == Findings(rows=3, patients=3, usable=3)
    assert verdict(findings, FEATURES, AS_NAMED, "north", None).accepted
    kept = usable(extract_of(rows), FEATURES, AS_NAMED, None)
    assert kept.ids == ("p0", "p1", "p2")
    gap = [*rows, ("p4", NAN, 70.0, 1.0), ("p0", 1.0, 1.0, 1.0)]
    assert usable(extract_of(gap), FEATURES, AS_NAMED, None).ids == kept.ids
    assert (
        "several rows"
        in verdict(Findings.of(extract_of(gap), FEATURES, AS_NAMED, None), FEATURES, AS_NAMED, "north", None).reason
    )
