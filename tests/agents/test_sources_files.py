"""Files, and CSV, that are not as they should be: each is one sentence that names the file and quotes no row."""

import gzip
import os
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest

from consilia.errors import InvalidData
from consilia_agents.sources.extract import Extract
from consilia_agents.sources.places import Places
from refused_sources import SECRET, refusal
from written_tables import FEATURES, HEADER, LABEL, PATIENTS, TABLE_COLUMNS, Written, csv_text, table_rows


def csv_in(folder: Path, content: str | bytes, name: str = "labs.csv", **source: Any) -> Written:
    """A folder with one file of this content, and the cohort of it."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return Written({"csv": {"path": name} | source}, TABLE_COLUMNS, Places(folder))


def changed(row: int, column: str, value: Any) -> list[list[Any]]:
    """The table's rows with one value changed."""
    rows = table_rows()
    rows[row][HEADER.index(column)] = value
    return rows


def test_decimals_may_follow_a_comma_and_then_no_point_is_taken_for_one(tmp_path: Path) -> None:
    rows = table_rows()
    for row in rows:
        row[HEADER.index("radius_cm")] = str(row[HEADER.index("radius_cm")]).replace(".", ",")
        row[HEADER.index("area")] = str(row[HEADER.index("area")]).replace(".", ",")
        row[HEADER.index("mean texture")] = str(row[HEADER.index("mean texture")]).replace(".", ",")
    rows[3][HEADER.index("area")] = "1.234,5"
    plain = csv_in(tmp_path, csv_text()).read().extract(FEATURES)
    read = (
        csv_in(tmp_path, csv_text(rows, delimiter=";"), "de.csv", delimiter=";", decimal=",").read().extract(FEATURES)
    )
    area = list(read.features).index("mean area")
    assert read.unreadable == {"mean area": 1}
    assert np.isnan(read.x[3, area])
    plain.x[3, area] = np.nan
    np.testing.assert_array_equal(read.x, plain.x)
    np.testing.assert_array_equal(read.y, plain.y)


def test_a_column_may_be_a_number_with_a_comma_and_a_text_that_means_one(tmp_path: Path) -> None:
    (tmp_path / "grades.csv").write_text("patient_id;grade\n1,5;1,5\n2;2,0\n3;1,5\n")
    columns = [
        *({"name": name, "column": "grade"} for name in ("mean radius", "mean texture")),
        {"name": "mean area", "column": "patient_id"},
        {"name": LABEL, "column": "grade", "positive": "1,5"},
    ]
    source = {"csv": {"path": "grades.csv", "delimiter": ";", "decimal": ","}}
    found = Written(source, columns, Places(tmp_path)).read().extract(FEATURES)
    assert found.ids == ("1,5", "2", "3")
    assert found.x.tolist() == [[1.5, 1.5, 1.5], [2.0, 2.0, 2.0], [1.5, 1.5, 3.0]]
    assert found.y.tolist() == [1.0, 0.0, 1.0]


def test_a_header_may_follow_any_number_of_empty_lines_at_once(tmp_path: Path) -> None:
    def seconds(lines: int) -> float:
        written = csv_in(tmp_path, "\n" * lines + csv_text(), f"{lines}.csv")
        start = process_time()
        assert written.read().columns() == tuple(HEADER)
        return process_time() - start

    seconds(1)
    assert seconds(1 << 17) < 5  # it took minutes, where each line went over all before it


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    written = Written({"csv": {"path": "nowhere.csv"}}, TABLE_COLUMNS, Places(tmp_path))
    assert refusal(written) == 'hospital north has no file "nowhere.csv": put it there, or mend the source\'s path'


def test_a_folder_without_a_file_of_the_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / "readme.md").write_text("no data")
    (tmp_path / "labs" / "_half.parquet").write_text("no data yet")
    written = Written({"parquet": {"path": "labs"}}, TABLE_COLUMNS, Places(tmp_path))
    assert refusal(written) == (
        'hospital north: folder "labs" holds no file that ends in .parquet or .pq: put one there'
    )


def test_a_process_without_a_data_folder_says_what_to_set() -> None:
    written = Written({"csv": {"path": "labs.csv"}}, TABLE_COLUMNS)
    assert "give the source a claim, or set CONSILIA_DATA" in refusal(written)


