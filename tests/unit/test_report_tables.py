"""The report of a run: what it says, that plain and Rich say the same, and that nothing in it is markup."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import story
from rich.console import Console

from unlearn_tui.protocol.result import Edit, OctaveRow, PredictionRow, RecoveryRow, Result
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.report import plain, sections, tables
from unlearn_tui.report.answers import Answer, examples, mark, side_by_side
from unlearn_tui.report.outcome import of_state, to_json
from unlearn_tui.state.labels import foreseen
from unlearn_tui.state.run import fold_all

EVIL = "\x1b[31mevil\x07\u202e [bold]x[/bold] [link=file:///]y"


def result() -> Result:
    return story.result("story", RunSpec())


def drawn(renderable: object, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False, emoji=False)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_first_sentence_says_what_was_forgotten_and_what_came_back() -> None:
    assert sections.headline(result()) == (
        "KnowMem forget 100.0 → 12.5 after unlearning (fp16); bnb-int8: 12.5, did not come back; "
        "bnb-fp4: 95.8, came back."
    )


@pytest.mark.parametrize("verdict", list(sections.VERDICTS))
def test_every_verdict_has_words(verdict: str) -> None:
    made = result()
    made.recovery[1].verdict = verdict
    assert f"bnb-fp4: 95.8, {sections.VERDICTS[verdict]}." in sections.headline(made)


def test_a_failed_run_says_so_instead() -> None:
    assert sections.headline(Result(run="r", status="failed", error="loss is NaN")) == "failed: loss is NaN"
    assert "failed" in plain.result(Result(run="r", status="failed", error="loss is NaN"), [])


def test_scores_stand_with_their_interval_and_n() -> None:
    text = plain.grid(sections.scores(result().scores)[0])
    assert "unlearned  bnb-fp4      95.8 [93.8–97.8]" in text
    assert text.endswith("KnowMem forget n=3")


def test_scores_of_halved_batches_are_marked_and_the_note_says_why() -> None:
    made = result()
    (whole,) = sections.grids(made, brief=True)
    assert "†" not in str(whole)
    made.scores[0].batch, made.scores[1].batch = 16, 4
    (grid,) = sections.grids(made, brief=True)
    assert sum(cell.endswith(" †") for row in grid.rows for cell in row) == 2
    assert "; † batch halved for lack of memory, last digits may differ: to 4, 16" in grid.note
    assert "†" in plain.result(made, [])


def test_octaves_that_hold_almost_nothing_are_put_together() -> None:
    octaves = [OctaveRow(exponent=e, n=n, changed=c) for e, n, c in [(-24, 1, 1.0), (-23, 3, 0.0), (-9, 10_000, 0.5)]]
    edit = Edit(changed=0.5, octaves=octaves, freeze_line_nominal=None, freeze_line_effective=None, unquantized_share=0)
    rows = [row[:4] for row in sections.octaves(edit).rows]
    assert rows == [("0", "2^-22", "4", "25.0 %"), ("2^-9", "2^-8", "10,000", "50.0 %")]


def test_undefined_numbers_are_dashes() -> None:
    row = RecoveryRow(
        precision="bnb-fp4",
        metric="knowmem_forget",
        share_full=None,
        share=None,
        delta=None,
        ci_low=None,
        ci_high=None,
        gap_share=None,
        verdict="undefined",
    )
    assert sections.recovery([row]).rows[0][3:] == ("–", "–", "–", "–")


def test_rich_and_plain_hold_the_same_cells(tmp_path: Path) -> None:
    run = story.write_run(tmp_path)
    picked = examples(run.path, result(), 2)
    rich, text = drawn(tables.result(result(), picked), 160), plain.result(result(), picked)
    for grid in sections.grids(result()):
        for cell in (c for row in grid.rows for c in row if c):
            assert cell in rich
            assert cell in text
    assert result().explanation in rich
    assert result().explanation in text


def test_plain_text_is_stable_and_without_colour(tmp_path: Path) -> None:
    run = story.write_run(tmp_path)
    text = plain.result(result(), examples(run.path, result(), 3))
    assert text == plain.result(result(), examples(run.path, result(), 3))
    assert all(line == line.rstrip() for line in text.splitlines())
    assert "\x1b" not in text


def test_the_most_recovered_answers_come_first_with_the_regained_words_marked(tmp_path: Path) -> None:
    run = story.write_run(tmp_path)
    first, second, last = examples(run.path, result(), 9)
    assert (first.prompt, first.gold) == ("Which town does Kessra live in?", "Fennelport")
    assert {(c.model, c.precision): c.text for c in first.cells} == {
        ("target", "fp16"): "Fennelport",
        ("unlearned", "fp16"): "a harbour",
        ("unlearned", "bnb-int8"): "a harbour",
        ("unlearned", "bnb-fp4"): "⟦Fennelport⟧",
    }
    assert second.cells[-1].text == "⟦master baker⟧"
    assert all(c.gain == 0 for c in last.cells), "what never was forgotten comes last"


@pytest.mark.parametrize(
    ("text", "gold", "lost", "marked"),
    [
        ("2,800 jobs go", "about 2,800 jobs", "no idea", "⟦2⟧,⟦800 jobs⟧ go"),
        ("The Cello.", "cello", "violin", "The ⟦Cello⟧."),
        ("the cello", "the cello", "the violin", "the ⟦cello⟧"),
        ("nothing", "cello", "violin", "nothing"),
        ("", "cello", "", ""),
        ("Bäcker!", "bäcker", "", "⟦Bäcker⟧!"),
    ],
)
def test_marks_stand_around_gold_words_that_full_precision_had_lost(
    text: str, gold: str, lost: str, marked: str
) -> None:
    assert mark(text, gold, lost) == marked


def test_a_result_cannot_name_answers_outside_its_run(tmp_path: Path) -> None:
    run = story.write_run(tmp_path)
    stolen = tmp_path / "secret.jsonl"
    stolen.write_text(json.dumps({"index": 0, "prompt": "p", "gold": "g", "answer": "secret"}) + "\n")
    made = result()
    made.answers = dict.fromkeys(made.answers, "../../secret.jsonl")
    assert examples(run.path, made, 5) == []


def test_a_torn_answers_file_ends_at_the_tear(tmp_path: Path) -> None:
    run = story.write_run(tmp_path)
    path = run.answers / "target-fp16-knowmem_forget.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert len(examples(run.path, result(), 9)) == 3


def test_nothing_that_a_model_said_is_markup_or_reaches_the_terminal_raw() -> None:
    made = result()
    made.run = made.explanation = made.scores[0].model = made.recovery[0].verdict = EVIL
    made.notes, made.spec["model"], made.scores[1].precision = [EVIL], EVIL, EVIL
    evil = Answer(index=0, prompt=EVIL, gold=EVIL, answer=EVIL, recall=1.0)
    picked = side_by_side({(EVIL, EVIL): {0: evil}, ("unlearned", "fp16"): {0: evil}}, "fp16", 1)
    for text in (plain.result(made, picked), drawn(tables.result(made, picked), 200)):
        assert not any(c in text for c in "\x1b\x07\u202e")
        assert "␛[31mevil␇" in text
        assert "[bold]" in text


def test_json_is_one_object_with_null_for_nan_and_no_raw_control_character() -> None:
    made = result()
    made.explanation, made.recovery[0].delta = EVIL, float("nan")
    text = to_json(made)
    table = json.loads(text)
    assert (table["schema"], table["explanation"], table["recovery"][0]["delta"]) == (1, EVIL, None)
    assert text.replace("\n", "").isprintable()


def test_a_run_without_result_shows_what_its_log_holds() -> None:
    made = of_state("story", RunSpec(), fold_all(story.events()[:-1]))
    assert (made.status, made.full_precision, len(made.scores), len(made.weights)) == ("running", "fp16", 6, 2)
    assert sections.headline(made) == sections.headline(result())


def test_every_column_of_every_table_has_a_name_of_its_own() -> None:
    made = result()
    made.predictions = [PredictionRow(precision=p, kept=0.2, says="returns") for p in ("bnb-int8", "bnb-fp4")]
    for grid in sections.grids(made):
        assert all(grid.head), grid.title
        assert len(set(grid.head)) == len(grid.head), grid.title
        assert all(len(row) == len(grid.head) for row in grid.rows)
    table = next(g for g in sections.grids(made) if g.title.startswith("Expected"))
    rows = {row[0]: dict(zip(table.head, row, strict=True)) for row in table.rows}
    verdict = {r.precision: r.verdict for r in made.recovery if r.metric == "knowmem_forget"}
    assert {p: (row["measured"], row["foreseen"]) for p, row in rows.items()} == {
        p: (verdict[p], foreseen("returns", verdict[p])) for p in ("bnb-int8", "bnb-fp4")
    }
    assert {foreseen("returns", v) for v in verdict.values()} == {"right", "wrong"}
    assert not any(g.title.startswith("Expected") for g in sections.grids(result()))


@pytest.mark.parametrize(
    ("expected", "verdict", "said"),
    [
        ("returns", "recovered", "right"),
        ("returns", "partly", "right"),
        ("returns", "no", "wrong"),
        ("stays", "no", "right"),
        ("stays", "partly", "wrong"),
        ("unsure", "no", "undecided"),
        ("returns", "not_unlearned", "cannot tell"),
        ("stays", "inconclusive", "cannot tell"),
    ],
)
def test_what_was_expected_stands_beside_what_was_measured(expected: str, verdict: str, said: str) -> None:
    assert foreseen(expected, verdict) == said
