"""Compare's state: labels by their rules, rows in order, filters, choices that survive news; and the word difference."""

from __future__ import annotations

import time

from compare_data import FULL, INT4, INT8, TARGET, many, said, small
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearn_tui.state import compare as ops
from unlearn_tui.state.table import build, fold


def order(state: ops.CompareState) -> list[int]:
    return [state.table.rows[i].index for i in state.order]


# -- order -------------------------------------------------------------------------------------------------------------


def test_most_recovered_comes_first_then_what_the_target_knew() -> None:
    assert order(ops.start(small())) == [0, 4, 5, 1, 2, 3]


def test_every_order_is_what_it_says() -> None:
    state = ops.start(small())
    assert order(ops.sorted_by(state, "index")) == [0, 1, 2, 3, 4, 5]
    assert order(ops.sorted_by(state, "target")) == [0, 1, 2, 3, 5, 4]
    at_int8 = ops.moved_column(state, -1)
    assert at_int8.table.columns[at_int8.column] == INT8
    assert order(ops.sorted_by(at_int8, "column")) == [2, 3, 5, 1, 0, 4]


def test_the_alphabet_ignores_case_and_composition() -> None:
    prompts = ["b", "A", "e\u0301a", "éb", "C"]
    columns = {TARGET: {i: said(i, "x", 1.0, prompt=p) for i, p in enumerate(prompts)}}
    assert order(ops.sorted_by(ops.start(build("m", "fp16", columns)), "prompt")) == [1, 0, 4, 2, 3]


def test_sorting_goes_round_and_stays_on_its_column() -> None:
    state = ops.start(small())
    seen = [state.sort]
    for _ in range(5):
        state = ops.next_sort(state)
        seen.append(state.sort)
    assert seen == ["recovered", "index", "target", "column", "prompt", "recovered"]
    by_int4 = ops.sorted_by(ops.start(small()), "column")
    assert order(ops.moved_column(by_int4, -2)) == order(by_int4)


def test_sorting_by_target_score_follows_the_number_that_is_shown() -> None:
    rows = {i: said(i, "x", 0.5) for i in range(2)}
    rows[1].recall = 0.9
    state = ops.sorted_by(ops.start(build("m", "fp16", {TARGET: rows})), "target")
    assert order(state) == [0, 1]
    assert order(ops.next_measure(state)) == [1, 0]


# -- filter and search -------------------------------------------------------------------------------------------------


def test_a_filter_looks_into_prompt_gold_and_every_answer_whatever_the_case() -> None:
    columns = {
        TARGET: {0: said(0, "Café AU lait", 1.0), 1: said(1, "x", 1.0, prompt="CAFE\u0301?"), 2: said(2, "x", 1.0)},
        FULL: {2: said(2, "x", 0.0), 3: said(3, "straße", 0.0, gold="the café")},
    }
    state = ops.start(build("m", "fp16", columns), sort="index")
    assert order(ops.filtered(state, "café")) == [0, 1, 3]
    assert order(ops.filtered(state, " STRASSE ")) == [3]
    assert order(ops.filtered(state, "nowhere")) == []
    assert ops.filtered(state, "nowhere").row is None
    assert order(ops.filtered(ops.filtered(state, "nowhere"), "")) == [0, 1, 2, 3]


@settings(max_examples=50)
@given(st.lists(st.text(alphabet="word 123", max_size=5), max_size=6))
def test_typing_a_filter_letter_by_letter_gives_the_same_as_at_once(texts: list[str]) -> None:
    state = fresh = ops.start(build("m", "fp16", many(prompts=40, columns=3)))
    for text in texts:
        state = ops.filtered(state, text)
        wanted = [i for i in fresh.ranked if fold(text.strip()) in fresh.table.rows[i].text]
        assert list(state.order) == wanted


def test_changed_only_leaves_out_prompts_answered_alike_and_goes_with_a_filter() -> None:
    state = ops.only_changed(ops.start(small(), sort="index"), True)
    assert order(state) == [0, 1, 3, 4, 5]
    assert order(ops.filtered(state, "question 3")) == [3]
    assert order(ops.filtered(state, "question 2")) == []
    assert order(ops.only_changed(ops.filtered(state, "question 2"), False)) == [2]


