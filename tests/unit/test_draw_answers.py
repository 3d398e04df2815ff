"""One answer as styled text: marked, as a difference, broken into lines; and all prompts in one picture."""

from __future__ import annotations

import re

from compare_data import FULL, INT4, TARGET, said, small
from hypothesis import given
from hypothesis import strategies as st

from unlearn_tui.state import compare as ops
from unlearn_tui.state.table import build
from unlearn_tui.tui import lines
from unlearn_tui.tui.draw.answers import differing, flow, marked
from unlearn_tui.tui.draw.scatter import scatter
from unlearn_tui.tui.lines import Line


def rows(drawn: list[Line]) -> list[str]:
    return [lines.text(spans) for spans in drawn]


def test_recovered_words_stand_in_brackets_of_their_own_shape() -> None:
    spans = marked("in Fennelport harbour, yes", "Fennelport harbour", "a harbour")
    assert spans == [("in ", ""), ("⟦Fennelport⟧", "mark"), (" harbour, yes", "")]
    assert lines.text(marked("in Fennelport", "Fennelport", "x", ascii=True)) == "in [[Fennelport]]"


def test_brackets_of_the_model_are_not_taken_for_ours() -> None:
    spans = marked("⟦fake⟧ Fennelport", "Fennelport", "x")
    assert lines.text(spans) == "[fake] ⟦Fennelport⟧"


def test_a_difference_is_told_by_shape() -> None:
    assert lines.text(differing("a cat sat", "a dog sat")) == "a [-cat-] {+dog+} sat"


def test_texts_are_broken_at_spaces_and_end_in_an_ellipsis() -> None:
    spans: Line = [("the quick ", ""), ("⟦brown fox⟧", "mark"), (" jumps", "")]
    assert rows(flow(spans, 11, 9)) == ["the quick", "⟦brown fox⟧", "jumps"]
    assert rows(flow(spans, 11, 2)) == ["the quick", "⟦brown fox…"]
    assert rows(flow([("你好你好你", "")], 5, 9)) == ["你好", "你好", "你"]
    assert flow([], 10, 3) == [[]]


@given(st.text(alphabet="ab 你é e\u0301", max_size=80), st.integers(2, 30), st.integers(1, 6))
def test_no_line_of_a_flow_is_too_wide_and_nothing_gets_lost(text: str, cells: int, most: int) -> None:
    made = flow([(text, ""), (text, "mark")], cells, most)
    assert len(made) <= most
    assert all(lines.width(spans) <= cells for spans in made)
    everything = "".join(rows(flow([(text, ""), (text, "mark")], cells, 10_000)))
    assert everything.replace(" ", "") == (text * 2).replace(" ", "")


# -- the picture of all scores -----------------------------------------------------------------------------------------


def test_every_prompt_is_counted_once_in_the_picture() -> None:
    state = ops.start(small())
    found = rows(scatter(state, 60, 15))
    assert "unlearned FP16 across, INT4 up" in found[0]
    assert "▲ 3 above  / 3 on the line  ▼ 0 below  6 prompts" in found[-1]
    grid = "".join(row[6:] for row in found[1:12])
    assert sum(map(int, re.findall(r"\d+", grid))) == 6
    assert grid.count("[") == 1


def test_the_chosen_prompt_stands_in_brackets_where_it_is() -> None:
    state = ops.start(small(), sort="index")
    assert "[2]" in rows(scatter(state, 60, 15))[1]
    assert "[1]" in rows(scatter(ops.moved(state, 1), 60, 15))[11]


def test_the_column_under_the_cursor_is_the_one_pictured() -> None:
    state = ops.moved_column(ops.start(small()), -1)
    assert "INT8 up" in rows(scatter(state, 60, 15))[0]
    at_target = ops.moved_column(ops.start(small()), -9)
    assert "INT4 up" in rows(scatter(at_target, 60, 15))[0]


def test_without_a_quantized_column_the_picture_says_so() -> None:
    assert (
        "no quantized column is scored yet"
        in rows(scatter(ops.start(build("m", "fp16", {TARGET: {0: said(0, "x", 1.0)}})), 60, 15))[1]
    )


def test_counts_too_long_for_their_cell_are_shortened() -> None:
    columns = {key: {i: said(i, "x", 1.0) for i in range(12_000)} for key in (FULL, INT4)}
    state = ops.start(build("knowmem_forget", "fp16", columns))
    for width in (30, 40, 60):
        found = "\n".join(rows(scatter(state, width, 15)))
        assert "[12k]" in found or "[+]" in found
