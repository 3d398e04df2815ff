"""Exported tables hold what the screen holds, and no cell of theirs acts as a formula, as markup or as a control."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlearn_tui.errors import Refused
from unlearn_tui.report.export import Table, text, to_csv, to_json, to_markdown, write
from unlearn_tui.report.text import safe

HOSTILE = [
    "\x1b]0;gone\x07",
    "a\r\nb\nc",
    "=HYPERLINK(1)",
    "| x | y |",
    "`code`",
    "<script>alert(1)</script>",
    "&amp;",
    "\u202eabc",
    'say "hi", then',
    "[a](http://b.c)",
    "\ud800",
    "日本語",
    "",
]


def rows_of(table: Table) -> list[list[str]]:
    return list(csv.reader(io.StringIO(to_csv(table), newline=""), strict=True))


def test_csv_gives_back_numbers_in_full_and_empty_cells_for_nothing() -> None:
    table = Table(["name", "kept"], [["a", 0.1 + 0.2], ["b", None], ["c", math.nan], ["d", -7], ["e", True]])
    assert rows_of(table) == [
        ["name", "kept"],
        ["a", "0.30000000000000004"],
        ["b", ""],
        ["c", ""],
        ["d", "-7"],
        ["e", "true"],
    ]


def test_csv_lines_end_as_rfc_4180_says_and_quotes_are_doubled() -> None:
    assert to_csv(Table(["a,b", 'c"d'], [["x", "y z"]])) == '"a,b","c""d"\r\nx,y z\r\n'


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "＝"])
def test_a_text_that_looks_like_a_formula_gets_an_apostrophe_in_csv(sign: str) -> None:
    row = rows_of(Table([f"{sign}head"], [[f"{sign}1+1"]]))
    assert row == [[f"'{safe(sign)}head"], [f"'{safe(sign)}1+1"]]


def test_a_negative_number_is_no_formula() -> None:
    assert rows_of(Table(["x"], [[-0.5], ["-0.5"]]))[1:] == [["-0.5"], ["'-0.5"]]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_comes_back_from_csv_as_one_safe_cell(hostile: str) -> None:
    found = rows_of(Table(["x", "y"], [[hostile, "after"]]))
    assert found[1][0].removeprefix("'") == safe(hostile)
    assert found[1][1] == "after"


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=5))
def test_any_text_keeps_rows_and_columns_of_a_csv(rows: list[list[str]]) -> None:
    found = rows_of(Table(["a", "b"], [list(row) for row in rows]))
    assert [len(row) for row in found] == [2] * (len(rows) + 1)
    assert all(ord(c) >= 32 and c != "\x7f" for row in found for cell in row for c in cell)


@given(
    st.lists(
        st.one_of(
            st.text(st.characters(exclude_categories=["Cs"])), st.none(), st.booleans(), st.integers(-(2**53), 2**53)
        )
    )
)
def test_json_gives_every_value_back_whole_without_a_raw_control_character(values: list[object]) -> None:
    made = to_json(Table(["x", "y"], [[v, 1.5] for v in values]))
    assert json.loads(made) == [{"x": v, "y": 1.5} for v in values]
    assert all(c == "\n" or safe(c) == c for c in made)


def test_json_has_null_for_what_is_no_number_and_keeps_columns_of_one_name_apart() -> None:
    table = Table(["x", "x", "x"], [[math.nan, math.inf, 1]])
    assert json.loads(to_json(table)) == [{"x": None, "x (2)": None, "x (3)": 1}]


def test_json_of_a_lone_surrogate_is_still_utf_8() -> None:
    assert json.loads(to_json(Table(["x"], [["a\udc80"]]))) == [{"x": "a\\udc80"}]


def test_a_row_of_another_length_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="zip"):
        to_json(Table(["a", "b"], [[1]]))


def test_markdown_aligns_numbers_and_says_nothing_with_a_dash() -> None:
    made = to_markdown(Table(["layer", "kept"], [["q_proj", 0.123456789], ["k", None]]))
    assert made == "| layer | kept |\n| --- | --: |\n| q\\_proj | 0.123457 |\n| k | – |\n"


@given(st.text())
def test_any_text_keeps_the_shape_of_a_markdown_table_and_holds_no_html(content: str) -> None:
    lines = to_markdown(Table(["a", content], [[content, "end"]])).split("\n")
    assert len(lines) == 4
    for line in (lines[0], lines[2]):
        cells = re.split(r"(?<!\\)\|", line)
        assert len(cells) == 4
        assert not re.search("[<>]", line.replace("<br>", ""))
        assert not re.search(r"(?<!\\)(?:\\\\)*`", line)


def test_markup_of_a_text_is_escaped_and_its_line_breaks_are_kept() -> None:
    made = to_markdown(Table(["x"], [["a|b\n`c` <b> & [d](http://e) \x1b[0m *f* www.g.h"]]))
    assert made.split("\n")[2] == (r"| a\|b<br>\`c\` &lt;b&gt; &amp; \[d\](http\://e) ␛\[0m \*f\* www\.g.h |")


ONE = {"one": Table(["a"], [[1]])}
TWO = {**ONE, "two_|": Table(["b"], [["x"]])}


def test_several_tables_become_headed_markdown_or_one_json_object_and_no_csv() -> None:
    assert json.loads(text(TWO, "json")) == {"one": [{"a": 1}], "two_|": [{"b": "x"}]}
    assert text(TWO, "md").count("\n## two\\_\\|\n\n| b |") == 1
    with pytest.raises(Refused, match="CSV file holds one table"):
        text(TWO, "csv")
    with pytest.raises(Refused, match="choose csv, json, md"):
        text(ONE, "xml")  # type: ignore[arg-type]


def test_a_written_file_is_whole_and_never_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    write(path, ONE, "csv")
    assert path.read_bytes() == b"a\r\n1\r\n"
    with pytest.raises(Refused, match="exists already"):
        write(path, TWO, "json")
    assert path.read_bytes() == b"a\r\n1\r\n"
    write(path, ONE, "json", overwrite=True)
    assert json.loads(path.read_text()) == [{"a": 1}]
    assert [p.name for p in tmp_path.iterdir()] == ["cells.csv"]


def test_a_dangling_link_is_something_that_is_there(tmp_path: Path) -> None:
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(Refused, match="exists already"):
        write(link, ONE, "csv")


@pytest.mark.parametrize("name", ["no/such/folder/x.csv", ".", "x\0.csv", "x" * 300 + ".csv", "a\x1b[2J/x.csv"])
def test_an_impossible_place_is_refused_in_one_safe_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused) as refused:
        write(tmp_path / name, ONE, "csv")
    assert refused.value.field == "path"
    assert safe(refused.value) == str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(Refused, match="cannot be written"):
        write(tmp_path / "x.csv", ONE, "csv")
