"""Layers by modules, a number and a shade in every cell: what a quantizer keeps of the edit."""

from __future__ import annotations

from rich.cells import cell_len

from unlearn_tui.report.text import safe
from unlearn_tui.state.matrices import Cell, Layer
from unlearn_tui.state.weights import WeightsState, visible
from unlearn_tui.tui.draw.figures import shade, short, value
from unlearn_tui.tui.lines import Line, bar, cell, fit, line, rule, under

LAYER = 6
"""Cells of the layer column."""
NARROWEST = 8
WIDEST = 12
"""Cells of a module's column."""
FRAME = 3
"""Rows beside the layers: title, names, all layers."""

TITLES = {
    "kept": "kept: how much of the edit survives {}, 1 = all",
    "same_value": "same value: weights that {} rounds as before, %",
    "cosine": "cosine: is the edit's direction the same after {}?",
    "changed": "changed: weights that unlearning moved at all, %",
}
BRIEF = {"kept": "kept by {}", "same_value": "same value, {}, %", "cosine": "cosine, {}", "changed": "changed, %"}
"""Titles where there is no room for more."""


def draw(state: WeightsState, width: int, height: int) -> list[Line]:
    """At most `height` rows: a title, the modules' names, the layers (or some of them), all layers together."""
    rows = visible(state, height - FRAME)
    columns, cells, wide = _columns(state, width)
    head = cell(" layer", LAYER, "dim")
    long = any(len(name) >= cells for name in columns)
    for name in columns:
        said = short(name.removesuffix("_proj") if long else name, cells - 1)
        head += cell(said, cells, "accent" if name == state.cursor[1] else "dim", right=True)
    head += cell("all" if len(columns) == len(state.grid.columns) else "‹ › all", cells, "dim", right=True)
    lines = [_title(state, width, len(rows)), head]
    for layer in rows:
        name = "-" if layer is None else str(layer)
        row = cell(f"{name:>5} ", LAYER, "accent" if layer == state.cursor[0] else "")
        for column in columns:
            here = (layer, column) == state.cursor
            row += _cell(state, state.sheet.cells.get((layer, column)), cells, here)
        row += _cell(state, state.sheet.layers[layer], cells)
        if wide:
            row += line("  ", (bar(_height(state, state.sheet.layers[layer]), wide), "dim"))
        lines.append(row)
    last = cell("  all ", LAYER)
    for column in columns:
        last += _cell(state, state.sheet.columns[column], cells)
    lines.append(under([*last, *_cell(state, state.sheet.total, cells)], "bold"))
    return lines[: max(height, 0)]


def _title(state: WeightsState, width: int, shown: int) -> Line:
    if state.expected:
        end = f"so far {len(state.matrices)} of {state.expected} matrices"
    elif shown < len(state.rows):
        end = f"{shown} of {len(state.rows)} layers"
    else:
        low, high = _scale(state)
        end = f"▁ {value(state.measure, low)} █ {value(state.measure, high)}"
    measure = "kept" if state.sheet.total.kept is not None else "changed"
    order = f", least {measure} first" if state.order == "least" else ""
    name = safe(state.precision) or "quantizing"
    title = TITLES[state.measure].format(name) + order
    if cell_len(title) + cell_len(end) + 8 > width:
        title = BRIEF[state.measure].format(name) + order
    return rule(title, width, end)


def _columns(state: WeightsState, width: int) -> tuple[tuple[str, ...], int, int]:
    """The modules around the cursor that fit, the cells of each, and those of a bar behind each row (0: none)."""
    names = state.grid.columns
    room = width - LAYER
    fits = max(room // NARROWEST - 1, 1)
    if len(names) > fits:
        at = names.index(state.cursor[1])
        first = min(max(at - fits // 2, 0), len(names) - fits)
        names = names[first : first + fits]
    cells = max(min(room // (len(names) + 1), WIDEST), 1)
    spare = room - cells * (len(names) + 1)
    return names, cells, min(spare - 3, 20) if spare >= 9 and width >= 90 else 0


def _scale(state: WeightsState) -> tuple[float, float]:
    """Ends of the shades: 0 and 1, or the least and the most seen where all lie close together."""
    if state.measure in ("kept", "cosine"):
        return 0.0, 1.0
    return state.sheet.total.spread.get(state.measure, (0.0, 1.0))


def _height(state: WeightsState, found: Cell) -> float:
    """Where a cell stands between the ends of the scale."""
    low, high = _scale(state)
    amount = found.measure(state.measure)
    if amount is None or amount != amount:
        return 0.0
    return (amount - low) / (high - low) if high > low else 0.5


def _cell(state: WeightsState, found: Cell | None, cells: int, here: bool = False) -> Line:
    amount = found.measure(state.measure) if found else None
    share = _height(state, found) if found else 0.0
    sign = " " if amount is None else shade(share)
    style = ""
    if state.measure in ("kept", "cosine") and amount is not None:
        style = "hot" if share < 1 / 3 else ("cool" if share > 2 / 3 else "")
    made = f"{'▸' if here else ' '}{value(state.measure, amount)}{sign}"
    return fit([(made, f"{style} cursor".strip() if here else style)], cells, right=True)


def clicked(state: WeightsState, width: int, height: int, x: int, y: int) -> tuple[Layer, str] | None:
    """The cell drawn there by `draw` with the same width and height."""
    rows = visible(state, height - FRAME)
    columns, cells, _ = _columns(state, width)
    row, column = y - 2, (x - LAYER) // cells
    if 0 <= row < len(rows) and x >= LAYER and column < len(columns):
        return rows[row], columns[column]
    return None
