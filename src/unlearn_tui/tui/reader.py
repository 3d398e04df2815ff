"""A page to read that fills the terminal: keys, plain words, logs, answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from unlearn_tui.report.text import safe
from unlearn_tui.tui.dialogs import Block, Dialog
from unlearn_tui.tui.lines import Line, line, rule

END = 1_000_000_000
"""More rows than any page has."""


class Read(Dialog):
    """A page that scrolls; `lines(width)` makes it, anew at every width."""

    DEFAULT_CSS = """
    Read { align: left top; background: $background; }
    Read > Pane { background: $background; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,enter", "close", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home", f"move(-{END})", show=False),
        Binding("end", f"move({END})", show=False),
    ]

    def __init__(self, title: str, lines: Callable[[int], list[Line]], end: bool = False) -> None:
        super().__init__()
        self._title, self._lines, self._top = title, lines, END if end else 0

    def compose(self) -> ComposeResult:
        pane = Block(self._page, 1, id="page")
        pane.styles.height = "1fr"
        yield pane

    def on_mount(self) -> None:
        self.set_focus(None)

    def _page(self, width: int, height: int) -> list[Line]:
        lines, room = self._lines(width), max(height - 2, 1)
        self._top = max(0, min(self._top, len(lines) - room))
        more = f"{min(self._top + room, len(lines))} of {len(lines)}" if len(lines) > room else ""
        body = [*lines[self._top : self._top + room], *([] for _ in range(room - len(lines)))]
        keys = line((" q", "key"), (" back  ", "dim"), ("↑↓ PgUp PgDn", "key"), (" scroll", "dim"))
        return [rule(safe(self._title), width, more), *body, keys]

    def action_move(self, by: int) -> None:
        """Scroll by so many rows."""
        self._top += by
        self.query_one(Block).redraw()

    def action_page(self, by: int) -> None:
        """Scroll by so many pages."""
        self.action_move(by * max(self.size.height - 3, 1))

    def on_mouse_scroll_down(self) -> None:
        self.action_move(3)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-3)
