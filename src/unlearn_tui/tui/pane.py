"""A widget that shows lines and repaints only the cells that differ from what it showed before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from unlearn_tui.tui.glyphs import to_ascii
from unlearn_tui.tui.lines import Line, fit

if TYPE_CHECKING:
    from unlearn_tui.tui.app import UnlearnApp


class Pane(Widget):
    """Paints what `draw` returns; `redraw` after a change of state."""

    DEFAULT_CSS = """
    Pane { width: 1fr; height: 1fr; }
    """
    ALLOW_SELECT = False
    app: UnlearnApp

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: list[Line] = []
        self._styles: dict[str, Style] = {}

    def draw(self, width: int, height: int) -> list[Line]:
        """The lines of a pane of this size, in cells."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw again and repaint what differs; nothing while hidden or without a size."""
        width, height = self.size
        if not width or not height or not self.is_showing:
            return
        lines = self._drawn(width, height)
        if len(lines) != len(self._shown):
            self._shown = lines
            self.refresh()
            return
        dirty = []
        for y, (old, new) in enumerate(zip(self._shown, lines, strict=True)):
            if old != new:
                first, last = _span(old, new)
                if last > first:
                    dirty.append(Region(first, y, last - first, 1))
        self._shown = lines
        if dirty:
            self.refresh(*dirty)

    @property
    def is_showing(self) -> bool:
        """Whether it is displayed at all."""
        return self.display and self.is_attached

    def _drawn(self, width: int, height: int) -> list[Line]:
        lines = self.draw(width, height)[:height]
        return [fit(line, width) for line in lines] + [[(" " * width, "")] for _ in range(height - len(lines))]

    def on_resize(self) -> None:
        """Everything is drawn anew at the new size."""
        self._shown = []
        self.redraw()

    def on_show(self) -> None:
        """It came to the front: its state may have moved on while it was hidden."""
        self.redraw()

    def notify_style_update(self) -> None:
        """Colours changed."""
        self._styles = {}
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """One row as painted."""
        width = self.size.width
        if y >= len(self._shown):
            if width and not self._shown:
                self._shown = self._drawn(width, self.size.height)
            if y >= len(self._shown):
                return Strip.blank(width, self.rich_style)
        ascii = self.app.ascii
        segments = [Segment(to_ascii(text) if ascii else text, self._style(style)) for text, style in self._shown[y]]
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _style(self, names: str) -> Style:
        found = self._styles.get(names)
        if found is None:
            known = self.app.line_styles
            found = self.rich_style
            for name in names.split():
                found += known[name]
            self._styles[names] = found
        return found


def _span(old: Line, new: Line) -> tuple[int, int]:
    """The first cell in which two lines of the same width differ, and the one after the last."""
    a, b = _cells(old), _cells(new)
    if len(a) != len(b):  # joined emoji: cells cannot be told apart
        return 0, max(len(a), len(b))
    differing = [i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]
    if not differing:
        return 0, 0
    # a wide character at either end is repainted whole
    return max(differing[0] - 1, 0), min(differing[-1] + 2, len(a))


def _cells(line: Line) -> list[tuple[str, str]]:
    """One entry a cell; the second cell of a wide character repeats it, what has no width joins its neighbour."""
    from rich.cells import cell_len

    made: list[tuple[str, str]] = []
    for text, style in line:
        if text.isascii():
            made += [(char, style) for char in text]
            continue
        for char in text:
            cells = cell_len(char)
            if cells == 0 and made:
                made[-1] = (made[-1][0] + char, made[-1][1])
            else:
                made += [(char, style)] * max(cells, 1)
    return made
