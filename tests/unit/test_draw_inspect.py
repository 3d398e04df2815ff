"""The Inspect screen as lines: nothing wider than asked, numbers in their places, foreign text harmless."""

from __future__ import annotations

import re
from dataclasses import replace

import inspect_data as data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearn_tui.protocol import inspect as ins
from unlearn_tui.protocol.inspect import Choice, ModelRef, Piece
from unlearn_tui.state import inspect as ops
from unlearn_tui.state.asked import asked, heard
from unlearn_tui.state.inspect import InspectState, Prompt
from unlearn_tui.tui.draw import inspect as screen
from unlearn_tui.tui.draw import inspect_tokens as tokens
from unlearn_tui.tui.draw.inspect_answers import attacks
from unlearn_tui.tui.draw.inspect_page import as_text, page
from unlearn_tui.tui.glyphs import to_ascii
from unlearn_tui.tui.lines import STYLES, text, width

SIZES = [(40, 10), (60, 16), (80, 22), (120, 30), (160, 46), (20, 3), (1, 1), (300, 90)]
EVIL = "\x1b[2J\u202e\n" + "日本" * 20 + "👩‍🔬e\u0301"


def drawn(state: InspectState, cells: int = 80, rows: int = 22, note: str = "") -> list[str]:
    lines = screen.draw(state, cells, rows, note)
    assert len(lines) <= rows
    assert all(width(line) <= cells for line in lines), [text(line) for line in lines if width(line) > cells]
    for line in lines:
        for _, style in line:
            assert set(style.split()) <= set(STYLES)
    return [text(line).rstrip() for line in lines]


def attacked() -> InspectState:
    state = ops.in_pane(data.state(), "attacks")
    for id, attack in ((11, "paraphrase-1"), (12, "few-shot")):
        request = data.request(id, attack)
        state = ops.replied(ops.sent(state, request), data.replies(request, forgets=attack != "few-shot"))
    return state


def hostile() -> InspectState:
    piece = Piece(EVIL, 7.0, -5, [Choice(EVIL, float("nan")), Choice("", -1.0)])
    ask = data.request(1, models=[ModelRef(EVIL, EVIL)], precisions=[EVIL, "fp16"], question=EVIL, gold=EVIL)
    state = asked(ask)
    replies: list[ins.Reply] = [
        ins.Began(id=1, columns=[(EVIL, EVIL), (EVIL, "fp16")], prompt=EVIL, gold=EVIL, note=EVIL),
        ins.Taught(id=1, column=0, pieces=[piece] * 9, product=float("nan"), mean_log=-1e300),
        *(ins.Said(1, 0, piece) for _ in range(5)),
        ins.Answered(id=1, column=0, answer=EVIL, recall=1e9, f1=-5.0, ended=EVIL),
        ins.ColumnFailed(1, 1, EVIL),
        ins.Done(id=1, first_token=1e300, seconds=-1),
    ]
    for reply in replies:
        state = heard(state, reply)
    prompt = Prompt(EVIL, EVIL, 10**9)
    made = InspectState(name=EVIL, models=(ModelRef(EVIL, EVIL),), precisions=(EVIL, "fp16"), prompts=(prompt,))
    return replace(made, prompt=prompt, history=(state,), shown=1)


def waiting() -> InspectState:
    return ops.sent(data.state(), data.request(2))


def many() -> InspectState:
    ask = data.request(1, precisions=[f"rtn-int{i}" for i in range(13)])
    state = replace(data.state(), precisions=tuple(ask.precisions), history=())
    return ops.replied(ops.sent(state, ask), data.replies(ask))


STATES = {
    "nobody": InspectState(),
    "nothing asked": ops.stepped(data.state(), 1),
    "waiting": waiting(),
    "answered": data.state(),
    "said": ops.walking_said(data.state(), True),
    "attacks": attacked(),
    "hostile": hostile(),
    "hostile said": ops.walking_said(hostile(), True),
    "many columns": many(),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", STATES)
def test_nothing_is_wider_or_higher_than_asked(name: str, size: tuple[int, int]) -> None:
    for note in ("", "only the target is asked"):
        drawn(STATES[name], *size, note)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200), st.integers(1, 60), st.integers(0, 40), st.integers(0, 40), st.booleans())
