"""What became of a prompt, by rules on recalls; and the word difference of two answers."""

from __future__ import annotations

import random
import time

import pytest
from compare_data import EVIL
from hypothesis import given
from hypothesis import strategies as st

from unlearn_tui.state.diff import difference, words
from unlearn_tui.state.labels import label, label_of_row, shown


@pytest.mark.parametrize(
    ("target", "unlearned", "quantized", "expected"),
    [
        (1.0, 0.0, 1.0, "recovered"),
        (1.0, 0.0, 0.3, "partly back"),
        (1.0, 0.0, 0.29, "stays forgotten"),
        (1.0, 0.4, 0.7, "recovered"),  # 0.7 - 0.4 is a little less than 0.3 in binary
        (1.0, 0.7, 1.0, "never forgotten"),
        (1.0, 0.7, 0.7, "never forgotten"),
        (1.0, 0.69, 0.69, "stays forgotten"),
        (1.0, 0.6, 0.8, "partly back"),
        (0.5, 0.35, 0.35, "never forgotten"),
        (0.5, 0.34, 0.34, "stays forgotten"),
        (1.0, 1.0, 0.7, "lost more"),
        (1.0, 0.3, 0.0, "lost more"),
        (1.0, 1.0, 0.71, "never forgotten"),
        (0.29, 0.0, 1.0, "unknown to target"),
        (0.3, 0.0, 0.3, "recovered"),
        (None, 0.0, 1.0, ""),
        (1.0, None, 1.0, ""),
        (1.0, 0.0, None, ""),
    ],
)
def test_an_answer_has_the_label_of_the_first_rule_that_holds(
    target: float | None, unlearned: float | None, quantized: float | None, expected: str
) -> None:
    assert label(target, unlearned, quantized) == expected


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_every_triple_of_recalls_has_exactly_one_honest_label(t: float, u: float, q: float) -> None:
    found = label(t, u, q)
    if found == "recovered":
        assert q - u > 0.2999
        assert q > 0.7 * t - 1e-6
        assert u < 0.7 * t + 1e-6
    if found == "stays forgotten":
        assert u < 0.7 * t + 1e-6
        assert q < 0.7 * t + 1e-6
    if found == "never forgotten":
        assert u > 0.7 * t - 1e-6
    assert found


def test_a_prompt_is_recovered_as_soon_as_one_quantizer_gives_it_back() -> None:
    assert label_of_row(1.0, 0.0, [0.0, 0.1, 0.9]) == "recovered"
    assert label_of_row(1.0, 1.0, [1.0, 0.2]) == "lost more"
    assert label_of_row(1.0, 0.0, [0.0, None]) == "stays forgotten"


def test_before_anything_is_quantized_a_prompt_is_forgotten_or_not() -> None:
    assert label_of_row(1.0, 0.0, []) == "forgotten"
    assert label_of_row(1.0, 0.9, [None]) == "never forgotten"
    assert label_of_row(None, 0.9, []) == ""


def test_on_a_retain_set_what_was_not_forgotten_was_kept() -> None:
    assert shown("never forgotten", "retain") == "kept"
    assert shown("never forgotten", "forget") == "never forgotten"
    assert shown("recovered", "retain") == "recovered"


# -- word difference ---------------------------------------------------------------------------------------------------


def test_words_signs_and_single_chinese_characters_are_compared() -> None:
    assert words("About 2,800 jobs") == ["About ", "2", ",", "800 ", "jobs"]
    assert words("你好 world") == ["你", "好 ", "world"]
    assert words("नमस्ते दुनिया") == ["नमस्ते ", "दुनिया"]
    assert words("e\u0301te\u0301  x") == ["e\u0301te\u0301  ", "x"]


def test_a_difference_says_what_is_gone_and_what_is_new() -> None:
    assert difference("a cat sat on the mat", "a dog sat on the big mat") == (
        ("same", "a "), ("gone", "cat "), ("new", "dog "), ("same", "sat on the "), ("new", "big "), ("same", "mat"),
    )  # fmt: skip
    assert difference("他住在北京", "他住在上海") == (("same", "他住在"), ("gone", "北京"), ("new", "上海"))
    assert difference("same  words", "same words") == (("same", "same words"),)
    assert difference("", "new") == (("new", "new"),)
    assert difference("", "") == ()


@given(st.text(alphabet="ab c,你\u0301", max_size=60), st.text(alphabet="ab c,你\u0301", max_size=60))
def test_both_texts_can_be_read_out_of_their_difference(old: str, new: str) -> None:
    spans = difference(old, new)
    assert "".join(text for kind, text in spans if kind != "gone") == new
    squeezed = "".join("".join(text for kind, text in spans if kind != "new").split())
    assert squeezed == "".join(old.split())


def test_endless_and_hostile_answers_are_compared_in_no_time() -> None:
    chance = random.Random(0)
    endless = " ".join(chance.choice("ab") for _ in range(50_000))
    began = time.perf_counter()
    assert difference(endless, endless[::-1])
    assert difference("the BBC " * 20_000, "the BBC. " * 20_000)
    assert difference(EVIL, EVIL[::-1])
    assert time.perf_counter() - began < 3
