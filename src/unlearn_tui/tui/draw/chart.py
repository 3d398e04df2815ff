"""Line charts of braille dots (or ASCII) that stay still while they grow: fixed x range, y range in round steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from unlearn_tui.report.text import cut, pad
from unlearn_tui.tui.lines import Line

LABEL = 6
"""Cells of a number on the y axis."""
DECADES = 4
"""Powers of ten that a logarithmic axis shows at most below its largest value."""
TINY, HUGE = 1e-30, 1e30
"""Below the one a value is drawn as zero, above the other as a gap."""
SPARK = "▁▂▃▄▅▆▇█"
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Braille's dots by column, from the top row down."""

Point = tuple[float, float | None]


@dataclass(frozen=True)
class Series:
    """Points in order of x. None, NaN, infinity and the like leave a gap, and so does an x that goes back.

    Where two series share a cell, the one that stands first gives its style. `dotted` tells it apart without colour.
    """

    points: Sequence[Point]
    style: str = ""
    dotted: bool = False


@dataclass(frozen=True)
class Scale:
    """The y axis: `place` maps a value to 0 (bottom) … 1 (top), `ticks` are the values to name, `note` says how."""

    place: Callable[[float], float]
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    note: str = ""


def chart(
    series: Sequence[Series],
    width: int,
    height: int,
    last: float,
    log: bool = False,
    ascii: bool = False,
    end: str = "",
) -> list[Line]:
    """`height` lines of `width` cells: labels, the plot from x = 0 to `last`, and the x axis with `end` at its end.

    Too small a place (less than 12 × 3) gives empty lines.
    """
    cells, rows = width - LABEL - 1, height - 1
    if cells < 5 or rows < 2:
        return [[] for _ in range(height)]
    across, up = (1, 1) if ascii else (2, 4)
    columns = [_columns(s.points, cells * across, last) for s in series]
    found = [y for part in columns for run in part for column in run for y in column[1:3]]
    scale = _scale(found, log, max(1, min(5, (rows + 1) // 2)))
    grid = [[0] * cells for _ in range(rows)]
    owner = [[-1] * cells for _ in range(rows)]
    high = rows * up - 1

    def dot(x: int, y: int, which: int) -> None:
        row, column = (high - y) // up, x // across
        grid[row][column] |= _DOTS[x % 2][(high - y) % 4] if not ascii else 1
        if owner[row][column] < 0:
            owner[row][column] = which

    for which, runs in enumerate(columns):
        for run in runs:
            for x, low, top in _trace(run, lambda value: round(scale.place(value) * high)):
                if series[which].dotted:
                    if x % (2 * across) == 0:
                        dot(x, top, which)
                else:
                    for y in range(low, top + 1):
                        dot(x, y, which)
    named = {
        (high - round(scale.place(tick) * high)) // up: text
        for tick, text in zip(scale.ticks, scale.labels, strict=True)
    }
    lines: list[Line] = []
    for row in range(rows):
        text = named.get(row)
        line: Line = [(pad(text or "", LABEL, right=True) + ("┤" if text else "│"), "dim")]
        lines.append(line + _painted(grid[row], owner[row], series, ascii))
    return [*lines, [(_x_axis(cells, end, scale.note), "dim")]]


def _painted(row: list[int], owner: list[int], series: Sequence[Series], ascii: bool) -> Line:
    line: Line = []
    text, style = "", ""
    for bits, which in zip(row, owner, strict=True):
        own = series[which].style if which >= 0 else style
        if own != style:
            if text:
                line.append((text, style))
            text, style = "", own
        if not bits:
            text += " "
        elif ascii:
            text += "." if series[which].dotted else "*"
        else:
            text += chr(0x2800 + bits)
    return [*line, (text, style)]


def _x_axis(cells: int, end: str, note: str) -> str:
    tail = f" {end}" if end else ""
    head = f"└─ {note} " if note else "└"
    body = head + "─" * (cells + 1 - len(head) - len(tail)) + tail
    return " " * LABEL + cut(body, cells + 1)


def _columns(points: Sequence[Point], across: int, last: float) -> list[list[tuple[int, float, float, float, float]]]:
    """Unbroken runs of (column, lowest, highest, first, last value in it)."""
    runs: list[list[tuple[int, float, float, float, float]]] = []
    run: list[tuple[int, float, float, float, float]] = []
    factor = (across - 1) / last if last > TINY else 0.0
    at, low, high, first, newest = -1, 0.0, 0.0, 0.0, 0.0

    def close() -> None:
        if at >= 0:
            run.append((at, low, high, first, newest))

    for x, y in points:
        if y is None or not -HUGE < y < HUGE:  # NaN compares false
            close()
            if run:
                runs.append(run)
            at, run = -1, []
            continue
        if -TINY < y < TINY:
            y = 0.0
        column = int(x * factor + 0.5)
        if column == at:
            newest = y
            if y < low:
                low = y
            elif y > high:
                high = y
            continue
        column = min(max(column, 0), across - 1)
        close()
        if column < at:
            runs.append(run)
            run = []
        at, low, high, first, newest = column, y, y, y, y
    close()
    return [*runs, run] if run else runs


def _trace(
    run: list[tuple[int, float, float, float, float]], place: Callable[[float], int]
) -> Iterable[tuple[int, int, int]]:
    """(x, lowest dot, highest dot) of every column that a run crosses, without holes."""
    spans: dict[int, tuple[int, int]] = {}
    for x, low, high, _, _ in run:
        spans[x] = (place(low), place(high))
    for (x0, _, _, _, a), (x1, _, _, b, _) in pairwise(run):
        y0, y1 = place(a), place(b)
        before = y0
        for x in range(x0 + 1, x1 + 1):
            y = y0 + round((y1 - y0) * (x - x0) / (x1 - x0))
            # a steep piece fills its column from next to the last dot on
            start = before + (y > before) - (y < before)
            low, high = min(start, y), max(start, y)
            if x in spans:
                low, high = min(low, spans[x][0]), max(high, spans[x][1])
            spans[x] = (low, high)
            before = y
    return ((x, low, high) for x, (low, high) in spans.items())


def _scale(values: list[float], log: bool, intervals: int) -> Scale:
    if log:
        return _log_scale(values, intervals)
    low, high = min(values, default=0.0), max(values, default=1.0)
    # zero belongs to a loss and to a norm, and it holds the picture still
    low, high = min(low, 0.0), max(high, 0.0)
    step = nice((high - low) / intervals or 1.0)
    while math.ceil(high / step - 1e-9) - math.floor(low / step + 1e-9) > intervals:
        step = nice(step * 1.01)
    first, past = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if past == first:
        past += 1
    bottom, span = first * step, (past - first) * step
    ticks = tuple(i * step for i in range(first, past + 1))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return Scale(lambda y: (y - bottom) / span, ticks, tuple(label(t, decimals) for t in ticks))


def _log_scale(values: list[float], intervals: int) -> Scale:
    """Decades where all is above zero, else symlog: linear near zero, decades on both sides. What is clipped is said."""
    largest = max((abs(v) for v in values), default=1.0) or 1.0
    top = math.ceil(math.log10(largest) - 1e-9)
    if values and min(values) > 0:
        bottom = max(math.floor(math.log10(min(values)) + 1e-9), top - DECADES)
        bottom = min(bottom, top - 1)
        floor = 10.0**bottom
        step = -(-(top - bottom) // intervals)
        powers = range(bottom, top + 1, step)
        note = "log, clipped below" if min(values) < floor else "log"
        return Scale(
            lambda y: min(max((math.log10(max(y, floor)) - bottom) / (top - bottom), 0.0), 1.0),
            tuple(10.0**p for p in powers),
            tuple(_power(p) for p in powers),
            note,
        )
    unit = 10.0 ** (top - 2)

    def bend(y: float) -> float:
        return math.copysign(math.log10(1 + abs(y) / unit), y)

    low = bend(-(10.0**top)) if values and min(values) < 0 else 0.0
    high = bend(10.0**top) if not values or max(values) > unit / 10 else bend(unit)
    ticks = [10.0**p for p in range(top - 2, top + 1)]
    ticks = sorted({0.0, *(t for t in ticks if bend(t) <= high), *(-t for t in ticks if bend(-t) >= low)})
    return Scale(
        lambda y: min(max((bend(y) - low) / (high - low), 0.0), 1.0),
        tuple(ticks),
        tuple(label(t, 0) if abs(t) >= 1 or not t else label(t, -math.floor(math.log10(abs(t)) + 1e-9)) for t in ticks),
        "symlog",
    )


def nice(value: float) -> float:
    """The smallest 1, 2 or 5 times a power of ten that is not below `value` (> 0)."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= value * (1 - 1e-9))


def label(value: float, decimals: int) -> str:
    """A number in at most LABEL cells."""
    text = f"{value + 0.0:.{decimals}f}"  # + 0.0: no minus before zero
    if len(text) <= LABEL:
        return text
    return _short(f"{value:.0e}") if len(_short(f"{value:.1e}")) > LABEL else _short(f"{value:.1e}")


def _power(exponent: int) -> str:
    return label(10.0**exponent, max(-exponent, 0)) if -4 <= exponent <= 5 else f"1e{exponent}"


def _short(text: str) -> str:
    """1.2e+05 as 1.2e5."""
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}"


def spark(values: Sequence[float | None], cells: int, low: float | None = None, high: float | None = None) -> str:
    """`values` in one row of exactly `cells` cells, the last of them if there are more; gaps where there is no number.

    The range is that of the values where `low` or `high` is not given.
    """
    shown = [v if v is not None and math.isfinite(v) else None for v in values[-cells:]] if cells > 0 else []
    known = [v for v in shown if v is not None]
    bottom = low if low is not None else min(known, default=0.0)
    top = high if high is not None else max(known, default=1.0)
    span = top - bottom or 1.0
    signs = (
        " " if v is None else SPARK[min(max(int((v - bottom) / span * len(SPARK)), 0), len(SPARK) - 1)] for v in shown
    )
    return "".join(signs).ljust(max(cells, 0))


def binned(points: Iterable[Point], cells: int, last: float) -> list[float | None]:
    """For a spark over the whole of x = 0 … `last`: the newest value in each of `cells` bins, up to the newest point."""
    bins: list[float | None] = [None] * max(cells, 0)
    newest = -1
    factor = cells / last if last > TINY else 0.0
    for x, y in points:
        if y is not None and cells > 0 and -HUGE < y < HUGE:
            at = int(x * factor)
            newest = at if 0 <= at < cells else cells - 1 if at > 0 else 0
            bins[newest] = y
    for i in range(1, newest):  # a bin that no point fell into goes on as the one before
        if bins[i] is None:
            bins[i] = bins[i - 1]
    return bins