@pytest.mark.parametrize("path", ["linked.csv", "linked/labs.csv"])
def test_a_path_that_leaves_the_data_folder_is_refused(tmp_path: Path, path: str) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "data"
    outside.mkdir()
    (inside / "inside").mkdir(parents=True)
    (outside / "labs.csv").write_text(csv_text())
    (inside / "linked.csv").symlink_to(outside / "labs.csv")
    (inside / "linked").symlink_to(outside)
    written = Written({"csv": {"path": path}}, TABLE_COLUMNS, Places(inside))
    assert refusal(written) == (
        f'hospital north: path "{path}" leaves the data folder: put the file, and not a link, into it'
    )


def test_a_link_in_a_folder_of_files_does_not_leave_it_either(tmp_path: Path) -> None:
    (tmp_path / "data" / "labs").mkdir(parents=True)
    (tmp_path / "elsewhere.csv").write_text(csv_text())
    (tmp_path / "data" / "labs" / "a.csv").symlink_to(tmp_path / "elsewhere.csv")
    written = Written({"csv": {"path": "labs"}}, TABLE_COLUMNS, Places(tmp_path / "data"))
    assert 'path "labs/a.csv" leaves the data folder' in refusal(written)


def test_a_link_that_stays_is_followed_as_a_mounted_volume_has_them(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "labs.csv").write_text(csv_text())
    (tmp_path / "labs.csv").symlink_to(Path("..data") / "labs.csv")
    assert len(Written({"csv": {"path": "labs.csv"}}, TABLE_COLUMNS, Places(tmp_path)).read().extract(FEATURES)) == len(
        PATIENTS
    )


def test_dots_do_not_leave_it_even_where_a_document_let_them_through(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r'path "a/\.\./\.\./labs\.csv" leaves the data folder'):
        Places(tmp_path).inside("north", "a/../../labs.csv")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    written = csv_in(tmp_path, csv_text())
    (tmp_path / "labs.csv").chmod(0)
    assert 'hospital north: "labs.csv" may not be read by this process' in refusal(written)


@pytest.mark.parametrize(
    ("content", "source", "said"),
    [
        pytest.param("", {}, "is empty: it needs a header and a row a patient", id="an empty file"),
        pytest.param(
            csv_text().encode("utf-16"),
            {},
            "is not in encoding utf-8: give the one it is in, such as utf-16",
            id="UTF-16",
        ),
        pytest.param(
            csv_text(header=["Größe", *HEADER[1:]]).encode("latin-1"),
            {},
            "is not in encoding utf-8: give the one it is in, such as latin-1, as encoding",
            id="latin-1 in the header",
        ),
        pytest.param(
            csv_text(changed(40, "diagnosis", f"bösartig {SECRET}")).encode("latin-1"),
            {},
            "is not in encoding utf-8: give the one it is in, such as latin-1, as encoding",
            id="latin-1 in a row",
        ),
        pytest.param(
            csv_text(changed(40, "diagnosis", f"bösartig {SECRET}")),
            {"encoding": "ascii"},
            "is not in encoding ascii",
            id="ASCII",
        ),
        pytest.param(
            csv_text(), {"encoding": "klingon"}, 'has encoding "klingon", which there is not', id="no encoding"
        ),
        pytest.param(
            csv_text(delimiter=";"),
            {},
            'has one column, and its header holds ";": give that as delimiter',
            id="semicolons",
        ),
        pytest.param(
            csv_text(delimiter="\t"),
            {},
            'has one column, and its header holds "\\t": give that as delimiter',
            id="tabs",
        ),
        pytest.param(
            csv_text().encode("utf-16-le"),
            {},
            "is not in encoding utf-8: give the one it is in, such as utf-16",
            id="NUL",
        ),
        pytest.param(
            csv_text().encode("utf-16-le"),
            {"encoding": "utf-16"},
            "is not in encoding utf-16",
            id="UTF-16 without mark",
        ),
        pytest.param(
            csv_text(), {"encoding": "undefined"}, "is not in encoding undefined", id="the encoding of nothing"
        ),
        pytest.param(
            csv_text(), {"encoding": "hex"}, 'has encoding "hex", which there is not', id="no text's encoding"
        ),
        pytest.param(
            "\ufeff" + csv_text(),
            {"encoding": "latin-1"},
            "begins as utf-8 does, and not as latin-1: leave encoding out",
            id="UTF-8 after all",
        ),
        pytest.param(
            "sep=;\n" + csv_text(delimiter=";"),
            {"delimiter": ";"},
            'begins with "sep=", which is no header: delete that line',
            id="a line of Excel's",
        ),
        pytest.param(b"PK\x03\x04" + bytes(900), {}, "is a workbook or a zip, and no CSV: save it", id="a workbook"),
        pytest.param(b"PK\x03\x04" + b"\xff" * 900, {}, "is a workbook or a zip, and no CSV: save it", id="a zip"),
        pytest.param(gzip.compress(csv_text().encode()), {}, "is compressed: let its name end in .gz", id="gzip"),
        pytest.param(
            csv_text([*table_rows(), [SECRET, '"', *[1] * 4]]).replace('""""', '"').encode("utf-16"),
            {"encoding": "utf-16"},
            'has a quote (") that is not closed',
            id="an open quote in UTF-16",
        ),
        pytest.param(csv_text(), {"delimiter": "§"}, "cannot be cut at that delimiter", id="no delimiter"),
        pytest.param(
            gzip.compress(csv_text().encode())[:-900],
            {"path": "labs.csv.gz"},
            "is cut off, or no gzip: copy it anew",
            id="half a gzip",
        ),
        pytest.param(
            csv_text().encode(), {"path": "labs.csv.gz"}, "is cut off, or no gzip: copy it anew", id="no gzip"
        ),
        pytest.param(
            csv_text() + f'"{SECRET}' + "x," * (3 << 20) + csv_text(),
            {},
            "has a row of more than 1 MiB: a quote is not closed",
            id="an open quote in a large file",
        ),
        pytest.param(
            csv_text(table_rows()[:10]) + f'"{SECRET}\n' + csv_text(table_rows()[10:]),
            {},
            'has a quote (") that is not closed: close it, or double it within a value',
            id="an open quote in a small one",
        ),
    ],
)
def test_a_csv_that_is_wrong_as_a_whole_is_refused(
    tmp_path: Path, content: str | bytes, source: dict[str, str], said: str
) -> None:
    name = source.get("path", "labs.csv")
    sentence = refusal(csv_in(tmp_path, content, name, **source))
    assert f'file "{name}" {said}' in sentence


