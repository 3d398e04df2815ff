"""The answers of one metric lined up: labels, counts, columns; and the side files that they are read from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from compare_data import FULL, INT4, INT8, TARGET, many, said, scores, small, verdict

from unlearn_tui.protocol.result import Result
from unlearn_tui.report.answers import column, read
from unlearn_tui.state import compare as ops
from unlearn_tui.state.table import arranged, build, is_quantized, step
from unlearn_tui.tui.draw.compare_parts import title
from unlearn_tui.tui.lines import text
from unlearn_tui.tui.views.compare_files import exported


def test_every_prompt_has_its_label_gain_and_change() -> None:
    rows = small().rows
    assert [r.label for r in rows] == [
        "recovered", "stays forgotten", "never forgotten", "lost more", "unknown to target", "partly back",
    ]  # fmt: skip
    assert [round(r.gain, 9) for r in rows] == [1.0, 0.1, 0.0, 0.0, 1.0, 0.2]
    assert [r.changed for r in rows] == [True, True, False, True, True, True]


def test_labels_are_counted_for_every_column_and_for_the_prompts() -> None:
    table = small()
    assert dict(table.counts[table.at(INT4)]) == {
        "recovered": 1, "stays forgotten": 1, "never forgotten": 2, "unknown to target": 1, "partly back": 1,
    }  # fmt: skip
    assert table.counts[table.at(TARGET)] == {}
    assert table.counts[table.at(FULL)] == {}
    assert sum(table.total.values()) == 6


def test_the_mean_of_the_numbers_shown_is_the_mean_on_top() -> None:
    columns = many(prompts=200)
    table = build("verbmem_forget", "fp16", columns, scores(columns, "verbmem_forget"))
    for c, key in enumerate(table.columns):
        by_hand = 100 * sum(row.cells[c].f1 for row in table.rows if row.cells[c]) / 200
        assert table.means[c, "f1"] == pytest.approx(by_hand)
        assert table.scores[key].value == pytest.approx(by_hand)


def test_a_metric_that_compares_no_words_has_one_number_under_its_own_name() -> None:
    columns = many(prompts=20)
    table = build("extraction_strength", "fp16", columns, scores(columns, "extraction_strength"))
    assert table.measures == {"f1": "extraction strength"}
    assert table.passages
    assert {measure for _, measure in table.means} == {"f1"}
    state = ops.start(table)
    assert ops.next_measure(state).measure == "f1"
    heads = exported(state)["answers"].columns
    assert heads[heads.index("answer") :] == ["answer", "extraction strength", "tokens", "label"]
    known = ops.next_measure(ops.start(build("knowmem_forget", "fp16", columns)))
    assert known.measure == "recall"
    assert ops.carried(known, table).measure == "f1"
    for width in (60, 120):
        assert "extraction strength" in text(title(state, width))


def test_columns_stand_target_unlearned_quantized_retrain_then_the_rest() -> None:
    keys = [("retrain", "fp16"), INT4, ("unlearned:inside:bnb-fp4", "fp16"), ("target", "bnb-fp4"), FULL, TARGET, INT8]
    expected = (
        TARGET,
        FULL,
        INT4,
        INT8,
        ("retrain", "fp16"),
        ("target", "bnb-fp4"),
        ("unlearned:inside:bnb-fp4", "fp16"),
    )
    assert arranged(keys, "fp16") == expected


def test_only_low_precisions_of_the_unlearned_model_count_as_quantized() -> None:
    assert is_quantized(INT8)
    assert is_quantized(("unlearned", "someone-elses-int3"))
    assert not any(
        map(is_quantized, [FULL, ("unlearned", "bf16"), ("target", "bnb-fp4"), ("unlearned:inside:x", "bnb-fp4")])
    )


def test_an_ablation_is_held_against_the_base_but_has_no_label() -> None:
    part = ("unlearned:inside:bnb-fp4", "fp16")
    columns = {TARGET: {0: said(0, "a", 1.0)}, FULL: {0: said(0, "b", 0.0)}, part: {0: said(0, "a", 1.0)}}
    table = build("knowmem_forget", "fp16", columns)
    assert table.compared(2)
    assert not table.labelled(2)
    assert table.rows[0].label == "forgotten"
    assert table.rows[0].gain == 0.0


def test_columns_may_miss_prompts_or_have_their_own() -> None:
    columns = {
        TARGET: {0: said(0, "a", 1.0), 5: said(5, "b", 1.0)},
        FULL: {5: said(5, "c", 0.0)},
        INT8: {},
        INT4: {7: said(7, "d", 1.0, prompt="only here?")},
    }
    table = build("knowmem_forget", "fp16", columns, scores({TARGET: columns[TARGET]}))
    assert [r.index for r in table.rows] == [0, 5, 7]
    assert table.rows[2].prompt == "only here?"
    assert [r.label for r in table.rows] == ["", "forgotten", ""]
    assert table.answered == (2, 1, 0, 1)


def test_a_score_without_answers_still_is_a_column() -> None:
    table = build("knowmem_forget", "fp16", {}, scores({TARGET: {0: said(0, "a", 1.0)}}))
    assert table.columns == (TARGET,)
    assert table.rows == ()
    state = ops.start(table)
    for operation in (ops.next_sort, ops.next_measure, ops.next_pane, ops.pinned):
        state = operation(state)
    assert ops.filtered(ops.moved(ops.moved_column(state, 5), -3), "x").row is None


def test_an_empty_table_takes_every_operation() -> None:
    state = ops.start(build("knowmem_forget", "fp16", {}))
    for operation in (ops.next_sort, ops.next_measure, ops.next_pane, ops.pinned):
        state = operation(state)
    for _ in range(5):
        state = ops.next_sort(state)
    state = ops.only_changed(ops.moved_column(ops.moved(state, 5), 5), True)
    assert state.row is None
    assert ops.next_match(ops.filtered(state, "x"), 1) is None


def test_scores_fall_into_the_nearest_step_and_every_prompt_is_counted_once() -> None:
    assert [step(x, 11) for x in (0.0, 0.04, 0.05, 0.5, 0.96, 1.0, -3.0, 7.0)] == [0, 0, 1, 5, 10, 10, 0, 10]
    table = small()
    bins = table.bins(table.base, table.at(INT4), "f1", 11)
    assert bins[0, 10] == 2
    assert bins[10, 10] == 2
    assert bins[2, 4] == 1
    assert sum(bins.values()) == 6


def test_verdicts_of_other_metrics_are_left_out() -> None:
    table = build("verbmem_forget", "fp16", {}, recovery=[verdict("bnb-int8", 0.1, "no")])
    assert table.verdicts == {}


# -- side files --------------------------------------------------------------------------------------------------------


def line(index: int, answer: str, **more: object) -> str:
    return json.dumps({"index": index, "prompt": "p", "gold": "g", "answer": answer, "recall": 0.5, "f1": 0.25, **more})


def test_a_torn_side_file_gives_what_stands_before_the_tear(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line(0, "a", exact=1, tokens=7) + "\n" + line(1, "b") + "\n" + line(2, "c")[:-9])
    found = read(path)
    assert list(found) == [0, 1]
    assert (found[0].f1, found[0].exact, found[0].tokens) == (0.25, 1, 7)


def test_of_two_lines_about_one_prompt_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line(3, "first") + "\n" + line(3, "last") + "\n")
    assert read(path)[3].answer == "last"


def test_nothing_outside_the_run_is_read(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "answers").mkdir(parents=True)
    (tmp_path / "secret.jsonl").write_text(line(0, "secret") + "\n")
    (run / "answers" / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (run / "answers" / "own.jsonl").write_text(line(0, "own") + "\n")

    def through(name: str) -> int:
        result = Result(run="r", status="finished", answers={"target/fp16/m": name})
        return len(column(run, result, "target", "fp16", "m"))

    assert through("answers/own.jsonl") == 1
    for name in (
        "../secret.jsonl",
        str(tmp_path / "secret.jsonl"),
        "answers/link.jsonl",
        "answers",
        "\0",
        "",
        "x" * 5000,
    ):
        assert through(name) == 0
