"""Pictures of a run as inline SVG, WIDTH units wide: bars with intervals, curves over steps, the edit by size of weight.

Colours are classes (page.css gives them one for light and one for dark), every value is also written as a number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from unlearn_tui.report.elements import Html, el, join, text
from unlearn_tui.report.text import cut, number
from unlearn_tui.state.matrices import Bin

WIDTH = 360
"""Units of every picture: as wide as a phone, so that letters are as large there as around it."""
_LEFT, _RIGHT = 34, WIDTH - 8
"""Of the frame of a chart with an axis; a row of bars is as wide as the picture."""
_FULL = WIDTH - 52
"""Units of a bar at its most: a number stands behind it."""


@dataclass(frozen=True)
class Bar:
    """One row: `value` out of `most`, with an interval where there is one. `kind` names its colour."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    kind: str = "plain"
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """Points (x, y) under one name; `kind` names colour and stroke, `dots` marks each point."""

    name: str
    points: Sequence[tuple[float, float]]
    kind: str
    dots: bool = False


def bars(title: str, rows: Sequence[Bar], most: float = 100.0, form: str = ".1f", mark: float | None = None) -> Html:
    """Rows of bars, each under its label, the interval as a thin line over its end, a line all along at `mark`."""
    high = 34
    parts: list[Html] = []
    if mark is not None:
        x = _FULL * _share(mark, most)
        parts.append(el("line", class_="grid", x1=x, x2=x, y1=0, y2=high * len(rows)))
    for i, row in enumerate(rows):
        y = i * high
        parts.append(_words(row.label, 0, y + 12))
        if row.note:
            parts.append(_words(row.note, WIDTH, y + 12, f"end {row.kind}"))
        parts.append(el("rect", class_="track", x=0, y=y + 17, width=_FULL, height=9, rx=2))
        if row.value is not None:
            parts.append(
                el(
                    "rect",
                    class_=f"bar {row.kind}",
                    x=0,
                    y=y + 17,
                    width=_FULL * _share(row.value, most),
                    height=9,
                    rx=2,
                )
            )
        if row.low is not None and row.high is not None and row.high > row.low:
            a, b = (_FULL * _share(v, most) for v in (row.low, row.high))
            middle = y + 21.5
            parts.append(
                el("path", class_="whisker", d=f"M{a:.1f} {middle}H{b:.1f}M{a:.1f} {y + 18}v7M{b:.1f} {y + 18}v7")
            )
        parts.append(_words(number(row.value, form), WIDTH, y + 26, "end strong"))
    return _svg(title, high * len(rows), parts)


def curves(
    title: str, series: Sequence[Curve], unit: str = "", low: float | None = None, high: float | None = None
) -> Html:
    """Curves over steps on one frame, y from `low` to `high` (where not given: what the points need)."""
    found = [(c, [(x, y) for x, y in c.points if math.isfinite(x) and math.isfinite(y)]) for c in series]
    every = [point for _, points in found for point in points]
    if not every:
        return Html("")
    first, last = min(x for x, _ in every), max(x for x, _ in every)
    bottom = min(y for _, y in every) if low is None else low
    top = max(y for _, y in every) if high is None else high
    marks = ticks(bottom, top)
    bottom, top = min(bottom, marks[0]), max(top, marks[-1])
    over, under = 8.0, 150.0

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / (last - first) if last > first else 0.5
        up = (y - bottom) / (top - bottom) if top > bottom else 0.5
        return _LEFT + across * (_RIGHT - _LEFT), under - min(max(up, 0.0), 1.0) * (under - over)

    parts: list[Html] = []
    for mark in marks:
        y = at(first, mark)[1]
        parts.append(el("line", class_="grid", x1=_LEFT, x2=_RIGHT, y1=y, y2=y))
        parts.append(_words(f"{mark:g}{unit}", _LEFT - 5, y + 4, "end dim"))
    for x, anchor in ((first, ""), (last, " end")):
        parts.append(_words(f"step {x:g}", at(x, bottom)[0], under + 16, f"dim{anchor}"))
    for curve, points in found:
        placed = [at(x, y) for x, y in points]
        if len(placed) > 1:
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)
            parts.append(el("path", class_=f"curve {curve.kind}", d=path))
        if curve.dots or len(placed) == 1:
            parts += [el("circle", class_=f"dot {curve.kind}", cx=x, cy=y, r=2.6) for x, y in placed]
    return _svg(title, 170, parts)


