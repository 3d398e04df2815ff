"""Every screen has a page of plain words that fits a small terminal and holds no figure the README does not."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from unlearn_tui import catalog
from unlearn_tui.report.sections import VERDICTS
from unlearn_tui.tui.help import word_lines
from unlearn_tui.tui.keys import VIEWS
from unlearn_tui.tui.lines import text
from unlearn_tui.tui.words import METRIC_WORDS, WORDS


def test_every_screen_has_a_page_and_no_page_is_left_over() -> None:
    assert set(WORDS) == {*VIEWS, "sweeps"}


@pytest.mark.parametrize("view", WORDS)
def test_a_page_fits_a_small_terminal(view: str) -> None:
    lines = WORDS[view].split("\n")
    assert len(lines) <= 16
    assert max(map(cell_len, lines)) <= 76
    assert 2 <= len(WORDS[view].split("\n\n")) <= 3
    assert WORDS[view].isascii()


@pytest.mark.parametrize("view", WORDS)
def test_a_page_holds_no_measured_figure(view: str) -> None:
    # dtype names and the ends of scales are all: what was measured stands on the screen itself
    assert set(re.findall(r"\b\d+", WORDS[view])) <= {"0", "1", "100"}


def test_verdicts_and_methods_are_called_as_they_are_on_screen() -> None:
    quoted = set(re.findall(r"`(\w+)`", WORDS["compare"]))
    assert quoted <= set(VERDICTS)
    for name in ("GA", "NPO", "GDR", "KLR"):
        assert name in WORDS["setup"]
        assert any(name.lower() in method for method in catalog.METHODS)
    for preset in ("effect", "control", "remedy"):
        assert preset in WORDS["setup"]
        assert preset in catalog.PRESETS


@pytest.mark.parametrize("metric", METRIC_WORDS)
def test_a_metric_in_view_has_words_of_its_own_under_its_name_on_screen(metric: str) -> None:
    said = " ".join(METRIC_WORDS[metric].split())
    assert said.startswith(f"{catalog.METRICS[metric].label}: ")
    page = " ".join(" ".join(map(text, word_lines("compare", 78, [metric, "knowmem_forget"]))).split())
    assert page.endswith(said)
    assert "VerbMem sampled" not in " ".join(map(text, word_lines("compare", 78)))
