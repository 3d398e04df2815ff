"""What opens over a screen: a line to type in, a list to pick from, a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Input

from unlearn_tui.report.text import safe
from unlearn_tui.tui.field import TextField
from unlearn_tui.tui.lines import Line, cell, fit, line, rule, under, wrap
from unlearn_tui.tui.pane import Pane

if TYPE_CHECKING:
    from unlearn_tui.tui.app import UnlearnApp


HINT = 2
"""Rows for the hint of the option under the cursor, where some hint is too long for its line."""


@dataclass(frozen=True)
class Option:
    """One line of a list to pick from; texts are made safe when drawn."""

    id: str
    label: str
    hint: str = ""


class InlineInput(TextField):
    """One line of text typed in place."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False, priority=True)]
    app: UnlearnApp

    def __init__(
        self,
        x: int,
        y: int,
        cells: int,
        value: str,
        done: Callable[[str], str | None],
        cancel: Callable[[], None] | None,
        live: Callable[[str], None] | None,
    ) -> None:
        super().__init__(value, compact=True, select_on_focus=False)
        self.styles.offset = (x, y)
        self.styles.width = max(cells, 4)
        self._done, self._cancel, self._live = done, cancel, live
        self.closed = False
        """Answered or left: it stays in the tree for a moment."""
        self.cursor_blink = False

    def on_mount(self) -> None:
        """Type at once."""
        self.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell who wants every keystroke."""
        event.stop()
        if self._live:
            self._live(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter: close, unless the value is refused."""
        event.stop()
        error = self._done(event.value)
        if error:
            self.app.say(error, "bad")
        else:
            self._close()

    def action_leave(self) -> None:
        """Escape."""
        if self._cancel:
            self._cancel()
        self._close()

    def _close(self) -> None:
        parent = self.parent
        self.closed = True
        self.remove()
        if isinstance(parent, Pane):
            parent.focus()
            parent.redraw()  # without what it shows while a line is open


