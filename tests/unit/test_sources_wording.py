from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlearn_tui.sources.wording import plain, shown, size


def test_control_characters_become_symbols() -> None:
    assert shown("a\x1b[31m\n\x7f\x00") == "'a␛[31m␊␡␀'"


def test_bidi_overrides_line_separators_and_lone_surrogates_become_the_replacement_character() -> None:
    assert plain("a\u202eb\u2028c\x85d\udc80") == "a\ufffdb\ufffdc\ufffdd\ufffd"


def test_letters_of_any_script_stay() -> None:
    assert plain("Größe 模型 модель") == "Größe 模型 модель"


@given(st.text(st.characters()))
def test_any_text_comes_out_printable_encodable_and_short(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown(text).encode()) <= 4 * 123


def test_a_long_name_keeps_both_ends() -> None:
    assert plain("a" * 50 + "b" * 50, 10) == "aaaaa…bbbbb"


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9_812_345, "9.8 MB"), (27e9, "27.0 GB"), (4e15, "4000.0 TB")],
)
def test_sizes_read_in_powers_of_a_thousand(count: float, words: str) -> None:
    assert size(int(count)) == words