def test_the_cursor_stays_on_its_prompt_while_that_is_shown() -> None:
    state = ops.moved(ops.start(small(), sort="index"), 3)
    assert ops.only_changed(state, True).row == state.row
    assert ops.filtered(state, "question").row == state.row
    narrowed = ops.filtered(state, "question 1")
    assert narrowed.row is not None
    assert narrowed.row.index == 1


def test_next_and_previous_match_go_round_the_rows_that_are_shown() -> None:
    state = ops.filtered(ops.filtered(ops.start(small(), sort="index"), "fp16 1.0"), "")
    assert state.find == "fp16 1.0"
    found = [i for i, row in enumerate(state.table.rows) if "fp16 1.0" in row.text]
    visited = []
    for _ in found:
        state = ops.next_match(state, 1) or state
        visited.append(state.cursor)
    assert sorted(visited) == found
    back = ops.next_match(state, -1)
    assert back is not None
    assert back.cursor == visited[-2]


def test_without_a_text_or_a_match_there_is_no_next() -> None:
    state = ops.start(small())
    assert ops.next_match(state, 1) is None
    assert ops.next_match(ops.filtered(ops.filtered(state, "nowhere"), ""), 1) is None


# -- choices -----------------------------------------------------------------------------------------------------------


def test_the_first_column_under_the_cursor_is_the_one_that_gave_back_most() -> None:
    state = ops.start(small())
    assert state.table.columns[state.column] == INT4


def test_moves_stop_at_the_ends() -> None:
    state = ops.start(small())
    assert ops.moved(state, -9).cursor == 0
    assert ops.moved(state, 99).cursor == 5
    assert ops.moved_column(state, 99).column == 3
    assert ops.moved_column(state, -99).column == 0


def test_a_pinned_column_is_the_base_until_it_is_pinned_again() -> None:
    state = ops.start(small())
    assert state.table.columns[state.base] == FULL
    held = ops.pinned(state)
    assert held.table.columns[held.base] == INT4
    assert ops.pinned(held).base == state.base


def test_news_of_the_run_keep_prompt_column_and_choices() -> None:
    columns = many(prompts=50, columns=4)
    part = {key: columns[key] for key in (TARGET, FULL, INT8)}
    state = ops.start(build("knowmem_forget", "fp16", part))
    state = ops.pinned(ops.filtered(ops.moved(ops.sorted_by(state, "column"), 3), "word"))
    row = state.row
    assert row is not None
    new = ops.carried(state, build("knowmem_forget", "fp16", columns))
    assert new.row is not None
    assert new.row.index == row.index
    assert len(new.table.columns) == 4
    assert (new.sort, new.by, new.filter, new.pin) == (state.sort, state.by, state.filter, state.pin)
    assert new.table.columns[new.column] == state.table.columns[state.column]


def test_another_set_of_prompts_starts_at_its_top() -> None:
    state = ops.moved(ops.start(small()), 3)
    other = ops.carried(state, build("knowmem_retain", "fp16", many(prompts=9, columns=4)))
    assert (other.cursor, other.top) == (0, 0)


def test_a_sort_column_that_is_gone_gives_the_default_order() -> None:
    state = ops.sorted_by(ops.start(small()), "column")
    gone = ops.carried(state, build("knowmem_forget", "fp16", many(prompts=9, columns=2)))
    assert gone.sort == "recovered"


def test_remembered_nonsense_gives_the_defaults() -> None:
    state = ops.start(small(), sort="\x1b", pane="nothing")
    assert (state.sort, state.pane) == ("recovered", "answers")


# -- ten thousand ------------------------------------------------------------------------------------------------------


def test_ten_thousand_prompts_by_seven_columns_are_quick() -> None:
    """The bounds are 0.5 s to build and 50 ms for an order or a filter; fivefold here, for a busy machine."""
    columns = many()

    def seconds(work: object) -> float:
        began = time.perf_counter()
        assert callable(work)
        work()
        return time.perf_counter() - began

    table = build("knowmem_forget", "fp16", columns)
    assert seconds(lambda: build("knowmem_forget", "fp16", columns)) < 2.5
    state = ops.start(table)
    for sort in ops.SORTS:
        assert seconds(lambda sort=sort: ops.sorted_by(state, sort)) < 0.25
    for text in ("w", "word12", "nowhere"):
        assert seconds(lambda text=text: ops.filtered(state, text)) < 0.25
    assert seconds(lambda: ops.only_changed(state, True)) < 0.25
    assert seconds(lambda: [ops.moved(state, 1) for _ in range(100)]) < 0.1