def test_any_size_and_any_place_of_the_cursor(cells: int, rows: int, token: int, column: int, said: bool) -> None:
    for state in (data.state(), many(), hostile()):
        drawn(replace(state, token=token, column=column, said=said), cells, rows)


@pytest.mark.parametrize("name", ["hostile", "hostile said"])
def test_foreign_text_steers_no_terminal(name: str) -> None:
    for cells, rows in SIZES:
        painted = "\n".join(drawn(STATES[name], cells, rows, ""))
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u200d]", painted)


def test_gold_tokens_have_number_and_height_in_every_column() -> None:
    made = drawn(data.state())
    head = made[2].split()
    assert head == ["Fen", "nel", "port", "harbour", "product", "mean", "log"]
    rows = {row[1:15].strip(): row for row in made[3:9]}
    assert rows["target FP16"].split()[2:] == [".97█", ".99█", "1.0█", ".93█", "0.89", "-0.03"]
    assert rows["unlearned FP16"].split()[2:] == [".02▁", ".31▃", ".64▆", ".05▁", "0.0002", "-2.13"]
    assert rows["unlearned INT4"].endswith("▲"), "the gold answer is likely again"
    assert not rows["unlearned INT8"].endswith("▲")


def test_each_column_shows_rank_and_alternatives_of_the_token_under_the_cursor() -> None:
    made = drawn(data.state())
    at = next(i for i, row in enumerate(made) if "instead of “Fen”" in row)
    assert made[at + 2].split() == [
        "FP16",
        "#1",
        "INT8",
        "#1",
        "INT4",
        "#1",
        "FP16",
        "#14",
        "INT8",
        "#14",
        "INT4",
        "#1",
    ]
    assert made[at + 3].split()[:2] == ["▸Fen", ".97"]
    assert made[at + 3].split()[6:8] == ["Mar", ".49"]
    made = drawn(replace(data.state(), token=2))
    assert any("instead of “port”" in row for row in made)


def test_answers_have_their_recall_and_mark_what_came_back() -> None:
    made = drawn(data.state())
    answers = {row[1:15].strip(): row for row in made[-6:]}
    assert answers["unlearned INT4"].split()[2:] == ["⟦Fennelport", "harbour⟧", "100.0"]
    assert answers["unlearned FP16"].endswith("  0.0")
    wide = drawn(data.state(), 160, 46)
    assert any(row.rstrip().endswith("100.0 ▲ recovered") for row in wide)
    assert any(row.rstrip().endswith("0.0 stays forgotten") for row in wide)


def test_tokens_in_running_text_are_told_apart_by_shape() -> None:
    state = ops.walking_said(data.state(), True)
    now = state.asked
    assert now is not None
    spans = tokens.running(replace(state, token=9), now, 3, 0)
    assert spans == [
        ("‖", "hot"),
        ("a", "underline"),
        (" small", "underline"),
        (" town", ""),
        (" inland", "underline dim"),
    ]
    assert [tokens.style(p) for p in (0.9, 0.5, 0.1, 0.09)] == ["bold", "", "underline", "underline dim"]


def test_bars_stand_under_the_tokens_they_are_of() -> None:
    state = data.state()
    now = state.asked
    assert now is not None
    words = text(tokens.running(state, now, 3, 0))
    bars = text(tokens.heights(now, now.columns[3], 0))
    assert words == "‖a small town inland"
    assert bars == " ▄ ▃▃▃▃▃ ████ ▁▁▁▁▁▁"


def test_the_first_difference_is_marked() -> None:
    made = drawn(ops.walking_said(data.state(), True))
    assert "‖ parts from target FP16" in made[1]
    rows = [row for row in made[2:8] if "‖" in row]
    assert [row[1:15].strip() for row in rows] == ["unlearned FP16", "unlearned INT8"]


def test_probabilities_take_three_cells_and_products_seven() -> None:
    assert [tokens.share(p) for p in (0.0, 0.004, 0.5, 0.994, 0.996, 1.0, 7.0, float("nan"))] == [
        *(".00", ".00", ".50", ".99", "1.0", "1.0", " ? ", " ? "),
    ]
    assert [tokens.small(p) for p in (1.0, 0.26, 0.0002, 2.94e-45, 0.0, float("nan"))] == [
        *("1.00", "0.26", "0.0002", "2.9e-45", "0.00", "?"),
    ]


