"""Compare from 120 columns on: answers wrapped inside the grid, rows as high as their answers; only visible ones made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from unlearn_tui.report.sections import VERDICTS
from unlearn_tui.report.text import number
from unlearn_tui.state.compare import CompareState
from unlearn_tui.state.labels import BACK, shown
from unlearn_tui.state.table import Row
from unlearn_tui.tui.draw import compare_parts as parts
from unlearn_tui.tui.draw.answers import answer, column_name, flow, plain, score
from unlearn_tui.tui.draw.compare_detail import detail
from unlearn_tui.tui.draw.scatter import labels, scatter
from unlearn_tui.tui.lines import Line, bar, beside, block, cell, fit, line, rule, under

NARROWEST = 26
WIDEST = 44
PROMPT = 28
LINES = 5
"""Lines of one answer at most; ⏎ reads the whole."""
KEPT = 400
"""Drawn prompts that are kept."""


@dataclass(frozen=True)
class _Grid:
    """Columns of the grid from the left, and cells: before the prompt, of an index, of the prompt, of every column."""

    columns: tuple[int, ...]
    before: int
    digits: int
    prompt: int
    cells: int
    most: int
    """Lines of one answer at most."""
    ascii: bool


def wide(state: CompareState, width: int, height: int, ascii: bool) -> parts.Frame:
    """Grid with answers; below, the chosen prompt beside the picture of all scores."""
    table = state.table
    digits = max(len(str(table.rows[-1].index)) if table.rows else 1, 3)
    before = digits + 3
    n = max(min((width - before - PROMPT) // NARROWEST, len(table.columns)), 1)
    state, columns = parts.columns_in(state, n)
    cells = min((width - before - PROMPT) // max(len(columns), 1), WIDEST)
    prompt = width - before - cells * len(columns)

    def across(name: str, style: str, made: list[Line]) -> Line:
        spans = [*cell("", before), *cell(name, prompt, style)]
        for part in made:
            spans += [("│ ", "rule"), *fit(part, cells - 2)]
        return spans

    heads = [parts.title(state, width)]
    said = parts.columns_said(state, columns)
    heads.append(across(f"prompt   {said}", "dim", [_head(state, c, cells - 2) for c in columns]))
    heads.append(across("mean, 95 % interval", "", [_mean(state, c, cells - 2) for c in columns]))
    if table.verdicts:
        heads.append(across("share of target, verdict", "dim", [_verdict(state, c) for c in columns]))
    below = _below(state, width, height, columns, ascii)
    made, hits = list(heads), {}
    rows = height - len(heads) - len(below)
    grid = _Grid(tuple(columns), before, digits, prompt, cells, min(LINES, max(rows - 2, 1)), ascii)

    top = first(lambda p: len(_entry(state, p, grid)) + 1, state.cursor, state.top, rows, len(state.order))
    state = replace(state, top=top)
    position = top
    between = fit([("─" * (before + prompt) + ("┼" + "─" * (cells - 1)) * len(columns), "rule")], width)
    while position < len(state.order) and len(made) - len(heads) < rows:
        made.append(between)
        for spans in _entry(state, position, grid):
            hits[len(made)] = position
            made.append(spans)
        position += 1
    if not state.order:
        made += [rule("", width), [(" " + parts.nothing(state), "dim")]]
    lines = [*block(made, len(heads) + rows), *below]
    hits = {y: p for y, p in hits.items() if y < len(heads) + rows}
    places = [(before + prompt + cells * i, c) for i, c in enumerate(columns)]
    return parts.Frame(lines, state, hits, places, max(position - top - 1, 1))


def first(height: Callable[[int], int], cursor: int, top: int, rows: int, n: int) -> int:
    """The first entry to show so that the one under the cursor is shown whole, moved from `top` as little as needed."""
    if n == 0:
        return 0
    if cursor >= top:
        used, at = 0, cursor
        while at >= top and used + height(at) <= rows:
            used += height(at)
            at -= 1
        top = min(max(top, at + 1), cursor)
    else:
        top = cursor
    # no empty room under the last one
    used, at = 0, top
    while at < n and used < rows:
        used += height(at)
        at += 1
    while at == n and top > 0 and used + height(top - 1) <= rows:
        top -= 1
        used += height(top)
    return top


def _head(state: CompareState, column: int, cells: int) -> Line:
    mark, style = parts.head(state, column)
    sign = parts.halved(state, column)
    return line((mark, "accent"), (column_name(state.table.columns[column], cells - 1 - len(sign)) + sign, style))


def _mean(state: CompareState, column: int, cells: int) -> Line:
    value = parts.mean(state, column)
    sign = parts.rise(state, column)
    spans = line(f"{score(value)} ", (bar(value or 0.0, _bar(cells)), parts.bar_style(value, sign)), " ", sign)
    return [*spans, (f" {parts.interval(state, column)}", "dim")]


def _verdict(state: CompareState, column: int) -> Line:
    value, verdict = parts.share(state, column)
    if value is None and not verdict:
        return []
    style = "hot" if verdict in BACK else ""
    return line(
        f" {number(value, '.2f')} ",
        (plain(verdict), style),
        (f": {VERDICTS[verdict]}" if verdict in VERDICTS else "", "dim"),
    )


def _bar(cells: int) -> int:
    return min(max(cells - 16, 3), 8)


def _entry(state: CompareState, position: int, grid: _Grid) -> list[Line]:
    """One prompt: its text, every answer, and under them label and scores; kept with the table until much else was drawn."""
    place = state.order[position]
    here = state.column if position == state.cursor else -1
    kept = state.table.kept
    key = ("entry", place, here, grid, state.measure, state.diff and state.base)
    found: list[Line] | None = kept.get(key)
    if found is None:
        if len(kept) > KEPT:
            kept.clear()
        found = kept[key] = _drawn(state, state.table.rows[place], grid, here)
    return found


def _drawn(state: CompareState, row: Row, grid: _Grid, here: int) -> list[Line]:
    """`here`: the column under the cursor if this is its prompt, else -1."""
    asked = flow([(plain(row.prompt), "bold" if here >= 0 else "")], grid.prompt - 1, grid.most)
    said = [flow(answer(state, row, c, grid.ascii), grid.cells - 3, grid.most) for c in grid.columns]
    rows = max(len(lines) for lines in (asked, *said))
    label = shown(row.label, state.table.subset)
    asked += [[] for _ in range(rows - len(asked))] + [
        [(label, parts.label_style(row.label, state.table.subset) or "dim")]
    ]
    made = []
    for y in range(rows + 1):
        number_ = f"{row.index:>{grid.digits}}" if y == 0 else ""
        edge = line(("▌" if here >= 0 else " ", "accent"), (f"{number_:<{grid.before - 1}}", "dim"))
        spans = [*edge, *fit(asked[y], grid.prompt)]
        for c, lines in zip(grid.columns, said, strict=True):
            text = _score(state, row, c, grid.cells - 2) if y == rows else lines[y] if y < len(lines) else []
            text = fit(text, grid.cells - 2)
            spans += [("│ ", "rule"), *(under(text, "cursor") if here == c else text)]
        made.append(spans)
    return made


def _score(state: CompareState, row: Row, column: int, cells: int) -> Line:
    """66.7 █████░░░ ▲ +66.7"""
    found = row.cells[column]
    if found is None:
        return []
    value = float(getattr(found, state.measure))
    sign, style = parts.direction(state, row, column)
    spans = line(
        f"{score(value)} ", (bar(value, _bar(cells)), parts.bar_style(value, (sign, style))), " ", (sign, style)
    )
    base = row.cells[state.table.base] if state.table.base >= 0 else None
    if sign in "▲▼" and base is not None:
        spans.append((f" {100 * (value - getattr(base, state.measure)):+.1f}", style))
    return spans


def _below(state: CompareState, width: int, height: int, columns: list[int], ascii: bool) -> list[Line]:
    """The strip under the grid: the chosen prompt and the labels, beside the picture of all scores."""
    if state.pane == "none" or height < 26:
        return []
    rows = 15 if height >= 38 else 10
    right = min(width * 2 // 5, 66)
    left = width - right - 3
    numbers = labels(state, list(range(len(state.table.columns))), left)
    if state.pane == "scores":
        texts = [rule("what became of the prompts", left), *numbers]
    else:
        texts = detail(state, left, max(rows - len(numbers) - 1, 4), columns, ascii)
        texts += [rule("", left), *numbers] if len(texts) + 1 + len(numbers) <= rows else []
    return [fit(spans, width) for spans in beside(texts[:rows], scatter(state, right, rows), left, " │ ")]
