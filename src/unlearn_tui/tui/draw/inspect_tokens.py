"""Tokens and their probabilities: as a number and a height in a grid, as a shape in running text, with what else the
model might have said."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import exp

from rich.cells import cell_len

from unlearn_tui.protocol.inspect import Piece
from unlearn_tui.report.text import cut, safe
from unlearn_tui.state.asked import NOWHERE, Asked, Column, parts
from unlearn_tui.state.inspect import InspectState
from unlearn_tui.tui.draw.answers import column_name, model_name, precision_name
from unlearn_tui.tui.draw.figures import shade
from unlearn_tui.tui.lines import Line, Span, apart, bar, cell, fit, line, rule, under
from unlearn_tui.tui.lines import width as width_of

PARTED = "‖"
"""Stands before the token in which an answer parts from the one it is compared with."""
LIKELY, EVEN, UNLIKELY = 0.9, 0.5, 0.1
LEGEND = "bold ≥ .9, underlined < .5, dim < .1"
WIDEST = 14
"""Cells of one token in a grid at most."""


def shown(token: str) -> str:
    """A token's text fit for a terminal; line breaks and tabs as signs, one that is only a space as ␠."""
    return _shown(token[:200])


@lru_cache(8192)
def _shown(token: str) -> str:
    text = apart(safe(token))
    return text if text.strip() else "␠" * len(text)


def style(probability: float) -> str:
    """How a token looks in running text: first by shape, then by colour."""
    if probability >= LIKELY:
        return "bold"
    if probability >= EVEN:
        return ""
    return "underline" if probability >= UNLIKELY else "underline dim"


def share(probability: float) -> str:
    """A probability in three cells: 1.0, .97, .00."""
    if not 0 <= probability <= 1:
        return " ? "
    if probability >= 0.995:
        return "1.0"
    return f"{probability:.2f}"[1:]


def small(value: float) -> str:
    """A probability in at most seven cells, however small: 0.26, 2.9e-45."""
    if value != value:
        return "?"
    return f"{value:.2f}" if value >= 0.095 or value == 0 else f"{value:.2g}".replace("e-0", "e-")


def name(state: InspectState, now: Asked, index: int, cells: int) -> Line:
    """A column's name with the mark before it: ▸ under the cursor, ● what the others are compared with."""
    mark, style_ = _mark(state, now, index)
    return [(mark, "accent"), *cell(column_name(now.columns[index].key), cells - 2, style_), (" ", "")]


def _mark(state: InspectState, now: Asked, index: int) -> tuple[str, str]:
    here, base = index == state.column, index == state.base and len(now.columns) > 1
    return "▸" if here else "●" if base else " ", "accent" if here else ""


