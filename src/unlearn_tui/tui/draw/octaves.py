"""Change by size of weight: octaves of |w| from left to right, the freeze line and the zero bin drawn on the same axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from unlearn_tui import catalog
from unlearn_tui.report.text import safe
from unlearn_tui.state.matrices import Bin
from unlearn_tui.state.weights import WeightsState
from unlearn_tui.tui.draw.figures import SHADES, count, percent, shade, share, short, small
from unlearn_tui.tui.lines import Line, cell, fit, line, rule

LABEL = 10
"""Cells of the row names."""
NARROWEST = 5
"""Cells of a bin."""
COMPACT = 7
"""Rows of `compact`."""
TALLEST = 26
LOWEST = 4
"""Rows of the lowest bars with the line under them."""


@dataclass(frozen=True)
class Axis:
    """|w| on a logarithmic scale: every bin `cells` wide, its last cell a gap in which lines can stand."""

    bins: Sequence[Bin]
    cells: int

    @property
    def end(self) -> int:
        """One past the last cell."""
        return LABEL + self.cells * len(self.bins)

    def at(self, value: float) -> int:
        """The cell of a line at |w| = `value`, clamped to the axis."""
        first = self.bins[0]
        origin = first.high - 1 if first.low is None else first.low
        x = LABEL + round((math.log2(value) - origin) * self.cells) - 1 if value > 0 else LABEL
        return min(max(x, LABEL), self.end - 1)


def axis(state: WeightsState, width: int) -> Axis:
    """As wide as `width` allows, at most 13 cells a bin."""
    return Axis(state.bins, min(max((width - LABEL) // len(state.bins), 1), 13))


def fits(state: WeightsState, width: int) -> bool:
    """Whether numbers can be told in bins so narrow."""
    return not state.bins or (width - LABEL) // len(state.bins) >= NARROWEST


def compact(state: WeightsState, width: int) -> list[Line]:
    """COMPACT rows: how many weights, what share of them changed, here and everywhere, and the two lines."""
    if not state.bins:
        return [_title(state, width), line((" not known before every matrix is compared", "dim"))]
    scale = axis(state, width)
    return [_title(state, width), *_numbers(state, scale), *_spans(state, scale, width)]


def tall(state: WeightsState, width: int, height: int) -> list[Line]:
    """The same in at most `height` rows, with bars above the numbers where that leaves LOWEST rows for them."""
    if not state.bins or height < COMPACT + LOWEST:
        return compact(state, width)
    scale = axis(state, width)
    rows = min(height, TALLEST) - COMPACT - 1
    said = "█ share that changed   ░ how many weights there are" if width >= 96 else "█ changed  ░ how many there are"
    title = _title(state, width, said)
    floor = line(" " * (LABEL - 1), ("└" + "─" * (scale.end - LABEL), "rule"))
    return [title, *_bars(state, scale, rows), floor, *_numbers(state, scale), *_spans(state, scale, width)]


def _title(state: WeightsState, width: int, end: str = "") -> Line:
    changed = "" if state.changed is None else f" · {percent(state.changed)} changed"
    return rule(f"weights by size |w|{changed}", width, end)


def _numbers(state: WeightsState, scale: Axis) -> list[Line]:
    wide = scale.cells >= 6
    most = max((b.n for b in scale.bins), default=1) or 1
    names = [("0" if b.low is None else f"2^{b.low}" if wide else str(b.low)) for b in scale.bins]
    from_ = "|w| from" if wide else "|w| 2^"
    layer = "" if state.cursor[0] is None else f"{state.cursor[0]} "
    room = LABEL - 2 - len(layer)
    module = state.cursor[1]
    here = layer + short(module if len(module) <= room else module.removesuffix("_proj"), room)
    rows = [
        _row(scale, from_, [(name, "") for name in names], "dim"),
        _row(scale, "weights", [(count(b.n), shade(b.n / most)) for b in scale.bins], "dim"),
        _row(scale, "changed", [(share(b.changed), _bar(b.changed)) for b in scale.bins], ""),
        _row(scale, here, [(share(s), _bar(s)) for s in state.here], "accent"),
    ]
    return [_ruled(state, scale, row) for row in rows]


def _bar(changed: float | None) -> str:
    return shade(changed) if changed else " "


def _row(scale: Axis, name: str, values: Sequence[tuple[str, str]], style: str) -> Line:
    made = [*cell(f" {safe(name)}", LABEL - 1, "dim" if style != "accent" else style), (" ", "")]
    for number, sign in values:
        sign = sign if scale.cells >= 6 else ""
        made += fit([(f"{number}{sign}", style)], scale.cells - 1)
        made.append((" ", ""))
    return made


def _ruled(state: WeightsState, scale: Axis, row: Line) -> Line:
    """The row with the freeze lines in the gaps between bins."""
    lines = {scale.at(v): sign for v, sign in ((state.effective, "│"), (state.nominal, "┃")) if v}
    return _overlaid(row, {x: (sign, "accent") for x, sign in lines.items()})


def _overlaid(row: Line, signs: dict[int, tuple[str, str]]) -> Line:
    """`row` (one cell a character) with other signs where it is empty."""
    cells = [(char, style) for text, style in row for char in text]
    for x, sign in signs.items():
        if x < len(cells) and cells[x][0] == " ":
            cells[x] = sign
    made: Line = []
    for char, style in cells:
        if made and made[-1][1] == style:
            made[-1] = (made[-1][0] + char, style)
        else:
            made.append((char, style))
    return made


def _bars(state: WeightsState, scale: Axis, rows: int) -> list[Line]:
    most = max((b.n for b in scale.bins), default=1) or 1
    half = max((scale.cells - 3) // 2, 1)
    marks = {scale.at(v): (sign, "accent") for v, sign in ((state.effective, "│"), (state.nominal, "┃")) if v}
    if (q := state.quantizer) and q.zero_bin and q.zero_bin[1] > 0 and zeroed(q.precision):
        marks.setdefault(scale.at(q.zero_bin[1]), ("┆", "warn"))
    made = []
    for y in range(rows):
        ground = rows - 1 - y
        name = {0: "100 %", rows // 2: "50 %" if rows % 2 == 0 else ""}.get(y, "")
        row = line(*fit([(name, "dim")], LABEL - 2, right=True), (" ┤" if name else " │", "rule"))
        for b in scale.bins:
            row.append((_level(b.changed * rows - ground, "█") * half, "accent"))
            row.append((_level(b.n / most * rows - ground, "░") * half, "dim"))
            row.append((" " * (scale.cells - 2 * half), ""))
        made.append(_overlaid(row, marks))
    return made


def _level(filled: float, full: str) -> str:
    """One cell of a bar, `filled` of it (below 0: nothing, above 1: all)."""
    if filled >= 1:
        return full
    return SHADES[int(filled * 8)] if filled >= 1 / 16 else " "


# -- the two lines -----------------------------------------------------------------------------------------------------


def _spans(state: WeightsState, scale: Axis, width: int) -> list[Line]:
    return [_freeze(state, scale, width), _zero_bin(state, scale, width)]


def _freeze(state: WeightsState, scale: Axis, width: int) -> Line:
    nominal, effective = state.nominal, state.effective
    ends = [(v, sign) for v, sign in ((nominal, "┃"), (effective, "│")) if v]
    if not state.settled:
        return [*cell(" moved", LABEL, "dim"), *line(("the freeze line is drawn once the run has its result", "dim"))]
    if not ends:
        why = {
            "fp32": "fp32 weights take every step",
            "bf16-stochastic": "rounding at random moves weights of any size",
        }
        said = why.get(state.mode, "in no octave at least half of the weights changed")
        return [*cell(" moved", LABEL, "dim"), *line((f"no freeze line: {said}", "accent"))]
    if nominal:
        inside = ["a bf16 step of size lr moves only these", "bf16 moves these by lr", "lr moves these"]
        after = [f"┃ {small(nominal)} by learning rate"]
        if effective:
            shorter = f"┃ {small(nominal)} by lr, │ {small(effective)} measured"
            long = f"┃ freeze line {small(nominal)} by learning rate, │ {small(effective)} measured"
            after = [f"{long}: most below it changed", long, shorter]
    else:
        assert effective is not None
        inside = ["most weights left of this line changed", "most of these changed"]
        if state.mode:
            inside.insert(0, "most weights left of this line changed; this update mode has no freeze line")
        after = [f"│ {small(effective)} measured"]
    at = {scale.at(v): sign for v, sign in reversed(ends)}
    return _span(scale, " moved", at, inside, after, "accent", width)


def _zero_bin(state: WeightsState, scale: Axis, width: int) -> Line:
    q = state.quantizer
    if q is None or q.zero_bin is None or not q.zero_bin[1] > 0:
        said = "zero bins are known once every matrix is compared" if q else "no quantizer was asked for"
        return [*cell(" zeroed", LABEL, "dim"), *line((said, "dim"))]
    low, median, high = q.zero_bin
    name, zero = safe(q.precision), zeroed(q.precision)
    if not zero:
        return [*cell(" zeroed", LABEL, "dim"), *line((f"{name} has no level at zero, and so no zero bin", "accent"))]
    spread = 0 < low < high
    # the filled part ends at the 10th percentile of the blocks' bins, else at the median
    often = " in 9 of 10 blocks" if spread else "" if low == high else " in half of the blocks"
    inside = [
        f"{name} rounds these to {zero}{often}",
        f"{name} rounds these to {zero}",
        f"{name} makes these {zero}",
        f"{zero} in {name}",
    ]
    after = [
        f"┃ zero bin ±{small(median)} in the middle block, {small(low)} – {small(high)} in 80 % of blocks",
        f"┃ zero bin ±{small(median)} ({small(low)} – {small(high)})",
        f"┃ ±{small(median)} ({small(low)} – {small(high)})",
        f"┃ ±{small(median)}",
    ]
    at = {scale.at(low): "├", scale.at(high): "┤"} if spread else {}
    return _span(scale, " zeroed", at | {scale.at(median): "┃"}, inside, after, "warn", width)


def zeroed(precision: str) -> str:
    """What a quantizer makes of the weights in its zero bin; "" where it has none."""
    found = catalog.find_precision(precision)
    return found.zero if found else "zero"


def zero_bin(precision: str, median: float | None) -> str:
    """±0.0053; none where the quantizer has no level at zero; – where it is not known."""
    if not zeroed(precision):
        return "none"
    return "–" if median is None else f"±{small(median)}"


def _span(
    scale: Axis, name: str, signs: dict[int, str], inside: list[str], after: list[str], style: str, width: int
) -> Line:
    """━━ inside ━━┃──┤  after: filled up to the first sign, thin between the first and the last."""
    first, last = min(signs), max(signs)
    bar = "".join(signs.get(x, "━" if x < first else "─") for x in range(LABEL, last + 1))
    room = first - LABEL - 4
    said = next((t for t in inside if len(t) <= room), "")
    if said:
        bar = f"━ {said} " + bar[len(said) + 3 :]
    rest = width - last - 3
    told = after if said else [f"{number}: {what}" for what in inside for number in reversed(after)] + after
    tail = next((t for t in told if len(t) <= rest), "")
    return [*cell(name, LABEL, "dim"), (bar, style), *line((f"  {tail}", "dim" if said else ""))]