def test_attacks_stand_in_a_table_with_what_they_brought_back() -> None:
    made = drawn(attacked())
    rows = {row[1:14].strip(): row[15:].split() for row in made}
    assert rows["plain"] == ["100.0", "100.0", "100.0", "0.0", "0.0", "100.0"]
    assert rows["paraphrase 1"] == rows["plain"]
    assert rows["few-shot"] == ["100.0", "100.0", "100.0", "100.0▲", "100.0▲", "100.0"]
    assert rows["prefix half"] == ["–"] * 6
    wide = drawn(attacked(), 160, 46)
    assert any(row.startswith(" few-shot") and "100.0▲ Fennelport" in row for row in wide)


def test_an_attack_that_cannot_be_asked_has_its_reason() -> None:
    state = ops.sent(ops.in_pane(data.state(), "attacks"), data.request(9, "paraphrase-1"))
    state = ops.moved_attack(ops.replied(state, [ins.Refusal(9, "needs a question")]), 1, attacks())
    made = drawn(state)
    assert any(row.startswith("▸paraphrase 1") and row.count("✗") == 6 for row in made)
    assert made[-1] == " ✗ needs a question"


def test_in_a_wide_terminal_attacks_stand_below_the_answers_too() -> None:
    made = drawn(ops.in_pane(attacked(), "tokens"), 160, 46)
    assert any("attacks: recall" in row for row in made)
    assert any("probability and rank" in row for row in made)


def test_the_page_of_many_columns_follows_the_cursor() -> None:
    state = many()
    assert "target rtn-int0" in "\n".join(drawn(state))
    last = "\n".join(drawn(replace(state, column=25)))
    assert "▸unlearned rtn-int12" in last
    assert "target rtn-int0 " not in last


def test_what_is_going_on_and_what_failed_is_said() -> None:
    state = ops.replied(waiting(), [ins.Progress(2, "load unlearned")])
    assert "load unlearned …" in "\n".join(drawn(state))
    state = ops.replied(state, [ins.ColumnFailed(2, 1, "too large for 8 GiB")])
    assert "✗ too large for 8 GiB" in "\n".join(drawn(state))
    state = ops.replied(state, [ins.Refusal(2, "no model fits: free some memory")])
    assert drawn(state)[-1] == " ✗ no model fits: free some memory"
    state, _ = ops.cancelled(waiting())
    assert "cancelling …" in "\n".join(drawn(state))
    assert "cancelled" in "\n".join(drawn(ops.replied(state, [ins.Done(id=2, cancelled=True)])))


def test_a_prompt_that_was_not_asked_says_who_will_be() -> None:
    made = "\n".join(drawn(ops.stepped(data.state(), 1)))
    assert "Who keeps bees?" in made
    assert "⏎ asks" in made
    assert "unlearned INT4" in made


def test_without_anybody_to_ask_the_way_on_is_said() -> None:
    made = "\n".join(drawn(InspectState(), note="the checkpoint has gone"))
    assert "the checkpoint has gone" in made
    assert "0  choose a run" in made


def test_in_ascii_no_sign_is_left_over() -> None:
    for name in ("answered", "said", "attacks"):
        painted = "\n".join(text(line) for line in screen.draw(STATES[name], 160, 46, ascii=True))
        assert to_ascii(painted).replace("“", "").replace("”", "").isascii()


def test_the_page_holds_the_whole_of_it() -> None:
    now = data.state().asked
    assert now is not None
    made = [text(line) for line in page(now, 80)]
    assert any("recall 100.0 · F1 100.0 · gold answer: product 0.57, mean log -0.14" in row for row in made)
    assert any("template auto, greedy, at most 32 tokens" in row for row in made)
    found = hostile().asked
    assert found is not None
    for cells in (1, 20, 80):
        assert all(width(line) <= cells for line in page(found, cells))


def test_what_is_copied_has_every_answer_and_probability() -> None:
    now = data.state().asked
    assert now is not None
    copied = as_text(now)
    assert "unlearned:bnb-fp4: Fennelport harbour  (recall 100.0 · F1 100.0 ·" in copied
    assert "Fen .02 #14  nel .31 #14  port .64 #1  harbour .05 #14" in copied


def test_every_attack_of_the_catalog_is_in_the_table() -> None:
    assert len(attacks()) >= 6
    assert "" not in attacks()