@pytest.mark.parametrize(
    ("header", "said"),
    [
        pytest.param(
            ["note", "patient", *HEADER[2:]],
            'has no column "patient_id" in "labs.csv", which tells patients apart: name another in mapping.patient',
            id="the patient's column",
        ),
        pytest.param(
            [*HEADER[:3], "texture", *HEADER[4:]], 'has no column "mean texture" in "labs.csv"', id="a feature"
        ),
        pytest.param(
            ["radius_cm", *HEADER[1:]],
            'has the column "radius_cm" 2 times in "labs.csv": rename all but one',
            id="one twice",
        ),
    ],
)
def test_a_header_that_lacks_a_column_or_has_it_twice_is_refused(tmp_path: Path, header: list[str], said: str) -> None:
    assert said in refusal(csv_in(tmp_path, csv_text(header=header)))


def test_every_file_of_a_folder_needs_the_columns(tmp_path: Path) -> None:
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / "a.csv").write_text(csv_text())
    (tmp_path / "labs" / "b.csv").write_text(csv_text(header=["patient_id"], rows=[["x"]]))
    written = Written({"csv": {"path": "labs"}}, TABLE_COLUMNS, Places(tmp_path))
    assert 'has no column "radius_cm" in "labs/b.csv"' in refusal(written)


def read(written: Written) -> Extract:
    return written.read().extract(FEATURES)


def test_a_ragged_row_is_a_record_that_nobody_can_read(tmp_path: Path) -> None:
    lines = csv_text([["", *row[1:]] for row in table_rows()]).splitlines()
    lines[3] += f",{SECRET}"
    lines[5] = SECRET
    found = read(csv_in(tmp_path, "\n".join(lines)))
    assert len(found) == len(PATIENTS) - 2
    assert found.unreadable == {"patient_id": 2}
    assert found.notes == (
        "labs.csv: row 4 has 7 values, and the header has 6",
        "labs.csv: row 6 has 1 value, and the header has 6",
    )
    assert found.ids == tuple(patient for at, patient in enumerate(PATIENTS.ids) if at not in {2, 4})


