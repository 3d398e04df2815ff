"""A screen's body: a pane with the keys of its screen, inline editing, and hooks that the app calls."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding

from unlearn_tui.tui import keys
from unlearn_tui.tui.pane import Pane

if TYPE_CHECKING:
    from textual import events


class View(Pane, can_focus=True):
    """Override draw; one method action_<action> for each key of the screen in keys.py."""

    name_: ClassVar[str] = ""
    DEFAULT_CSS = """
    View { layout: vertical; }
    View > InlineInput {
        position: absolute; height: 1; border: none; padding: 0; background: $panel; color: $foreground;
    }
    View > InlineInput:focus { border: none; }
    """

    def __init_subclass__(cls, **more: Any) -> None:
        # before Textual merges the bindings of a class with those of its parents
        cls.BINDINGS = [
            Binding(k.key, k.action, k.label, show=False)
            for k in keys.KEYS
            # y and e belong to the screens that have something to copy or to export
            if (k.view and k.view == cls.name_)
            or (k.action in ("copy", "export") and hasattr(cls, f"action_{k.action}"))
        ]
        super().__init_subclass__(**more)

    def on_show(self) -> None:
        """It is laid out and in front."""
        self.redraw()
        if self.app.front == self.name_:
            self.shown()

    def shown(self) -> None:
        """The view came to the front: refresh what may be stale."""

    def told(self) -> None:
        """The opened run has news; called only while this view is in front."""
        self.redraw()

    def can(self, action: str) -> bool:
        """Does this action make sense now? Footer, palette and keys ask."""
        return True

    def metrics_shown(self) -> Collection[str]:
        """Metrics in view, for the page of plain words."""
        return ()

    def clicked(self, x: int, y: int) -> None:
        """The mouse pressed this cell."""

    def scrolled(self, by: int) -> None:
        """The wheel turned: -1 up, 1 down."""

    def edit(
        self,
        x: int,
        y: int,
        cells: int,
        value: str,
        done: Callable[[str], str | None],
        cancel: Callable[[], None] | None = None,
        live: Callable[[str], None] | None = None,
    ) -> None:
        """A line to type in, at this cell. Enter calls `done`: a text that it returns is said as an error and the line
        stays open; escape calls `cancel`; `live` hears every keystroke.
        """
        from unlearn_tui.tui.dialogs import InlineInput

        for old in self.query(InlineInput):
            old.remove()
        self.mount(InlineInput(x, y, cells, value, done, cancel, live))

    @property
    def editing(self) -> bool:
        """Whether a line is open for typing."""
        from unlearn_tui.tui.dialogs import InlineInput

        return any(not line.closed for line in self.query(InlineInput))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Textual's question before it runs an action."""
        return self.can(action)

    def on_click(self, event: events.Click) -> None:
        """Take the focus back from an open line, and tell the view where."""
        self.focus()
        self.clicked(event.x, event.y)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel."""
        event.stop()
        self.scrolled(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel."""
        event.stop()
        self.scrolled(-1)
