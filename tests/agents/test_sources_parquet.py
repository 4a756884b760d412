"""Parquet: what is damaged or of a wrong type is one sentence, and numbers of any type are read."""

import re
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from consilia.errors import InvalidData
from consilia.experiment import Features
from consilia_agents.sources.extract import Extract
from consilia_agents.sources.places import Places
from refused_sources import SECRET, refusal, sentence_of
from written_tables import FEATURES, HEADER, PATIENTS, TABLE_COLUMNS, Written, csv_text, parquet_bytes, table_rows


def parquet_in(folder: Path, content: bytes) -> Written:
    (folder / "labs.parquet").write_bytes(content)
    return Written({"parquet": {"path": "labs.parquet"}}, TABLE_COLUMNS, Places(folder))


def read(written: Written) -> Extract:
    return written.read().extract(FEATURES)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(parquet_bytes()[:-10], "is cut off or damaged: it begins as Parquet", id="cut off"),
        pytest.param(parquet_bytes()[:3000], "is cut off or damaged: it begins as Parquet", id="half of it"),
        pytest.param(csv_text().encode(), "is no Parquet: name one, or use source.csv for text", id="CSV"),
        pytest.param(b"", "is no Parquet", id="an empty file"),
    ],
)
def test_a_file_that_is_no_whole_parquet_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    assert f'file "labs.parquet" {said}' in refusal(parquet_in(tmp_path, content))


def test_a_parquet_whose_pages_are_damaged_is_refused(tmp_path: Path) -> None:
    content = bytearray(parquet_bytes(compression="zstd"))
    content[100:-3000] = b"\xff" * (len(content) - 3100)
    assert 'file "labs.parquet" is cut off or damaged' in refusal(parquet_in(tmp_path, bytes(content)))


def typed(folder: Path, **columns: Any) -> Written:
    """The table with these columns of Arrow's instead."""
    table = pa.table({name: list(values) for name, values in zip(HEADER, zip(*table_rows(), strict=True), strict=True)})
    for name, column in columns.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, column)
    out = pa.BufferOutputStream()
    parquet.write_table(table, out)
    return parquet_in(folder, out.getvalue().to_pybytes())


def test_texts_may_be_kept_as_views(tmp_path: Path) -> None:
    table = dict(zip(HEADER, zip(*table_rows(), strict=True), strict=True))
    plain = read(typed(tmp_path))
    for name in ("patient_id", "diagnosis"):
        viewed = pa.array(table[name], pa.string_view())
        np.testing.assert_array_equal(read(typed(tmp_path, **{name: viewed})).table.values, plain.table.values)
    for blank in ("", " "):  # with blanks, they are looked at one by one
        texts = pa.array([f"{each}{blank}" for each in table["area"]], pa.string_view())
        np.testing.assert_array_equal(read(typed(tmp_path, area=texts)).table.values, plain.table.values)


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        pytest.param(
            "radius_cm",
            pa.array([0] * len(PATIENTS), pa.timestamp("ms")),
            'column "radius_cm" in "labs.parquet" is of type timestamp[ms], and "mean radius" is a number',
            id="times",
        ),
        pytest.param("area", pa.array([[1.0]] * len(PATIENTS)), "is of type list<", id="lists"),
        pytest.param(
            "patient_id",
            pa.array([1.5] * len(PATIENTS)),
            'column "patient_id" in "labs.parquet" is of type double, and patients are told apart by texts or whole',
            id="identities with a fraction",
        ),
        pytest.param(
            "diagnosis",
            pa.array([1] * len(PATIENTS)),
            'holds numbers, and the positive text of "malignant" is none: give the number, or leave positive out',
            id="a label of numbers",
        ),
        pytest.param(
            "diagnosis",
            pa.array([True] * len(PATIENTS)),
            'holds booleans, and the positive text of "malignant" is none: give the boolean, or leave positive out',
            id="a label of booleans",
        ),
    ],
)
def test_a_type_that_holds_no_numbers_is_refused(tmp_path: Path, column: str, values: Any, said: str) -> None:
    assert said in refusal(typed(tmp_path, **{column: values}))


