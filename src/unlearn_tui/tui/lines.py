"""Lines of styled text measured in terminal cells: what every view draws with; knows no Textual.

A line is a list of (text, style) spans; a style is any of STYLES, several separated by a space. The theme gives them
colours (theme.py), `--ascii` swaps the signs (glyphs.py). Text that comes from outside goes through report.text.safe
before it gets here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.cells import cell_len, chop_cells, set_cell_size

Span = tuple[str, str]
Line = list[Span]

STYLES = (
    *("dim", "bold", "italic", "underline", "reverse"),
    *("title", "accent", "good", "warn", "bad", "mark", "key", "rule", "cursor", "cool", "hot"),
)
"""title: headings; accent: live and chosen things; mark: recovered words; key: a key to press; rule: lines between
panes; cursor: the row or cell under the cursor (a background); cool, hot: ends of a heat map."""


_JOINED = re.compile("[\u200c\u200d\ufe00-\ufe0f\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff]")


def apart(text: str) -> str:
    """`text` without what joins or changes characters: joiners, variation selectors, skin tones; a flag as its letters.

    Terminals do not agree on the cells of joined characters; on those of single ones they do.
    """
    return text if text.isascii() else _JOINED.sub(_letter, text)


def _letter(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(ord("A") + code - 0x1F1E6) if 0x1F1E6 <= code <= 0x1F1FF else ""


def line(*parts: str | Span) -> Line:
    """A line from plain texts and spans; empty texts are left out."""
    spans = [(part, "") if isinstance(part, str) else part for part in parts]
    return [span for span in spans if span[0]]


def text(line: Line) -> str:
    """The line without its styles."""
    return "".join(part for part, _ in line)


def width(line: Line) -> int:
    """Terminal cells."""
    return sum(cell_len(part) for part, _ in line)


def fit(line: Line, cells: int, right: bool = False) -> Line:
    """Exactly `cells` wide: filled with spaces (in front if `right`), or cut with … at its end; see `apart`."""
    if cells <= 0:
        return []
    if not all(part.isascii() for part, _ in line):
        line = [(apart(part), style) for part, style in line]
    have = width(line)
    if have <= cells:
        space: Span = (" " * (cells - have), "")
        if have == cells:
            return line
        return [space, *line] if right else [*line, space]
    out: Line = []
    room = cells - 1
    for part, style in line:
        have = cell_len(part)
        if have > room:
            if room:
                out.append((set_cell_size(part[: 4 * room + 16], room), style))
            out.append(("…", style))
            return out
        out.append((part, style))
        room -= have
    return out


def cell(content: str, cells: int, style: str = "", right: bool = False) -> Line:
    """One text as a column exactly `cells` wide."""
    return fit([(content, style)] if content else [], cells, right)


def under(line: Line, style: str) -> Line:
    """`style` added to every span: the row under the cursor, a dimmed row."""
    return [(part, f"{own} {style}" if own else style) for part, own in line]


def beside(left: Sequence[Line], right: Sequence[Line], cells: int, divider: str = " │ ") -> list[Line]:
    """Two panes side by side: `left` made `cells` wide, a divider, `right` as it is; as many rows as the longer one."""
    rows = max(len(left), len(right))
    empty: Line = []
    return [
        [
            *fit(left[i] if i < len(left) else empty, cells),
            (divider, "rule"),
            *(right[i] if i < len(right) else empty),
        ]
        for i in range(rows)
    ]


def block(lines: Sequence[Line], rows: int) -> list[Line]:
    """Exactly `rows` lines: cut at the end, or filled with empty ones."""
    return [*lines[:rows], *([] for _ in range(rows - len(lines)))]


def rule(title: str, cells: int, end: str = "") -> Line:
    """── title ───────────── end ─"""
    head = f"── {title} " if title else ""
    tail = f" {end} ─" if end else ""
    fill = max(cells - cell_len(head) - cell_len(tail), 0)
    spans = line(("── " if title else "", "rule"), (title, "title"), (" " if title else "", ""))
    spans += line(("─" * fill, "rule"), (f" {end} " if end else "", "dim"), ("─" if end else "", "rule"))
    return fit(spans, cells)


def bar(share: float, cells: int) -> str:
    """A bar of `cells` cells, filled to `share` (0-1)."""
    filled = round(min(max(share, 0.0), 1.0) * cells)
    return "█" * filled + "░" * (cells - filled)


def wrap(content: str, cells: int, rows: int = 0) -> list[str]:
    """`content` in lines of at most `cells` cells, broken at spaces where possible; at most `rows` (0: any) of them."""
    made: list[str] = []
    current = ""
    for word in apart(content).split(" "):
        candidate = f"{current} {word}" if current else word
        if cell_len(candidate) <= cells:
            current = candidate
            continue
        if current:
            made.append(current)
        pieces = chop_cells(word, max(cells, 1)) or [""]
        made += pieces[:-1]
        current = pieces[-1]
        if rows and len(made) > rows:
            break
    made.append(current)
    if rows and len(made) > rows:
        made = made[:rows]
        made[-1] = text(fit([(f"{made[-1]} …", "")], cells)).rstrip()
    return made


def joined(parts: Iterable[Line], between: str = "  ") -> Line:
    """Lines one after the other on one line."""
    out: Line = []
    for part in parts:
        if part:
            out += [*([(between, "")] if out else []), *part]
    return out
