"""The recovery map as grids of text, as plain values, and as a picture that needs nothing else."""

from __future__ import annotations

from unlearn_tui.report.elements import Html, el, join
from unlearn_tui.report.sections import Grid, metric_label, precision_label
from unlearn_tui.report.text import cut, number, safe
from unlearn_tui.state.recovery_map import RATINGS, Panel, Point, RecoveryMap
from unlearn_tui.state.setup import as_text

EXPECTED = {"returns": "↑", "stays": "↓", "unsure": "?"}
"""Signs of what was expected before training."""
LEGEND = (
    "share of the target's score at that precision; expected before training: ↑ returns, ↓ stays away, ? unsure; "
    "≠ was wrong"
)


def name(panel: Panel) -> str:
    """bf16 · ga_klr."""
    return " · ".join(safe(as_text(v)) or f"no {k}" for k, v in panel.values.items()) or "all"


def cell(point: Point | None) -> str:
    """0.97 ↑, or 0.97 ↓≠ where the expectation was wrong."""
    if point is None or point.share is None:
        return "–"
    sign = EXPECTED.get(point.expected, "")
    return f"{number(point.share.mean, '.2f')} {sign}{'≠' if point.wrong else ''}".rstrip()


def grids(found: RecoveryMap) -> list[Grid]:
    """A grid a panel: quantizers down, learning rates across."""
    head = ("", *(f"lr {as_text(rate)}" for rate in found.rates))
    made = []
    for i, panel in enumerate(found.panels):
        rows = [
            (precision_label(p), *(cell(panel.points.get((p, rate))) for rate in found.rates)) for p in panel.precisions
        ]
        last = i == len(found.panels) - 1
        made.append(Grid(f"{metric_label(found.metric)}: {name(panel)}", head, rows, note=LEGEND if last else ""))
    return made


def counted(found: RecoveryMap) -> str:
    """How the predictions fared: 5 right, 1 wrong, 2 undecided, 0 cannot tell."""
    return "predictions: " + ", ".join(f"{found.ratings[rating]} {rating}" for rating in RATINGS)


_LEFT, _WIDE, _HIGH, _TOP = 110, 74, 30, 46
_STYLE = """
svg { background: #ffffff; font-family: system-ui, sans-serif; }
text { font-size: 12px; fill: #1f2328; } .title { font-size: 14px; font-weight: 600; } .dim { fill: #59636e; }
.middle { text-anchor: middle; } .end { text-anchor: end; } .field { fill: #b3261e; stroke: #d1d9e0; }
.none { fill: #f6f8fa; stroke: #d1d9e0; } .wrong { fill: none; stroke: #1f2328; stroke-width: 2.5; }
"""


def svg(found: RecoveryMap) -> str:
    """One picture: a block of fields a panel, darker where more came back; a frame where the expectation was wrong."""
    width = _LEFT + _WIDE * max(len(found.rates), 1) + 20
    width = max(width, 520)
    parts: list[Html] = [el("style", Html(_STYLE)), el("title", f"Recovery map of {found.sweep}")]
    parts.append(_text(f"What came back: {metric_label(found.metric)}, {safe(found.sweep)}", 10, 20, "title"))
    y = 34.0
    for panel in found.panels:
        parts += _block(found, panel, y)
        y += _TOP + _HIGH * len(panel.precisions)
    for i, line in enumerate((*LEGEND.split("; "), counted(found))):
        parts.append(_text(line.replace("≠ was wrong", "framed: it was wrong"), 10, y + 18 + 16 * i, "dim"))
    height = y + 30 + 16 * (LEGEND.count("; ") + 1)
    box = Html(f"0 0 {width} {height:.0f}")
    return el("svg", join(*parts), xmlns=Html("http://www.w3.org/2000/svg"), viewBox=box, width=width) + "\n"


def _block(found: RecoveryMap, panel: Panel, y: float) -> list[Html]:
    parts = [_text(cut(name(panel), 70), 10, y + 16)]
    for column, rate in enumerate(found.rates):
        middle = _LEFT + _WIDE * (column + 0.5)
        parts.append(_text(f"lr {as_text(rate)}", middle, y + 36, "middle dim"))
    for row, precision in enumerate(panel.precisions):
        top = y + _TOP - 4 + _HIGH * row
        parts.append(_text(precision_label(precision), _LEFT - 8, top + 20, "end"))
        for column, rate in enumerate(found.rates):
            x = float(_LEFT + _WIDE * column)
            parts += _field(panel.points.get((precision, rate)), x, top)
    return parts


def _field(point: Point | None, x: float, y: float) -> list[Html]:
    size = {"x": x, "y": y, "width": float(_WIDE - 2), "height": float(_HIGH - 2)}
    share = point.share.mean if point is not None and point.share is not None else None
    if point is None or share is None:
        return [el("rect", class_="none", **size), _text("–", x + _WIDE / 2, y + 19, "middle dim")]
    shade = min(max(share, 0.0), 1.0) * 0.6
    parts = [el("rect", class_="none", **size), el("rect", class_="field", fill_opacity=shade, **size)]
    parts.append(_text(cell(point).replace("≠", ""), x + _WIDE / 2, y + 19, "middle"))
    if point.wrong:
        parts.append(el("rect", class_="wrong", **size))
    return parts


def _text(said: str, x: float, y: float, kind: str = "") -> Html:
    return el("text", said, x=float(x), y=float(y), class_=kind or None)
