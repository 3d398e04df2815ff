"""Lists with columns: which of them a width has room for, a head, rows with a cursor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from unlearn_tui.state.listing import Item, Listing, window
from unlearn_tui.tui.lines import Line, cell, fit, line, under

R = TypeVar("R", bound=Item)
LEAD = 3
"""Cells before the name: the cursor, a sign, a space."""


class Column(NamedTuple):
    """A column behind the name. Of those that do not fit, the ones with the highest `goes` are left out first."""

    head: str
    cells: int
    right: bool
    goes: int


class Layout(NamedTuple):
    """The columns that are shown, and the cells that are left for the name."""

    columns: tuple[Column, ...]
    name: int


def layout(columns: Sequence[Column], width: int, name: int, wide: str = "") -> Layout:
    """As many columns as fit beside a name of at least `name` cells; what is left over goes to the column with the
    head `wide`, else to the name.
    """
    kept = list(columns)
    room = width - LEAD - name
    while kept and sum(column.cells + 1 for column in kept) > room:
        kept.remove(max(kept, key=lambda column: column.goes))
    rest = room - sum(column.cells + 1 for column in kept)
    if any(column.head == wide for column in kept):
        kept = [c._replace(cells=c.cells + rest) if c.head == wide else c for c in kept]
        rest = 0
    return Layout(tuple(kept), max(name + rest, 1))


def head(layout: Layout, name: str) -> Line:
    """The names of the columns."""
    parts = [*line(" " * LEAD), *cell(name, layout.name, "dim")]
    for column in layout.columns:
        parts += [(" ", ""), *cell(column.head, column.cells, "dim", column.right)]
    return parts


def rows(
    listing: Listing[R],
    layout: Layout,
    height: int,
    sign: Callable[[R], tuple[str, str]],
    content: Callable[[R, str], Line],
) -> list[Line]:
    """The rows around the cursor: `content(row, head)` for each column and, with head "", for the name."""
    first = window(listing, height)
    made = []
    for index, row in enumerate(listing.rows[first : first + height], first):
        here = index == listing.at
        parts: Line = [("▸" if here else " ", "accent"), sign(row), (" ", ""), *fit(content(row, ""), layout.name)]
        for column in layout.columns:
            parts += [(" ", ""), *fit(content(row, column.head), column.cells, column.right)]
        made.append(under(parts, "cursor") if here else parts)
    return made


def index_at(listing: Listing[R], height: int, y: int) -> int | None:
    """The row drawn on line `y` of a list of `height` lines, or None."""
    index = window(listing, height) + y
    return index if 0 <= y < height and index < len(listing.rows) else None


def title(name: str, filter: str, typing: bool, right: str, width: int) -> Line:
    """NAME  / filter …            right: the first line of a list."""
    left: Line = [(f" {name}", "title")]
    if filter or typing:
        left += line(("  / ", "key"), filter)
    tail = min(len(right), max(width - 20, 0))
    return [*fit(left, width - tail - 1), *cell(right, tail, "dim", True), (" ", "")]
