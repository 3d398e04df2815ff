"""Text from models, corpora and names never steers a terminal and never loses its letters."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from unlearn_tui.report.text import ago, brief, cut, duration, number, pad, safe, safe_json

STEERING = [*range(0x20), *range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]


@pytest.mark.parametrize("code", [*STEERING, 0xD800, 0xDFFF, 0xFEFF, 0xE0041])
def test_every_character_that_steers_becomes_a_visible_symbol(code: int) -> None:
    shown = safe(f"a{chr(code)}b")
    assert chr(code) not in shown
    assert shown.startswith("a")
    assert shown.endswith("b")
    assert len(shown) > 2
    assert shown.isprintable()


def test_an_escape_sequence_is_shown_and_not_obeyed() -> None:
    assert safe("\x1b[2J\r\n\x9b31m\u202e") == "␛[2J␍␊⟨9b⟩31m⟨202e⟩"


@pytest.mark.parametrize(
    "text", ["plain", "Ünïcödé", "日本語", "नमस्ते", "עברית", "می‌خواهم", "👩‍🔬", "[bold]x[/bold]", "a\u00a0b"]
)
def test_printable_text_of_any_script_stays_as_it_is(text: str) -> None:
    assert safe(text) == text


@given(st.text())
def test_safe_text_is_one_line_and_stays_safe(text: str) -> None:
    assert safe(safe(text)) == safe(text)
    assert len(safe(text).splitlines()) <= 1


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_safe_json_holds_the_same_data_in_one_safe_line(text: str) -> None:
    made = safe_json(json.dumps([text], ensure_ascii=False))
    assert json.loads(made) == [text]
    assert safe(made) == made


@given(st.text(max_size=60), st.integers(0, 40))
def test_cut_text_fits_its_cells(text: str, width: int) -> None:
    made = cut(safe(text), width)
    assert cell_len(made) <= width
    if cell_len(safe(text)) <= width:
        assert made == safe(text)
    elif width:
        assert made.endswith("…")


def test_wide_characters_count_as_two_cells() -> None:
    assert cut("日本語日本語", 7) == "日本語…"
    assert pad("日本", 6) == "日本  "
    assert pad("7", 3, right=True) == "  7"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03"), (None, "–"), (-1, "–"), (float("nan"), "–")],
)
def test_durations_are_clock_like(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_number_that_is_none_or_nan_is_a_dash() -> None:
    assert [number(None), number(float("nan")), number(0.25, ".2f")] == ["–", "–", "0.25"]


def test_an_age_has_one_unit() -> None:
    assert [ago(-1), ago(59), ago(61), ago(7200), ago(200_000)] == ["0s", "59s", "1m", "2h", "2d"]


def test_an_overlong_message_loses_its_middle_and_keeps_its_ends() -> None:
    assert brief("short: as it is") == "short: as it is"
    assert brief(f"unknown '{'x' * 10_000}': give a or b").startswith("unknown 'xxx")
    assert brief(f"unknown '{'x' * 10_000}': give a or b").endswith("xxx': give a or b")
    assert len(brief("word " * 10_000)) <= 2001
