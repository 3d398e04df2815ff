"""The Compare screen as drawn: nothing wider than asked, hostile text harmless, the cursor always in sight."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from compare_data import EVIL, FULL, INT4, INT8, TARGET, many, said, scores, small, verdict
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearn_tui.protocol.answers import Answer
from unlearn_tui.state import compare as ops
from unlearn_tui.state.compare import CompareState
from unlearn_tui.state.table import build
from unlearn_tui.tui import lines
from unlearn_tui.tui.draw.answers import column_name, model_name
from unlearn_tui.tui.draw.compare import draw, empty, frame
from unlearn_tui.tui.draw.compare_detail import as_text, page
from unlearn_tui.tui.draw.compare_parts import columns_said, torn, window
from unlearn_tui.tui.draw.compare_wide import first
from unlearn_tui.tui.lines import Line

SIZES = [(40, 10), (40, 22), (80, 8), (80, 22), (100, 30), (119, 46), (120, 20), (160, 46), (200, 60)]


def rows(drawn: list[Line]) -> list[str]:
    return [lines.text(spans) for spans in drawn]


def whole(state: CompareState, width: int = 80, height: int = 22, **more: bool) -> str:
    return "\n".join(rows(draw(state, width, height, **more)))


def hostile() -> CompareState:
    part = {i: Answer(i, EVIL, EVIL * 3, EVIL * (i + 1), 0.5, 0.5, 0.5) for i in range(4)}
    other = {i: Answer(i, EVIL, EVIL * 3, "x" + EVIL, 1.0, 1e300, -5.0) for i in range(3, 9)}
    odd = (f"{EVIL}:inside:{EVIL}", EVIL)
    columns = {TARGET: part, FULL: part, INT4: other, odd: part, ("unlearned", EVIL): part}
    return ops.start(build(EVIL, "fp16", columns, scores(columns, EVIL), [verdict("bnb-fp4", 1.0, EVIL, EVIL)]))


STATES = {
    "small": ops.start(small()),
    "hostile": hostile(),
    "no rows": ops.filtered(ops.start(small()), EVIL),
    "empty": ops.start(build("knowmem_forget", "fp16", {})),
    "one column": ops.start(build("knowmem_forget", "fp16", {TARGET: {10**15: said(10**15, "far", 1.0)}})),
    "many columns": ops.start(build("knowmem_retain", "fp16", many(prompts=30, columns=30))),
}


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("name", STATES)
def test_every_state_fills_its_size_exactly(name: str, width: int, height: int) -> None:
    for pane in ops.PANES:
        for diff in (False, True):
            for find in ("", "a"):
                state = replace(ops.filtered(STATES[name], find or STATES[name].filter), pane=pane, diff=diff)
                for at in (0, 99):
                    drawn = draw(ops.moved_column(ops.moved(state, at), at), width, height, "note", ascii=diff)
                    assert len(drawn) == height
                    assert {lines.width(spans) for spans in drawn} == {width}


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize(
    "name", ["bnb-fp4", "bnb-fp4:block=64+double", "a name longer than any column has cells for it"]
)
def test_a_column_of_halved_batches_is_marked_whatever_its_name_and_the_last_line_says_why(
    name: str, width: int, height: int
) -> None:
    columns = {TARGET: {0: said(0, "x", 1.0)}, ("unlearned", name): {0: said(0, "y", 0.5)}}
    rated = scores(columns)
    whole_batches = rows(draw(ops.start(build("knowmem_forget", "fp16", columns, rated)), width, height))
    assert not [row for row in whole_batches if "†" in row]
    rated[1].batch = 8
    drawn = rows(draw(ops.start(build("knowmem_forget", "fp16", columns, rated)), width, height))
    assert len(drawn) == height
    assert "† batch halved for lack of mem" in drawn[-1]
    assert [row.count("†") for row in drawn if "†" in row] == [1, 1]
    if width >= 120:
        assert "last digits may differ: unlearned" in drawn[-1]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_hostile_text_steers_nothing(width: int, height: int) -> None:
    state = hostile()
    drawn = [*draw(state, width, height), *empty("nothing", ["0  runs"], width, 3)]
    assert state.row is not None
    drawn += page(state, state.row, width)
    for spans in drawn:
        assert lines.width(spans) == width
        for text, style in spans:
            assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200d\u2028]", text)
            assert set(style.split()) <= set(lines.STYLES)
    assert "\x1b" not in as_text(state, state.row)


@given(st.integers(0, 40), st.integers(0, 10), st.integers(20, 200), st.integers(4, 60), st.sampled_from(ops.PANES))
@settings(max_examples=60, deadline=None)
def test_the_chosen_prompt_and_column_are_always_in_sight(
    down: int, right: int, width: int, height: int, pane: str
) -> None:
    state = ops.moved_column(ops.moved(replace(STATES["many columns"], pane=pane, column=0), down), right)
    found = frame(state, width, height)
    assert state.cursor in found.rows.values()
    assert state.column in [column for _, column in found.columns]


# -- numbers and labels ------------------------------------------------------------------------------------------------


def test_scores_labels_and_signs_stand_in_the_row_of_their_prompt() -> None:
    found = rows(draw(ops.start(small(), sort="index"), 80, 22))
    row = next(row for row in found if row.lstrip("▸ ").startswith("0 question 0?"))
    assert re.search(r"100\.0 ███ +0\.0 ░░░ +0\.0 ░░░─ 100\.0 ███▲ recovered$", row)
    assert next(row for row in found if " question 3?" in row).rstrip().endswith("lost more")
    assert re.search(r"50\.0 ██░▼", next(row for row in found if " question 3?" in row))


def test_means_intervals_shares_and_verdicts_stand_on_top() -> None:
    found = whole(ops.start(small()))
    assert re.search(r"mean +75\.0 .* 36\.7 .* 30\.0 .*─ +73\.3 .*─", found)
    assert "28.8–31.2" in found
    assert re.search(r"share of target +0\.05 +0\.10 stays", found)


def test_the_mean_of_another_number_is_made_from_the_answers() -> None:
    state = ops.next_measure(ops.start(small()))
    found = whole(state)
    assert state.measure == "recall"
    assert "95 % interval" not in found
    assert re.search(r"mean +75\.0", found)


def test_the_rule_behind_a_label_is_said_with_the_chosen_prompt() -> None:
    state = ops.start(small(), sort="index")
    assert "recovered at INT4: 30 points or more back, to 70 % of the target's recall" in whole(state)
    assert "stays forgotten: below 70 % of the target's recall" in whole(ops.moved(state, 1))
    assert "never forgotten: still 70 % of the target's recall" in whole(ops.moved(state, 2))
    assert "unknown to target: the target itself" in whole(ops.moved(state, 4))


def test_counts_are_those_of_the_column_under_the_cursor() -> None:
    assert "INT4: 1 recovered, 1 partly back, 1 stays forgotten, 2 never forgotten" in whole(ops.start(small()))
    assert "INT8: " not in whole(ops.start(small()))
    at_target = ops.moved_column(ops.start(small()), -9)
    assert re.search(r"── at any quantizer: 1 recovered, 1 partly back, 1 stays forgotten", whole(at_target))


def test_wide_all_labels_are_counted_with_their_rule() -> None:
    found = whole(ops.start(small()), 160, 46)
    assert re.search(r"never forgotten +1 +2 +still 70 % of the target", found)
    assert re.search(r"lost more +1 +· +quantizing took 30 points", found)


def test_a_side_file_that_lacks_answers_is_pointed_out() -> None:
    columns = {TARGET: {i: said(i, "a", 1.0) for i in range(4)}}
    rated = scores(columns)
    state = ops.start(build("knowmem_forget", "fp16", {TARGET: {0: said(0, "a", 1.0)}}, rated))
    assert torn(state) == "target FP16: only 1 of 4 answers can be read; the mean is of all"
    assert "! target FP16: only 1 of 4" in whole(state)
    assert torn(ops.start(small())) == ""


# -- answers -----------------------------------------------------------------------------------------------------------


def test_diff_compares_with_the_base_and_a_pinned_column_becomes_it() -> None:
    columns = {FULL: {0: said(0, "a harbour", 0.0)}, INT4: {0: said(0, "the harbour town", 1.0)}}
    state = replace(ops.start(build("knowmem_forget", "fp16", columns)), diff=True)
    assert "[-a-] {+the+} harbour {+town+}" in whole(state)
    assert "● unlearned FP16" in whole(state, 160, 46)
    pinned = ops.pinned(state)
    assert "{+a+} harbour" in whole(pinned)
    assert "[-the-]" in whole(pinned)
    assert "[-" not in whole(replace(pinned, diff=False))


def test_wide_answers_stand_wrapped_in_the_grid() -> None:
    long = "one two three four five six seven eight nine ten eleven twelve thirteen"
    columns = {key: {0: said(0, long, 1.0)} for key in (TARGET, FULL, INT8, INT4)}
    found = whole(ops.start(build("knowmem_forget", "fp16", columns)), 160, 46)
    wrapped = ["one two three four five six", "seven eight nine ten eleven", "twelve thirteen"]
    assert [found.count(f"│ {part}") for part in wrapped] == [4, 4, 4]


def test_a_page_holds_prompt_gold_every_answer_and_every_number() -> None:
    columns = {TARGET: {0: said(0, "line one\nline two", 1.0)}, FULL: {0: said(0, "", 0.25)}, INT4: {}}
    state = ops.start(build("knowmem_forget", "fp16", columns))
    assert state.row is not None
    found = "\n".join(row.rstrip() for row in rows(page(state, state.row, 60)))
    assert "question 0?" in found
    assert "the harbour town" in found
    assert "   line one\n   line two" in found
    assert "ROUGE-L F1 25.0 · recall 25.0 · precision 25.0" in found
    assert "exact match · 3 tokens" in found
    assert "no answer could be read" in found


def test_copied_text_has_a_line_for_every_answer() -> None:
    state = ops.start(small(), sort="index")
    assert state.row is not None
    assert as_text(state, state.row).splitlines()[-1] == "unlearned:bnb-fp4: bnb-fp4 1.0  (ROUGE-L F1 100.0, recovered)"


# -- columns and rows that fit -----------------------------------------------------------------------------------------


def test_columns_that_do_not_fit_are_counted_and_scrolled_to() -> None:
    state = replace(STATES["many columns"], column=0)
    assert "1–4 of 30 ▸" in whole(state)
    at_20 = ops.moved_column(state, 20)
    assert "◂ 19–21 of 30 ▸" in whole(at_20)
    assert "◂ 28–30 of 30" in whole(ops.moved_column(state, 99))
    shown = [column for _, column in frame(at_20, 80, 22).columns]
    assert shown == [state.table.base, 18, 19, 20]


def test_where_all_columns_fit_only_their_number_is_said() -> None:
    assert columns_said(STATES["small"], [0, 1, 2, 3]) == "4 columns"


def test_scrolling_moves_the_window_no_further_than_needed() -> None:
    assert window(5, 0, 10, 100) == 0
    assert window(10, 0, 10, 100) == 1
    assert window(3, 7, 10, 100) == 3
    assert window(99, 0, 10, 100) == 90
    assert window(2, 50, 10, 5) == 0


@given(
    st.lists(st.integers(1, 8), min_size=1, max_size=60), st.integers(0, 100), st.integers(0, 100), st.integers(8, 40)
)
def test_rows_of_any_height_scroll_so_that_the_chosen_one_is_whole(
    heights: list[int], cursor: int, top: int, room: int
) -> None:
    n = len(heights)
    cursor = min(cursor, n - 1)
    found = first(heights.__getitem__, cursor, min(top, n - 1), room, n)
    assert 0 <= found <= cursor
    assert sum(heights[found : cursor + 1]) <= room
    if found and sum(heights[found:]) < room:  # no empty room that an earlier row would fill
        assert sum(heights[found - 1 :]) > room


def test_a_click_can_tell_prompt_and_column() -> None:
    for width, height in ((80, 22), (160, 46)):
        found = frame(ops.start(small(), sort="index"), width, height)
        drawn = rows(found.lines)
        for y, position in found.rows.items():
            if f" {position} " in drawn[y][:8]:
                assert f"question {position}?" in drawn[y]
        names = [found.state.table.columns[column] for _, column in found.columns]
        assert names == [TARGET, FULL, INT8, INT4]


# -- names, ASCII, speed -----------------------------------------------------------------------------------------------


def test_ablations_are_called_by_what_is_in_them() -> None:
    assert model_name("unlearned:inside:bnb-fp4") == "in INT4"
    assert column_name(("unlearned:outside:bnb-nf4", "fp16")) == "outside NF4 at FP16"
    assert column_name(INT4) == "unlearned INT4"


def test_ascii_doubles_the_brackets_of_recovered_words() -> None:
    columns = {
        TARGET: {0: said(0, "Fennelport", 1.0, gold="Fennelport")},
        FULL: {0: said(0, "no", 0.0, gold="Fennelport")},
    }
    columns[INT4] = columns[TARGET]
    state = ops.start(build("knowmem_forget", "fp16", columns))
    assert "[[Fennelport]]" in whole(state, ascii=True)
    assert "⟦Fennelport⟧" in whole(state)
    assert "[[Fennelport]]" in whole(state, 160, 46, ascii=True)


@pytest.mark.parametrize(("width", "height"), [(80, 22), (160, 46)])
def test_ten_thousand_prompts_scroll_smoothly(width: int, height: int) -> None:
    """A screen is meant to take 3 ms; the median of a hundred moves may take 15 here, for a busy machine."""
    state = ops.start(build("knowmem_forget", "fp16", many()))
    taken = []
    for by in (*[1] * 60, *[height // 4] * 30, *[-1] * 8, 10_000, -10_000):
        began = time.perf_counter()
        state = frame(ops.moved(state, by), width, height).state
        taken.append(time.perf_counter() - began)
    assert sorted(taken)[50] < 0.015
    assert state.cursor == 0