def key(series: Sequence[Curve]) -> Html:
    """Which stroke is which curve, with its last value."""
    rows = []
    for curve in series:
        swatch = el(
            "svg",
            el("path", class_=f"curve {curve.kind}", d="M0 5H22"),
            viewBox="0 0 22 10",
            width=22,
            height=10,
            aria_hidden="true",
        )
        rows.append(el("span", swatch, " ", curve.name, class_="key"))
    return el("p", *rows, class_="keys")


@dataclass(frozen=True)
class Span:
    """From zero to |w| = `end` on the axis of sizes: what a quantizer makes (almost) zero, or what a step can move."""

    label: str
    end: float
    kind: str


def sizes(title: str, bins: Sequence[Bin], spans: Sequence[Span], line: float | None) -> Html:
    """Weights by size: how many there are (pale) and what share of them changed; `spans` below on the same axis.

    `line`: the size up to which most weights changed, drawn through the bars.
    """
    if not bins:
        return Html("")
    top, under, each = 28.0, 140.0, 26
    left, width = 4.0, (WIDTH - 8.0) / len(bins)
    most = max(b.n for b in bins) or 1
    origin = bins[0].low if bins[0].low is not None else bins[0].high - 1

    def at(size: float) -> float:
        across = (math.log2(size) - origin) * width if size > 0 and math.isfinite(size) else 0.0
        return left + min(max(across, 0.0), width * len(bins))

    parts: list[Html] = []
    for i, bin in enumerate(bins):
        x = left + i * width
        for height, kind, inset in ((bin.n / most, "track", 0.5), (bin.changed, "bar edit", width * 0.22)):
            tall = min(max(height, 0.0), 1.0) * (under - top)
            parts.append(el("rect", class_=kind, x=x + inset, y=under - tall, width=width - 2 * inset, height=tall))
        if bin.changed > 0:
            said = f"{100 * bin.changed:.0f}" if bin.changed >= 0.0095 else "<1"
            parts.append(_words(said, x + width / 2, under - min(bin.changed, 1.0) * (under - top) - 4, "middle small"))
        if i % (2 if len(bins) > 8 else 1) == len(bins) % 2:
            name = "0" if bin.low is None else f"2{_raised(bin.low)}"
            parts.append(_words(name, x, under + 14, "middle dim small" if i else "dim small"))
    if line:
        x = at(line)
        parts.append(el("line", class_="line", x1=x, x2=x, y1=2, y2=under))
        said, right = f"most below {line:.2g} changed", x > WIDTH / 2
        parts.append(_words(said, x + (-5 if right else 5), 10, "end small" if right else "small"))
    for i, span in enumerate(spans):
        y = under + 26 + i * each
        parts.append(
            el("rect", class_=f"bar {span.kind}", x=left, y=y, width=max(at(span.end) - left, 1.0), height=6, rx=2)
        )
        parts.append(_words(span.label, left, y + 17, f"small {span.kind}"))
    return _svg(title, under + 22 + each * len(spans), parts)


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`, about so many steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return [low]
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _raised(n: int) -> str:
    return str(n).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _share(value: float, most: float) -> float:
    return min(max(value / most, 0.0), 1.0) if math.isfinite(value) and most > 0 else 0.0


def _words(said: str, x: float, y: float, kind: str = "") -> Html:
    return el("text", cut(said, 60 if "small" in kind else 52), x=float(x), y=float(y), class_=kind or None)


def _svg(title: str, height: float, parts: Sequence[Html]) -> Html:
    inside = join(el("title", title), *parts)
    return el("svg", inside, viewBox=Html(f"0 0 {WIDTH} {height:.0f}"), role="img", aria_label=text(title))
