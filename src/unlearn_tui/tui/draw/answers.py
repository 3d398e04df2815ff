"""One answer as styled text: recovered words in ⟦…⟧, or word by word against another answer; and how columns are called."""

from __future__ import annotations

import re
from functools import lru_cache

from rich.cells import cell_len, chop_cells

from unlearn_tui import catalog
from unlearn_tui.report.answers import mark
from unlearn_tui.report.text import cut, number, safe
from unlearn_tui.state.compare import CompareState
from unlearn_tui.state.diff import difference
from unlearn_tui.state.table import Key, Row
from unlearn_tui.tui.lines import Line, Span, fit, width

SIGNS = {"gone": ("[-", "-]", "bad"), "new": ("{+", "+}", "good"), "same": ("", "", "")}
"""Brackets and style of a difference."""
_JOINERS = re.compile("[\u200c\u200d]")
_LONGEST = 20_000
"""Characters of one answer that are drawn."""


def precision_name(precision: str) -> str:
    """INT4 for bnb-fp4; the safe id itself where the catalog has none."""
    found = catalog.find_precision(precision)
    return found.label if found else plain(precision)


def model_name(model: str) -> str:
    """target, unlearned, retrain; in INT4, out INT4 for an ablation, a part of the edit alone."""
    parts = model.split(":", 2)
    if len(parts) == 3 and parts[1] in ("inside", "outside"):
        return f"{parts[1].removesuffix('side')} {precision_name(parts[2])}"
    return plain(model)


def column_name(key: Key, cells: int = 40) -> str:
    """unlearned INT4; inside NF4 at FP16 for an ablation; in at most so many cells."""
    parts = key[0].split(":", 2)
    if len(parts) == 3 and parts[0] == "unlearned":
        return cut(f"{plain(parts[1])} {precision_name(parts[2])} at {precision_name(key[1])}", cells)
    return cut(f"{model_name(key[0])} {precision_name(key[1])}", cells)


def score(value: float | None) -> str:
    """A score of 0-1 as 0-100 with one decimal, five cells wide."""
    return "    –" if value is None else f"{number(min(max(100 * value, -999.0), 999.0)):>5}"


def answer(state: CompareState, row: Row, column: int, ascii: bool = False) -> Line:
    """What a column says to a prompt, on one line: a difference while `state.diff`, else with recovered words marked."""
    cell, table = row.cells[column], state.table
    if cell is None:
        return [("no answer", "dim")]
    if not cell.answer.strip() and not state.diff:
        return [("(says nothing)", "dim")]
    base = row.cells[state.base] if state.base >= 0 else None
    if state.diff and base is not None and column != state.base:
        return differing(base.answer, cell.answer)
    full = row.cells[table.base] if table.base >= 0 else None
    if table.compared(column) and full is not None and cell.recall > full.recall:
        return marked(cell.answer, row.gold, full.answer, ascii)
    return [(plain(cell.answer), "")]


def plain(text: str) -> str:
    """Foreign text on one line, fit to be shown: without joiners, which terminals and Rich count differently."""
    return _JOINERS.sub("", safe(text[:_LONGEST].strip()))


def marked(text: str, gold: str, lost: str, ascii: bool = False) -> Line:
    """`text` with ⟦…⟧ ([[…]] in ASCII) around the words of `gold` that the answer `lost` does not have."""
    return list(_marked(text, gold, lost, ascii))


def differing(old: str, new: str) -> Line:
    """`new` word by word against `old`: [-gone-] {+new+}."""
    return list(_differing(old, new))


@lru_cache(4096)
def _marked(text: str, gold: str, lost: str, ascii: bool) -> tuple[Span, ...]:
    # brackets of the model's own would look like ours
    own = plain(text).replace("⟦", "[").replace("⟧", "]")
    spans: list[Span] = []
    for part in re.split("(⟦[^⟧]*⟧)", mark(own, plain(gold), plain(lost))):
        if part.startswith("⟦"):
            spans.append((f"[[{part[1:-1]}]]" if ascii else part, "mark"))
        elif part:
            spans.append((part, ""))
    return tuple(spans)


@lru_cache(4096)
def _differing(old: str, new: str) -> tuple[Span, ...]:
    spans: list[Span] = []
    for kind, text in difference(plain(old), plain(new)):
        opening, closing, style = SIGNS[kind]
        words = text.rstrip()
        spans.append((f"{opening}{words}{closing}", style))
        # a space after every bracket keeps neighbouring differences apart
        spans.append((" " if kind != "same" else text[len(words) :], ""))
    return tuple(span for span in spans if span[0])


def flow(line: Line, cells: int, rows: int) -> list[Line]:
    """`line` broken at spaces into lines of at most `cells` cells, at most `rows` of them, the last ending in … then."""
    return [list(made) for made in _flow(tuple(line), max(cells, 2), rows)]


@lru_cache(8192)
def _flow(line: tuple[Span, ...], cells: int, rows: int) -> tuple[tuple[Span, ...], ...]:
    made: list[list[Span]] = [[]]
    used = 0

    def put(text: str, style: str) -> None:
        nonlocal used
        if made[-1] and made[-1][-1][1] == style:
            made[-1][-1] = (made[-1][-1][0] + text, style)
        else:
            made[-1].append((text, style))
        used += cell_len(text)

    for space, word in _words(line):
        if used and used + cell_len(space[0]) + width(word) <= cells:
            put(*space) if space[0] else None
        elif used:
            made.append([])
            used = 0
        for text, style in word:
            pieces = [text] if used + cell_len(text) <= cells else _chopped(text, cells - used, cells)
            for i, piece in enumerate(pieces):
                if i:
                    made.append([])
                    used = 0
                if piece:
                    put(piece, style)
        if len(made) > rows:
            break
    if len(made) > rows:
        made = made[:rows]
        if made:
            made[-1] = _with_ellipsis(made[-1], cells)
    # joiners make the width of a whole differ from that of its parts
    return tuple(tuple(spans if width(spans) <= cells else fit(spans, cells)) for spans in made)


def _words(line: tuple[Span, ...]) -> list[tuple[Span, list[Span]]]:
    """The words of a line, each with the space before it; a word may have several styles."""
    words: list[tuple[Span, list[Span]]] = [(("", ""), [])]
    for text, style in line:
        for i, part in enumerate(text.split(" ")):
            if i:
                words.append(((" ", style), []))
            if part:
                words[-1][1].append((part, style))
    return words


def _chopped(text: str, first: int, cells: int) -> list[str]:
    """`text` in pieces of `cells` cells, the first one of at most `first`."""
    head = chop_cells(text, first)[0] if first > 1 and text else ""
    return [head, *chop_cells(text[len(head) :], cells)]


def _with_ellipsis(spans: list[Span], cells: int) -> list[Span]:
    have = width(spans)
    return [*spans, ("…", "")] if have < cells else fit([*spans, ("…", "")], cells)