@pytest.mark.parametrize(
    "kind",
    [
        pa.int8(),
        pa.uint16(),
        pa.int64(),
        pa.float16(),
        pa.float32(),
        pa.decimal128(9, 3),
        pa.large_string(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
    ids=str,
)
def test_numbers_of_any_type_are_read(tmp_path: Path, kind: Any) -> None:
    numbers = [None, *(at % 100 for at in range(1, len(PATIENTS)))]
    texts = pa.array([None if number is None else str(number) for number in numbers])
    if pa.types.is_dictionary(kind):
        values = texts.dictionary_encode()
    else:
        values = texts.cast(kind) if pa.types.is_decimal(kind) else pa.array(numbers).cast(kind)
    found = read(typed(tmp_path, **{"mean texture": values}))
    np.testing.assert_array_equal(found.x[:, 1], [np.nan, *(float(at % 100) for at in range(1, len(PATIENTS)))])


def test_identities_may_be_whole_numbers_and_labels_booleans(tmp_path: Path) -> None:
    ids = pa.array([None, *range(1, len(PATIENTS))])
    labels = pa.array([at % 2 == 0 for at in range(len(PATIENTS))])
    written = typed(tmp_path, patient_id=ids, diagnosis=labels)
    columns = [*TABLE_COLUMNS[:2], {"name": "malignant", "column": "diagnosis"}]
    found = Written(written.source, columns, written.places).read().extract(FEATURES)
    assert found.ids == tuple(str(at) for at in range(1, len(PATIENTS)))
    assert found.y.tolist() == [float(at % 2 == 0) for at in range(1, len(PATIENTS))]
    assert found.unreadable == {"patient_id": 1}


@pytest.mark.parametrize("positive", ["true", "True", " 1 "])
def test_a_boolean_is_what_positive_says_however_it_is_written(tmp_path: Path, positive: str) -> None:
    labels = pa.array([None, *(at % 2 == 0 for at in range(1, len(PATIENTS)))])
    written = typed(tmp_path, diagnosis=labels)
    columns = [*TABLE_COLUMNS[:2], {"name": "malignant", "column": "diagnosis", "positive": positive}]
    found = Written(written.source, columns, written.places).read().extract(FEATURES)
    np.testing.assert_array_equal(found.y, [np.nan, *(float(at % 2 == 0) for at in range(1, len(PATIENTS)))])


@pytest.mark.parametrize("column", ["patient_id", "area", "diagnosis"])
def test_texts_that_are_not_utf_8_are_one_sentence(tmp_path: Path, column: str) -> None:
    texts = pa.array([SECRET] * len(PATIENTS))
    spoilt = pa.py_buffer(f"böse{SECRET[4:]}".encode("latin-1") * len(PATIENTS))
    broken = pa.Array.from_buffers(pa.string(), len(texts), [None, texts.buffers()[1], spoilt])
    assert refusal(typed(tmp_path, **{column: broken})) == (
        'hospital north: file "labs.parquet" has texts that are not UTF-8, as Parquet\'s are: write it anew'
    )


def test_a_file_with_any_byte_changed_is_read_or_is_one_sentence(tmp_path: Path) -> None:
    whole = parquet_bytes(table_rows()[:5])
    draws = np.random.default_rng(7)
    refused = 0
    for _ in range(200):
        content = bytearray(whole)
        content[draws.integers(4, len(whole) - 4)] = draws.integers(256)
        try:
            read(parquet_in(tmp_path, bytes(content)))
        except InvalidData as error:
            sentence_of(error)
            refused += 1
    assert 20 < refused < 200


def test_identities_may_be_views_of_texts_and_blanks_are_none(tmp_path: Path) -> None:
    ids = pa.array([" ", *(f"p{at}" for at in range(1, len(PATIENTS)))], pa.string_view())
    found = read(typed(tmp_path, patient_id=ids))
    assert found.ids == tuple(f"p{at}" for at in range(1, len(PATIENTS)))
    assert found.unreadable == {"patient_id": 1}


def test_what_is_infinite_is_unreadable_and_any_nan_is_missing(tmp_path: Path) -> None:
    strange = np.array([0x7FF8DEADBEEF0000], dtype=np.uint64).view(np.float64)[0]
    values = [np.inf, -np.inf, strange, None, *[1.0] * (len(PATIENTS) - 4)]
    found = read(typed(tmp_path, **{"mean texture": pa.array(values)}))
    assert found.unreadable == {"mean texture": 2}
    assert np.isnan(found.x[:4, 1]).all()
    huge = read(typed(tmp_path, radius_cm=pa.array([1.7e308] + [1.0] * (len(PATIENTS) - 1))))
    assert huge.unreadable == {"mean radius": 1}, "it has no float in mm"
    plain = read(typed(tmp_path, **{"mean texture": pa.array([None] * 4 + values[4:], pa.float64())}))
    assert found.fingerprint == plain.fingerprint


def test_a_dot_in_a_name_is_a_letter_and_no_path(tmp_path: Path) -> None:
    struct = pa.array([{"area": 1.0}] * len(PATIENTS))
    written = typed(tmp_path, note=struct)
    columns = [TABLE_COLUMNS[0], {"name": "mean area", "column": "note.area"}, TABLE_COLUMNS[2]]
    sentence = refusal(Written(written.source, columns, written.places))
    assert re.search(r'has no column "note\.area" in "labs\.parquet", to which "mean area" is mapped', sentence)


def test_a_file_is_read_into_its_place_without_a_second_copy_of_its_values(tmp_path: Path) -> None:
    rows = 60_000
    values = pa.array(np.arange(rows, dtype=float))
    names = [f"f{at}" for at in range(30)]
    ids = pa.array([f"p{at}" for at in range(rows)])
    table = pa.table({"patient_id": ids, **dict.fromkeys(names, values), "y": values})
    parquet.write_table(table, tmp_path / "labs.parquet", row_group_size=10_000)
    codebook = [{"name": name} for name in names]
    features = Features.model_validate({"label": "y", "scaling": "federated", "codebook": codebook})
    source = Written({"parquet": {"path": "labs.parquet"}}, [], Places(tmp_path)).read()
    tracemalloc.start()
    found = source.extract(features)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.y[-1] == rows - 1
    assert peak < 1.9 * (found.x.nbytes + found.y.nbytes)  # with identities, which are objects
