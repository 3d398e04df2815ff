"""The Weights screen as lines: the map of layers by modules, the quantizers, change by size, the chosen matrix, why."""

from __future__ import annotations

import math

from unlearn_tui.report.sections import VERDICTS, metric_label
from unlearn_tui.report.text import number, safe
from unlearn_tui.state.labels import BACK
from unlearn_tui.state.matrices import Cell, Layer
from unlearn_tui.state.weights import Quantizer, WeightsState
from unlearn_tui.tui.draw import heatmap, octaves
from unlearn_tui.tui.draw.figures import count, percent, shade, small, value
from unlearn_tui.tui.lines import Line, beside, cell, fit, line, rule, wrap

WIDE = (130, 32)
QUANTIZERS = 2
"""Quantizers listed at a small size before other parts get their rows."""
NARROW_TABLE = 70
TABLE = 90
"""From these widths on the quantizers have all their measures, and their zero bins percentiles."""


def absent(why: str, width: int) -> list[Line]:
    """A screen without a map, and the reason."""
    return [[], *(line(f" {row}") for row in wrap(safe(why), max(width - 2, 1), 8))]


def draw(state: WeightsState, width: int, height: int) -> list[Line]:
    """At most `height` lines of at most `width` cells."""
    lines = _wide(state, width, height) if _is_wide(width, height) else _narrow(state, width, height)
    return [fit(row, width) for row in lines[:height]]


def _narrow(state: WeightsState, width: int, height: int) -> list[Line]:
    """One below the other; what does not fit gives way in the order of what explains least."""
    parts = _parts(state, width, height)
    lines = heatmap.draw(state, width, parts["map"])
    if parts["quantizers"]:
        lines += _quantizers(state, width, parts["quantizers"])
    if parts["by size"]:
        lines += octaves.tall(state, width, parts["by size"])
    lines += _matrix(state, width)[: parts["matrix"]]
    return [*lines, *_why(state, width, parts["why"])]


def _parts(state: WeightsState, width: int, height: int) -> dict[str, int]:
    """Rows of every part below one another."""
    low = height < 14
    rows = {
        "map": heatmap.FRAME + min(len(state.rows), 1 if low else 4),
        "why": min(len(_why(state, width, height)), 2 if low else 4 if state.ablated else 3),
        **dict.fromkeys(("by size", "quantizers", "matrix"), 0),
    }
    left = height - rows["map"] - rows["why"]

    def give(name: str, most: int) -> None:
        nonlocal left
        more = min(max(most - rows[name], 0), max(left, 0))
        rows[name], left = rows[name] + more, left - more

    whole = heatmap.FRAME + len(state.rows)
    if state.every or state.order != "layer":
        give("map", whole)
    if left >= octaves.COMPACT and octaves.fits(state, width):
        give("by size", octaves.COMPACT)
    if left >= 1 + min(len(state.quantizers), QUANTIZERS) and state.quantizers:
        give("quantizers", 1 + min(len(state.quantizers), QUANTIZERS))
    give("matrix", 0 if low else 1)
    give("map", whole)
    give("matrix", 2 if rows["matrix"] else 0)
    give("quantizers", 1 + len(state.quantizers) if rows["quantizers"] else 0)
    whole_why = len(_why(state, width))
    give("why", whole_why if whole_why <= rows["why"] + left else len(_why(state, width, whole_why - 1)))
    if rows["by size"] and left >= octaves.LOWEST:
        give("by size", octaves.TALLEST)
    return rows


def clicked(state: WeightsState, width: int, height: int, x: int, y: int) -> tuple[Layer, str] | None:
    """The cell of the map at that place of the screen."""
    if _is_wide(width, height):
        left = _left(width)
        return heatmap.clicked(state, left, _map_rows(state, height), x, y) if x < left else None
    rows = _parts(state, width, height)["map"]
    return heatmap.clicked(state, width, rows, x, y) if y < rows else None


def _is_wide(width: int, height: int) -> bool:
    return width >= WIDE[0] and height >= WIDE[1]


