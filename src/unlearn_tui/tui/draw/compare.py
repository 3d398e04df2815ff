"""The Compare screen: which prompts came back, at which precision; here a compact grid of scores, wide in compare_wide."""

from __future__ import annotations

from dataclasses import replace

from unlearn_tui.report.text import cut, number
from unlearn_tui.state.compare import CompareState
from unlearn_tui.state.labels import BACK, NEVER, PARTLY, STAYS, UNKNOWN, shown
from unlearn_tui.tui.draw import compare_parts as parts
from unlearn_tui.tui.draw.answers import model_name, plain, precision_name, score
from unlearn_tui.tui.draw.compare_detail import detail
from unlearn_tui.tui.draw.compare_parts import Frame
from unlearn_tui.tui.draw.scatter import labels, scatter
from unlearn_tui.tui.lines import Line, bar, beside, block, cell, fit, line, rule, under

WIDE = (120, 20)
"""From this size on answers stand inside the grid."""
COLUMN = 11
"""Cells of one column of the compact grid: a space, 100.0, a space, a bar of three, ▲."""
SHORT = {STAYS: "stays", NEVER: "never", PARTLY: "partly", UNKNOWN: "unknown", "stays lost": "stays"}
VERDICT = {
    "undefined": "n/a",
    "not_unlearned": "never",
    "recovered": "back",
    "partly": "part",
    "no": "stays",
    "inconclusive": "?",
}
"""Labels and verdicts in the room of a compact column."""


def draw(state: CompareState, width: int, height: int, note: str = "", ascii: bool = False) -> list[Line]:
    """The screen in `width` × `height` cells; `note` (safe) is said on its last line."""
    return frame(state, width, height, note, ascii).lines


def frame(state: CompareState, width: int, height: int, note: str = "", ascii: bool = False) -> Frame:
    """The same with what stands where, for the mouse and for scrolling."""
    from unlearn_tui.tui.draw.compare_wide import wide

    note = note or "; ".join(filter(None, (parts.torn(state), parts.smaller(state))))
    room = height - bool(note)
    found = (wide if width >= WIDE[0] and height >= WIDE[1] else compact)(state, width, room, ascii)
    found.lines = [fit(spans, width) for spans in block(found.lines, room)]
    if note:
        found.lines.append(fit([(f" ! {note}", "warn")], width))
    return found


def empty(title: str, said: list[str], width: int, height: int) -> list[Line]:
    """What stands there without answers: why, and what to do."""
    lines: list[Line] = [rule(title, width), [], *([(f" {text}", "")] for text in said)]
    return [fit(spans, width) for spans in block(lines, height)]


def compact(state: CompareState, width: int, height: int, ascii: bool) -> Frame:
    """Scores in the grid, the chosen prompt's answers below."""
    table = state.table
    digits = max(len(str(table.rows[-1].index)) if table.rows else 1, 3)
    before = digits + 2
    label = 10 if width >= 72 else 0
    room = width - before - label
    n = max(min((room - (18 if width >= 72 else 12)) // COLUMN, len(table.columns)), 1)
    state, columns = parts.columns_in(state, n)
    prompt = max(room - COLUMN * len(columns), 4)

    heads = _heads(state, columns, (before, prompt), width, height)
    below = _below(state, width, height - len(heads), columns, ascii)
    if height >= 12:
        heads.append(rule(parts.counts(state, width - 8), width))
    rows = max(height - len(heads) - len(below), 1)
    top = parts.window(state.cursor, state.top, rows, len(state.order))
    state = replace(state, top=top)

    made, hits = list(heads), {}
    for position in range(top, min(top + rows, len(state.order))):
        row = table.rows[state.order[position]]
        here = position == state.cursor
        spans = line(("▸" if here else " ", "accent"), (f"{row.index:>{digits}} ", "dim"))
        spans += [*cell(plain(row.prompt), prompt - 1), (" ", "")]
        for c in columns:
            spans += _number(parts.measured(state, row, c), parts.direction(state, row, c))
        if label:
            name = shown(row.label, table.subset)
            spans += [(" ", ""), *cell(SHORT.get(name, name), label - 1, parts.label_style(row.label, table.subset))]
        hits[len(made)] = position
        made.append(under(fit(spans, width), "cursor") if here else spans)
    if not state.order:
        made.append([(f" {parts.nothing(state)}", "dim")])
    places = [(before + prompt + COLUMN * i, c) for i, c in enumerate(columns)]
    return Frame([*block(made, len(heads) + rows), *below], state, hits, places, rows)


def _heads(state: CompareState, columns: list[int], sizes: tuple[int, int], width: int, height: int) -> list[Line]:
    """Title, names, and a compact row each for means, intervals, shares with verdicts, as the height allows."""
    table = state.table

    def across(name: str, style: str, cells: list[Line]) -> Line:
        return [*cell("", sizes[0]), *cell(name, sizes[1], style), *(span for spans in cells for span in spans)]

    marks = {c: parts.head(state, c) for c in columns}
    models = [cell(f" {model_name(table.columns[c][0])}", COLUMN, marks[c][1]) for c in columns]
    names = [_name(state, c, marks[c]) for c in columns]
    heads = [
        parts.title(state, width),
        across("prompt", "dim", models),
        across(parts.columns_said(state, columns), "dim", names),
        across("mean", "", [_number(parts.mean(state, c), parts.rise(state, c)) for c in columns]),
    ]
    if height >= 14 and state.measure == "f1":
        bounds = [cell(f" {parts.interval(state, c)}", COLUMN, "dim") for c in columns]
        heads.append(across("95 % interval", "dim", bounds))
    if height >= 12 and table.verdicts:
        heads.append(across("share of target", "dim", [_share(state, c) for c in columns]))
    return heads


def _name(state: CompareState, column: int, mark: tuple[str, str]) -> Line:
    """▸INT4, with the sign of a halved batch behind it however long the name is."""
    sign = parts.halved(state, column)
    name = mark[0] + precision_name(state.table.columns[column][1])
    return cell(cut(name, COLUMN - 1 - len(sign)) + sign, COLUMN, mark[1])


def _number(value: float | None, sign: tuple[str, str]) -> Line:
    """100.0 ███▲"""
    filled = "   " if value is None else bar(value, 3)
    return line(f" {score(value)} ", (filled, parts.bar_style(value, sign)), sign)


def _share(state: CompareState, column: int) -> Line:
    value, verdict = parts.share(state, column)
    if value is None and not verdict:
        return cell("", COLUMN)
    text = f" {number(value, '.2f')} {VERDICT.get(verdict, plain(verdict))}"
    return cell(text, COLUMN, "hot" if verdict in BACK else "")


def _below(state: CompareState, width: int, height: int, columns: list[int], ascii: bool) -> list[Line]:
    """What stands under the grid: the answers, or the picture of all scores."""
    if state.pane == "none" or height < 8:
        return []
    if state.pane == "answers":
        return detail(state, width, min(height // 2, 9), columns, ascii)
    rows = min(height - 4, 15 if height >= 20 else 10)
    if width < 72:
        return scatter(state, width, rows)
    left = 48
    every = list(range(len(state.table.columns)))
    return beside(scatter(state, left, rows), [[], *labels(state, every, width - left - 3)], left, " │ ")
