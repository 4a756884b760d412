"""Figures side by side."""

import pytest

from bench import table
from bench.samples import Sample


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([0.0065], "6.5 ms", id="one value has no spread"),
        pytest.param([0.004, 0.0065, 0.0185], "6.5 ms (4 ms .. 18.5 ms)", id="a spread in ms"),
        pytest.param([6.15, 6.2, 9.75], "6.2 s (6.15 s .. 9.75 s)", id="a spread in seconds"),
    ],
)
def test_a_cell_shows_the_median_and_the_noise(values, expected):
    assert table.cell(Sample.of(values), table.seconds) == expected


@pytest.mark.parametrize(
    ("ours", "other", "expected"),
    [
        pytest.param(0.018, 0.010, "x 1.80", id="above one"),
        pytest.param(0.010, 6.2, "1/620", id="below one"),
        pytest.param(2.0, 2.0, "x 1.00", id="equal"),
    ],
)
def test_a_ratio_reads_as_a_multiple_or_a_part(ours, other, expected):
    assert table.ratio(Sample.of([ours]), Sample.of([other])) == expected


def test_what_was_not_measured_is_a_dash():
    figure = table.Figure("round", table.seconds, None, Sample.of([6.2]), None, "at most 1/100 of Flower")
    assert figure.cells() == ("round", "-", "-", "6.2 s", "-", "-", "at most 1/100 of Flower")


def test_the_columns_of_a_table_line_up():
    figures = [
        table.Figure("round", table.seconds, Sample.of([0.01]), Sample.of([6.2]), Sample.of([0.005]), "fast"),
        table.Figure("memory (PSS)", table.megabytes, Sample.of([4e8]), Sample.of([1.6e9]), None, "small"),
    ]
    title, *lines = table.text("A title", figures).splitlines()
    assert title == "A title"
    assert {line.index(word) for line, word in zip(lines, ["wanted", "fast", "small"], strict=True)} == {
        lines[0].index("wanted")
    }
    assert "1/4" in lines[2]