def _left(width: int) -> int:
    """Cells of the left pane, beside which the chosen matrix and the sentence stand."""
    return width - max(width * 3 // 8, 56) - 3


def _top(state: WeightsState, height: int) -> int:
    """Rows above the picture of change by size, which gives way where every layer is asked for."""
    top = height - min(max(height // 2 - 3, 16), octaves.TALLEST) - 1
    enough = heatmap.FRAME + len(state.rows) + len(state.quantizers) + 2
    return height if state.every and enough > top else top


def _map_rows(state: WeightsState, height: int) -> int:
    top = _top(state, height)
    quantizers = min(len(state.quantizers) + 2, max(top - 12, 4)) if state.quantizers else 0
    return min(len(state.rows) + heatmap.FRAME, top - quantizers)


def _wide(state: WeightsState, width: int, height: int) -> list[Line]:
    """The map and the quantizers left, the chosen matrix and why right; below, change by size over the whole width."""
    left_width = _left(width)
    right_width = width - left_width - 3
    top = _top(state, height)
    left = heatmap.draw(state, left_width, _map_rows(state, height))
    if state.quantizers:
        left += [[], *_quantizers(state, left_width, min(len(state.quantizers) + 1, top - len(left) - 1))]
    right = _matrix_table(state, right_width)
    if len(right) + 6 > top:
        right = _matrix_table(state, right_width, brief=True)
    right += [[], *_why(state, right_width, top - len(right) - 1)]
    upper = beside(left[:top], right[:top], left_width)
    below = height - len(upper) - 1
    return [*upper, [], *octaves.tall(state, width, below)] if top < height else upper


# -- quantizers --------------------------------------------------------------------------------------------------------


def _quantizers(state: WeightsState, width: int, height: int) -> list[Line]:
    """A head and one row a quantizer, those around the chosen one."""
    names = [q.precision for q in state.quantizers]
    at = names.index(state.precision) if state.precision in names else 0
    room = height - 1
    first = min(max(at - room // 2, 0), max(len(names) - room, 0))
    title = "quantizer" if len(names) <= room else f"quantizer {at + 1}/{len(names)}"
    foretold = any(q.says for q in state.quantizers)  # it has the place of what says least
    head = f"  {title:<15}   kept"
    if width >= NARROW_TABLE:
        third = "  expected" if foretold else "same value"
        head += f"  cosine  {third}  {'zero bin':<{24 if width >= TABLE else 9}}"
    lines: list[Line] = [line((f"{head}  verdict: {metric_label(state.metric)}", "dim"))]
    for q in state.quantizers[first : first + room]:
        chosen = q.precision == state.precision
        row = line(("▸ " if chosen else "  ", "accent"), *cell(safe(q.precision), 15, "accent" if chosen else ""))
        row += _kept(q.kept)
        if width >= NARROW_TABLE:
            row += line(f"{value('cosine', q.cosine):>7}")
            row += _foretold(q) if foretold else line(f"{_per_cent(q.same_value):>12}  ")
            row += cell(octaves.zero_bin(q.precision, q.zero_bin[1] if q.zero_bin else None), 9)
        if width >= TABLE:
            ends = q.zero_bin if octaves.zeroed(q.precision) else None
            row += cell(f"{small(ends[0])} – {small(ends[2])}" if ends else "", 15, "dim")
        lines.append([*row, ("  ", ""), *_verdict(q)])
    return lines


def _kept(amount: float | None) -> Line:
    """Eight cells: the number and its shade."""
    return line((f"  {value('kept', amount):>5}", "bold"), shade(amount) if amount is not None else " ")


def _foretold(q: Quantizer) -> Line:
    """Fourteen cells: what it was expected to keep, and whether that told what became of the answers."""
    sign = {"right": ("✓", "good"), "wrong": ("✗", "bad"), "undecided": ("?", "dim")}.get(q.foreseen, (" ", ""))
    return line((f"{value('kept', q.expected) if q.says else '':>10} ", ""), sign, "  ")


def _per_cent(amount: float | None) -> str:
    return "–  " if amount is None else f"{value('same_value', amount)} %"


def _verdict(q: Quantizer) -> Line:
    if not q.verdict:
        return line(("–", "dim"))
    said = VERDICTS.get(q.verdict, safe(q.verdict))
    if q.verdict in BACK:
        return line((f"▲ {said}", "bad"))
    return line((f"─ {said}", "good")) if q.verdict == "no" else line((f"? {said}", "dim"))


# -- the chosen matrix -------------------------------------------------------------------------------------------------


def _facts(state: WeightsState) -> list[str]:
    """Size, share changed, and how large the edit is beside the weights."""
    cell, members = state.cell, state.chosen()
    if cell is None:
        return ["this layer has no such matrix"]
    shapes = list(dict.fromkeys(m.shape for m in members))
    shape = " × ".join(map(str, shapes[0])) if len(shapes) == 1 and shapes[0] else ""
    facts = [
        f"{cell.matrices} matrices" if cell.matrices > 1 else "",
        shape,
        f"{count(cell.n)} weights" if cell.n and not shape else "",
    ]
    if cell.changed is not None:
        facts.append(f"{percent(cell.changed)} changed")
    sizes = [(m.edit_norm, m.target_norm) for m in members]
    edit = math.hypot(*(e for e, _ in sizes if e is not None))
    whole = math.hypot(*(t for _, t in sizes if t is not None))
    if whole > 0 and all(None not in pair for pair in sizes):
        facts.append(f"edit {percent(edit / whole)} of the norm")
    return [f for f in facts if f]


def _name(state: WeightsState) -> str:
    layer, column = state.cursor
    return safe(column) if layer is None else f"layer {layer} {safe(column)}"


def _matrix(state: WeightsState, width: int) -> list[Line]:
    """Two rows: which one, and what every quantizer keeps of its edit."""
    title = rule(f"{_name(state)} · {' · '.join(_facts(state))}", width)
    row = line((" kept ", "dim"))
    order = sorted(state.quantizers, key=lambda q: q.precision != state.precision)
    for q in order:
        found = state.sheets[q.precision].cells.get(state.cursor)
        if found is None:
            continue
        chosen = q.precision == state.precision
        row += line((f" {safe(q.precision)} ", "dim" if not chosen else ""), (value("kept", found.kept), "bold"))
        row += line((_spread(found, "kept"), "dim"), " ")
    return [title, row if state.quantizers else line((" no quantizer was asked for", "dim"))]


def _spread(found: Cell, measure: str) -> str:
    """(least–most) of several matrices in one cell."""
    if found.matrices < 2 or measure not in found.spread:
        return ""
    low, high = found.spread[measure]
    return f" ({value(measure, low)}–{value(measure, high)})"


def _matrix_table(state: WeightsState, width: int, brief: bool = False) -> list[Line]:
    """The chosen matrix with a row a quantizer."""
    members = state.chosen()
    full = safe(members[0].tensor) + (f" and {len(members) - 1} more" if len(members) > 1 else "") if members else ""
    lines = [rule(_name(state), width), cell(f" {full}", width, "dim")]
    lines += [line(f" {row}") for row in wrap(" · ".join(_facts(state)), width - 2, 2)]
    if not state.quantizers:
        return [*lines, line((" no quantizer was asked for", "dim"))]
    if brief:
        return [*lines, *_matrix(state, width)[1:]]
    last = "zero bin" if len(members) == 1 else "kept from–to"
    lines.append(line((f" {'':<15}   kept  cosine  same value  {last}", "dim")))
    for q in state.quantizers:
        found = state.sheets[q.precision].cells.get(state.cursor)
        if found is None:
            continue
        chosen = q.precision == state.precision
        row = line(("▸" if chosen else " ", "accent"), *cell(safe(q.precision), 15, "accent" if chosen else ""))
        row += _kept(found.kept)
        row += line(f"{value('cosine', found.cosine):>7}{_per_cent(found.same_value):>12}  ")
        one = members[0].precisions.get(q.precision) if len(members) == 1 else None
        row += line(octaves.zero_bin(q.precision, one.zero_bin_median) if one else _spread(found, "kept").strip())
        lines.append(row)
    return lines


# -- why ---------------------------------------------------------------------------------------------------------------


def _why(state: WeightsState, width: int, rows: int = 0) -> list[Line]:
    """The run's explaining sentence and the ablation that tests it; where they are longer than `rows`, only what they
    say of the chosen quantizer.
    """
    cells = max(width - 2, 1)
    made = wrap(" ".join(_sentences(state, state.explanation)), cells)
    if rows and len(made) > rows:
        made = wrap(" ".join(_sentences(state, focused(state.explanation, state.precision), brief=True)), cells, rows)
    return [line(f" {row}") for row in made]


def _sentences(state: WeightsState, explanation: str, brief: bool = False) -> list[str]:
    said = [safe(state.note)] if state.note else []
    if state.changed == 0 and state.outside > 0:
        said.append("None of these matrices changed: the edit is in tensors that no quantizer takes.")
    elif state.changed == 0:
        said.append("Both models have the same weights: there is no edit, and nothing to keep.")
    said.append(safe(explanation) or "The run's explanation follows once every precision is scored.")
    return [*said, *_ablation(state, brief)]


def focused(explanation: str, precision: str) -> str:
    """Where the edit is and what became of it at `precision`: the clauses of a sentence that names every quantizer."""
    where, *clauses = explanation.removesuffix(".").split("; ")
    own = [c for c in clauses if c.startswith(f"{precision} ")]
    return f"{'; '.join([where, *own])}." if own else explanation


def _ablation(state: WeightsState, brief: bool) -> list[str]:
    """What half of the edit does alone, at full precision and, unless `brief`, at the quantizer's."""
    halves = []
    for half in ("inside", "outside"):
        scores = [a for a in state.ablated if a.half == half and a.bins == state.precision]
        if scores:
            more = "" if brief else "".join(f" ({number(a.value)} at {safe(a.precision)})" for a in scores[1:])
            bins = "that zero bin" if octaves.zeroed(state.precision) else "its bin around zero"
            part = f"with only the part of the edit inside {bins}" if half == "inside" else "with only the rest"
            halves.append(f"{part}: {number(scores[0].value)}{more}")
    if not halves:
        return []
    at = next(a.precision for a in state.ablated if a.bins == state.precision)
    return [f"{metric_label(state.metric)} at {safe(at)} {'; '.join(halves)}."]