class Dialog(ModalScreen[str | None]):
    """A frame in the middle with its title, closed by escape."""

    DEFAULT_CSS = """
    Dialog { align: center middle; }
    Dialog > #frame { width: 90%; max-width: 100; height: auto; background: $surface; }
    Dialog Pane { background: $surface; }
    Dialog Input { border: none; height: 1; padding: 0 1; background: $panel; }
    Dialog Input:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", show=False, priority=True)]
    AUTO_FOCUS = "*"
    app: UnlearnApp

    def action_close(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)


class Block(Pane):
    """Lines made by a function."""

    def __init__(self, make: Callable[[int, int], list[Line]], rows: int, id: str | None = None) -> None:
        super().__init__(id=id)
        self._make = make
        self.styles.height = rows

    def draw(self, width: int, height: int) -> list[Line]:
        return self._make(width, height)


class Pick(Dialog):
    """A list filtered by typing; dismissed with the id of the chosen option, or where it is `free` with = and what was
    typed if that is none of them.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("pageup", "move(-10)", show=False, priority=True),
        Binding("pagedown", "move(10)", show=False, priority=True),
        Binding("tab", "move(1)", show=False, priority=True),
        Binding("shift+tab", "move(-1)", show=False, priority=True),
    ]

    def __init__(self, title: str, options: Sequence[Option], chosen: str = "", free: bool = False) -> None:
        super().__init__()
        self._title, self._options, self._free = title, list(options), free
        self._fitting = self._options
        self._at = next((i for i, o in enumerate(self._options) if o.id == chosen), 0)

    def compose(self) -> ComposeResult:
        from textual.containers import Vertical

        with Vertical(id="frame"):
            yield Block(self._head, 1)
            yield TextField(placeholder="type to filter", compact=True)
            more = HINT if any(self._is_cut(o, min(100, self.app.size.width * 9 // 10)) for o in self._options) else 0
            room = max(self.app.size.height - 8 - more, 3)
            yield Block(self._list, min(len(self._options), room, 20) or 1, id="list")
            yield Block(self._foot, 1 + more)

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False

    def _head(self, width: int, _: int) -> list[Line]:
        count = f"{len(self._fitting)} of {len(self._options)}" if len(self._fitting) < len(self._options) else ""
        return [rule(safe(self._title), width, count)]

    def _list(self, width: int, height: int) -> list[Line]:
        if not self._fitting:
            return [line(("  none of these: ⏎ takes what is typed" if self._free else "  nothing fits", "dim"))]
        top = max(0, min(self._at - height // 2, len(self._fitting) - height))
        labels = self._labels(width)
        rows = []
        for i, option in enumerate(self._fitting[top : top + height], top):
            mark = "▸ " if i == self._at else "  "
            row = [*line((mark, "accent")), *cell(safe(option.label), labels), *line((safe(option.hint), "dim"))]
            rows.append(under(fit(row, width), "cursor") if i == self._at else row)
        return rows

    def _labels(self, width: int) -> int:
        """Cells of the column of labels; the same whatever is typed, so that nothing jumps."""
        return min(max((cell_len(safe(o.label)) for o in self._options), default=0) + 2, width * 2 // 3)

    def _is_cut(self, option: Option, width: int) -> bool:
        return cell_len(safe(option.hint)) > width - 2 - self._labels(width)

    def _foot(self, width: int, height: int) -> list[Line]:
        """The keys; above them the hint under the cursor in full, where there is not room enough beside its label."""
        keys = line(("⏎", "key"), (" choose  ", "dim"), ("esc", "key"), (" back", "dim"))
        here = self._fitting[self._at] if self._fitting else None
        said = wrap(safe(here.hint), width, HINT) if here and height > 1 and self._is_cut(here, width) else []
        return [*(line((row, "dim")) for row in said), *([] for _ in range(height - 1 - len(said))), keys]

    def on_input_changed(self, event: Input.Changed) -> None:
        words = event.value.casefold().split()
        fitting = [o for o in self._options if all(w in f"{o.label} {o.hint}".casefold() for w in words)]
        # what is called so goes before what is only said to be so
        self._fitting = sorted(fitting, key=lambda o: _rank(o.label.casefold(), words))
        self._at = 0
        self._redraw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if self._fitting:
            self.dismiss(self._fitting[self._at].id)
        elif self._free:
            self.dismiss(f"={event.value.strip()}")

    def action_move(self, by: int) -> None:
        """The cursor, by so many options."""
        self._at = max(0, min(self._at + by, len(self._fitting) - 1))
        self._redraw()

    def on_click(self, event: events.Click) -> None:
        block = self.query_one("#list", Block)
        if event.widget is block:
            height = block.size.height
            top = max(0, min(self._at - height // 2, len(self._fitting) - height))
            if top + event.y < len(self._fitting):
                self.dismiss(self._fitting[top + event.y].id)

    def _redraw(self) -> None:
        for block in self.query(Block):
            block.redraw()


def _rank(label: str, words: list[str]) -> int:
    if words and label.startswith(words[0]):
        return 0
    return 1 if all(w in label for w in words) else 2


class Confirm(Dialog):
    """A question answered by y or n."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", show=False),
        Binding("n,q", "close", show=False),
    ]

    def __init__(self, question: str, yes: str) -> None:
        super().__init__()
        self._question, self._yes = question, yes

    def compose(self) -> ComposeResult:
        from textual.containers import Vertical

        width = min(100, self.app.size.width * 9 // 10) - 2
        said = wrap(safe(self._question), max(width - 2, 10), 8)
        keys = line((" y", "key"), (f" {self._yes}   ", ""), ("n", "key"), (" no", ""))
        with Vertical(id="frame"):
            yield Block(lambda w, _: [rule("", w), *([(f" {row}", "")] for row in said), [], keys], len(said) + 3)

    def on_mount(self) -> None:
        self.set_focus(None)

    def action_yes(self) -> None:
        """It is meant."""
        self.dismiss("yes")


class Prompt(Dialog):
    """One line of text; refused values are said and the line stays."""

    def __init__(self, title: str, value: str, done: Callable[[str], str | None], hint: str) -> None:
        super().__init__()
        self._title, self._value, self._done, self._hint, self._error = title, value, done, hint, ""

    def compose(self) -> ComposeResult:
        from textual.containers import Vertical

        with Vertical(id="frame"):
            yield Block(lambda w, _: [rule(safe(self._title), w)], 1)
            yield TextField(self._value, compact=True, select_on_focus=False)
            yield Block(self._foot, 3)

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False

    def _foot(self, width: int, _: int) -> list[Line]:
        said = self._error or self._hint
        rows = wrap(safe(said), max(width - 2, 10), 2) if said else []
        keys = line((" ⏎", "key"), (" ok  ", "dim"), ("esc", "key"), (" back", "dim"))
        return [*([(f" {row}", "bad" if self._error else "dim")] for row in rows), keys]

    def on_input_changed(self) -> None:
        if self._error:
            self._error = ""
            self._redraw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._error = self._done(event.value) or ""
        if self._error:
            self._redraw()
        elif self.is_current:
            self.dismiss(None)

    def _redraw(self) -> None:
        for block in self.query(Block):
            block.redraw()