def names(now: Asked, width: int) -> int:
    """Cells of the column of names."""
    longest = max((cell_len(column_name(c.key)) for c in now.columns), default=10)
    return max(min(longest + 2, width // 3), 6)


def visible(state: InspectState, now: Asked, room: int) -> list[int]:
    """The columns on screen: the page of `room` of them that the cursor is on."""
    n, room = len(now.columns), max(room, 1)
    at = min(state.column, max(n - 1, 0))
    first = min(at // room * room, max(n - room, 0))
    return list(range(first, min(first + room, n)))


def page(widths: Sequence[int], room: int, at: int) -> tuple[int, int]:
    """First and one past the last of those things in a row that share a page with `at`."""
    first, used = 0, 0
    for i, cells in enumerate(widths):
        if used and used + cells > room:
            if i > at:
                return first, i
            first, used = i, 0
        used += cells
    return first, len(widths)


def grid(state: InspectState, now: Asked, width: int, columns: list[int]) -> list[Line]:
    """A title, a head of tokens, a row for each column: over the gold answer, or over what each of them says."""
    return _said(state, now, width, columns) if state.on_said else _gold(state, now, width, columns)


def _gold(state: InspectState, now: Asked, width: int, columns: list[int]) -> list[Line]:
    whole = width
    left, tail, ranks = names(now, width), 20 if width >= 60 else 8, width >= 120
    gold = [shown(piece.text).strip() or "␠" for piece in now.tokens]
    cells = [min(max(cell_len(text), 8 if ranks else 4), WIDEST) + 1 for text in gold]
    at = min(state.token, len(gold) - 1)
    first, last = page(cells, width - left - tail, at)
    if last - first == len(cells):
        width = min(width, left + max(sum(cells), 44) + tail)  # sums stand near what they are of
    what = "probability and rank" if ranks else "probability"
    made = [rule(f"{what} of each gold token, given those before it", whole, _of(at, len(gold)))]
    head = cell("", left)
    for i in range(first, last):
        head += under(fit([(cut(gold[i], cells[i] - 1), "bold")], cells[i]), "cursor" if i == at else "")
    head = [*fit(head, width - tail), *cell(" product", 8, "dim"), *cell(" mean log", tail - 8, "dim")]
    made.append(head)
    for c in columns:
        column = now.columns[c]
        row = name(state, now, c, left)
        for i in range(first, last):
            piece = column.gold[i] if i < len(column.gold) else None
            row += under(_cell(piece, cells[i], ranks), "cursor" if i == at else "")
        row = fit(row, width - tail)
        if column.taught:
            row += cell(small(column.taught.product), 8, right=True)
            row += cell(f"{max(column.taught.mean_log, -999):9.2f}", min(tail - 8, 9))
            row += line((f" {_rise(now, column)}", "hot")) if tail > 8 else []
        made.append(fit(row, width))
    return made


def _rise(now: Asked, column: Column) -> str:
    """▲ where the gold answer is much likelier than to the unlearned model at full precision, per token."""
    full = next((c for c in now.columns if c.label == "unlearned" and c.full), None)
    if full is None or column.label != "unlearned" or column is full or not (full.taught and column.taught):
        return ""
    rise = exp(min(column.taught.mean_log, 0)) - exp(min(full.taught.mean_log, 0))
    return "▲" if rise >= 0.3 else ""


def _cell(piece: Piece | None, cells: int, ranks: bool) -> Line:
    if piece is None:
        return cell("·", cells, "dim")
    mark = style(piece.probability)
    rank = f" {_rank(piece.rank):<3}" if ranks else ""
    return fit([(share(piece.probability), mark), (shade(piece.probability), "cool"), (rank, "dim")], cells)


def _rank(rank: int) -> str:
    return str(rank) if rank < 1000 else f"{min(rank // 1000, 99)}k"


def _of(at: int, n: int) -> str:
    return f"token {at + 1} of {n}" if n else ""


def _said(state: InspectState, now: Asked, width: int, columns: list[int]) -> list[Line]:
    left = names(now, width)
    n = max((c.counted for c in now.columns), default=0)
    at = min(state.token, max(n - 1, 0))
    base = now.columns[state.base] if now.columns else None

    def text(column: Column, i: int) -> str:
        return shown(column.said[i].text).strip() or "␠"

    cells = [
        min(max((cell_len(text(c, i)) for c in now.columns if i < c.counted), default=1), WIDEST - 3) + 3
        for i in range(n)
    ]
    first, last = page(cells, width - left, at)
    apart_at = [parts(column, base) if base else NOWHERE for column in now.columns]
    legend = f"; {PARTED} parts from {column_name(base.key)}" if base and len(now.columns) > 1 else ""
    made = [rule(cut(f"what each says, token by token{legend}", width - 22), width, _of(at, n))]
    for c in columns:
        column, row = now.columns[c], name(state, now, c, left)
        for i in range(first, min(last, column.counted)):
            piece = column.said[i]
            spans: Line = [(PARTED if i == apart_at[c] else " ", "hot"), (text(column, i), style(piece.probability))]
            spans = [*fit(spans, min(width_of(spans), cells[i] - 2)), (shade(piece.probability), "cool")]
            row += under(fit(spans, cells[i]), "cursor" if i == at else "")
        if not column.said:
            row += waiting(now, column)
        made.append(fit(row, width))
    return made


def waiting(now: Asked, column: Column) -> Line:
    """Why a column has said nothing."""
    if column.failed:
        return [(f"✗ {safe(column.failed)}", "bad")]
    if column.answered:
        return [("(says nothing)", "dim")]
    return [("–" if now.ended or now.cancelled else "…", "dim")]


def alternatives(state: InspectState, now: Asked, width: int, height: int) -> list[Line]:
    """What each column holds likeliest in the place of the token under the cursor."""
    if height < 4 or not now.columns:
        return []
    least = 12 if width < 120 else 18
    columns = visible(state, now, max(width // least, 1))
    cells = min(width // max(len(columns), 1), 30)
    gold = now.tokens[min(state.token, len(now.tokens) - 1)].text if not state.on_said and now.tokens else ""
    where = f"instead of “{shown(gold).strip()}” (# rank)" if gold else f"as token {state.token + 1} (# rank)"
    more = len(now.columns) - len(columns)
    made: list[Line] = [rule(f"what each might say {where}", width, f"{more} more, ↑↓" if more else "")]
    rows: list[Line] = [[] for _ in range(height - 1)]
    for c in columns:
        for y, spans in enumerate(_choices(state, now, c, cells, height - 1)):
            rows[y] += spans
    return [*made, *(fit(row, width) for row in rows)]


def _choices(state: InspectState, now: Asked, index: int, cells: int, height: int) -> list[Line]:
    """Model, precision with rank, choices of one column, each `cells` wide."""
    column = now.columns[index]
    pieces = column.said[: column.counted] if state.on_said else column.gold
    mark, style_ = _mark(state, now, index)
    made: list[Line] = [fit([(mark, "accent"), (model_name(column.label), style_)], cells)]
    precision = cut(precision_name(column.precision), cells - 7)
    if not state.token < len(pieces):
        made.append(cell(f" {precision}", cells, style_))
        return [*made, *(cell("", cells) for _ in range(height - 2))]
    piece = pieces[state.token]
    rank: Span = (f" #{_rank(piece.rank)}", "bold" if piece.rank == 1 else "dim")
    made.append(fit([(f" {precision}", style_), rank], cells))
    room = cells - 6 - (7 if cells >= 22 else 0)
    for choice in piece.choices[: height - 2]:
        here = choice.text == piece.text
        text = shown(choice.text).strip() or "␠"
        spans: Line = [("▸" if here else " ", "accent"), *cell(text, room, "bold" if here else "")]
        spans += [(f" {share(choice.probability)}", "")]
        if cells >= 22:
            known = 0 <= choice.probability <= 1
            spans += [(f" {bar(choice.probability if known else 0.0, 6)}", "cool")]
        made.append(fit(spans, cells))
    return [*made, *(cell("", cells) for _ in range(height - len(made)))]


def running(state: InspectState, now: Asked, index: int, parted: int) -> Line:
    """What a column says as text, each token in the shape of its probability; the cursor's token stands out."""
    column = now.columns[index]
    spans: Line = []
    for i, piece in enumerate(column.said[: column.counted]):
        text = shown(piece.text) if piece.text.strip() else " "
        text = text.lstrip() if i == 0 and not now.given else text
        look = style(piece.probability)
        if i == parted:
            lead = text[: len(text) - len(text.lstrip())]
            spans += [(lead, ""), (PARTED, "hot")]
            text = text.lstrip()
        if state.on_said and i == state.token:
            look = f"{look} cursor".strip()
        spans.append((text, look))
    return [*given(now), *line(*spans)] if spans else waiting(now, column)


def given(now: Asked) -> Line:
    """[Fenn]: what an attack gave away of the gold answer; nothing where it gave nothing."""
    return line((f"[{shown(now.given)}]", "dim")) if now.given else []


def heights(now: Asked, column: Column, parted: int) -> list[Span]:
    """The same tokens as bars of their probability, cell for cell under `running`."""
    spans: list[Span] = [(" " * width_of(given(now)), "")]
    for i, piece in enumerate(column.said[: column.counted]):
        text = shown(piece.text) if piece.text.strip() else " "
        text = text.lstrip() if i == 0 and not now.given else text
        lead = len(text) - len(text.lstrip())
        spans.append((" " * (lead + (i == parted)), ""))
        spans.append((shade(piece.probability) * cell_len(text.lstrip()), "cool"))
    return [span for span in spans if span[0]]