def test_notes_of_broken_records_are_not_endless(tmp_path: Path) -> None:
    found = read(csv_in(tmp_path, csv_text() + "x\n" * 1000))
    assert found.unreadable == {"patient_id": 1000}
    assert len(found.notes) == 21
    assert found.notes[-1] == "and 980 more records like these"


def test_a_record_without_an_identity_is_counted_and_has_no_row(tmp_path: Path) -> None:
    found = read(csv_in(tmp_path, csv_text(changed(0, "patient_id", ""))))
    assert found.ids == PATIENTS.ids[1:]
    assert found.unreadable == {"patient_id": 1}


def test_texts_in_a_column_of_numbers_are_counted_and_missing_values_are_not(tmp_path: Path) -> None:
    rows = table_rows()
    at = HEADER.index("mean texture")
    for row, text in enumerate([SECRET, "<5", "inf", "NA", "", " 17.5 ", "+3"]):
        rows[row][at] = text
    rows[1][HEADER.index("diagnosis")] = "NULL"
    found = read(csv_in(tmp_path, csv_text(rows)))
    assert found.unreadable == {"mean texture": 3}
    np.testing.assert_array_equal(found.x[:7, 1], [np.nan] * 5 + [17.5, 3])
    assert np.isnan(found.y).tolist() == [False, True] + [False] * (len(PATIENTS) - 2)


def test_a_header_alone_is_a_table_without_records(tmp_path: Path) -> None:
    for content in (csv_text([]), csv_text([]).rstrip("\r\n")):
        found = read(csv_in(tmp_path, content))
        assert (len(found), found.x.shape, found.y.shape) == (0, (0, 3), (0,))
    with pytest.raises(InvalidData, match="hospital north has no rows: there is nothing to learn from"):
        found.table.select(FEATURES.names, FEATURES.label, "hospital north")


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    header = ["radius_cm", "patient_id", "note", *HEADER[3:]]
    rows = [[row[2], row[1], row[0], *row[3:]] for row in table_rows()]
    assert len(read(csv_in(tmp_path, csv_text(rows, header).encode("utf-8-sig")))) == len(PATIENTS)


def test_many_blocks_are_one_table_and_progress_grows_with_each(tmp_path: Path) -> None:
    rows = [["x" * 1000, f"p{at}", 1.0, 2.0, 3.0, "benign"] for at in range(30_000)]
    shares: list[float] = []
    found = csv_in(tmp_path, csv_text(rows)).read().extract(FEATURES, shares.append)
    assert len(found) == 30_000
    assert len(shares) >= 3
    assert shares == sorted(shares)
    assert 0 < shares[0] < 1
    assert shares[-1] == 1.0


def test_another_size_time_or_name_is_another_stamp(tmp_path: Path) -> None:
    written = csv_in(tmp_path, csv_text())
    file = tmp_path / "labs.csv"
    first = written.read().stamp()
    os.utime(file, ns=(0, 1))
    second = written.read().stamp()
    os.utime(file, ns=(0, 2))
    third = written.read().stamp()
    file.write_text(csv_text() + "\n")
    os.utime(file, ns=(0, 2))
    assert len({first, second, third, written.read().stamp()}) == 4


@pytest.mark.parametrize("before", ["\n", "\r\n\r\n", "\ufeff\n"], ids=["one", "of Windows", "behind a mark"])
def test_empty_lines_before_the_header_are_none(tmp_path: Path, before: str) -> None:
    assert len(csv_in(tmp_path, before + csv_text()).read().extract(FEATURES)) == len(PATIENTS)


def test_what_is_missing_does_not_depend_on_what_stands_beside_it(tmp_path: Path) -> None:
    """Arrow takes NAN, Nan and -nan for NaN, where a whole column is of numbers."""
    counted = []
    for other in ("1.0", "none"):
        rows = changed(0, "area", "NAN")
        rows[1][HEADER.index("area")], rows[2][HEADER.index("area")] = "-nan", "NaN"
        rows[3][HEADER.index("area")] = other
        found = csv_in(tmp_path, csv_text(rows)).read().extract(FEATURES)
        counted.append(found.unreadable["mean area"])
        assert np.isnan(found.x[:3, 2]).all()
    assert counted == [2, 3]


def test_a_blank_identity_is_none(tmp_path: Path) -> None:
    found = csv_in(tmp_path, csv_text(changed(0, "patient_id", "  "))).read().extract(FEATURES)
    assert len(found) == len(PATIENTS) - 1
    assert found.unreadable == {"patient_id": 1}
