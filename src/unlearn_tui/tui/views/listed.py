"""What the two screens with a list share: the cursor, the filter, and looking at the disk while they are in front."""

from __future__ import annotations

from typing import Any

from unlearn_tui.state.listing import Listing, move
from unlearn_tui.tui.view import View


class ListView(View):
    """Override the five methods below; `look` is called every `interval` seconds while the screen is in front."""

    interval = 3.0
    filter_at = 0
    """Where the filter is typed: cells from the left of the first line."""

    @property
    def listing(self) -> Listing[Any]:
        """Rows and cursor."""
        raise NotImplementedError

    def at(self, index: int) -> None:
        """The cursor goes to this row."""
        raise NotImplementedError

    def rows_shown(self) -> int:
        """Lines that the list has on the screen."""
        raise NotImplementedError

    def row_at(self, x: int, y: int) -> int | None:
        """The row painted at this cell."""
        raise NotImplementedError

    def words(self, words: str | None = None) -> str:
        """The filter; another one where `words` is given."""
        raise NotImplementedError

    def look(self) -> None:
        """Read the disk again, in a thread."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Keep up with the disk."""
        self.set_interval(self.interval, self._tick)

    def shown(self) -> None:
        """It may be long since the last look."""
        self.look()

    def _tick(self) -> None:
        if self.app.front == self.name_ and self.app.screen is self.screen:
            self.look()

    def clicked(self, x: int, y: int) -> None:
        """A row."""
        index = self.row_at(x, y)
        if index is not None:
            self.at(index)

    def scrolled(self, by: int) -> None:
        """The wheel moves the cursor."""
        self.at(move(self.listing, by).at)

    def action_up(self) -> None:
        self.scrolled(-1)

    def action_down(self) -> None:
        self.scrolled(1)

    def action_page_up(self) -> None:
        self.scrolled(-max(self.rows_shown() - 1, 1))

    def action_page_down(self) -> None:
        self.scrolled(max(self.rows_shown() - 1, 1))

    def action_first(self) -> None:
        self.at(0)

    def action_last(self) -> None:
        self.at(max(len(self.listing.rows) - 1, 0))

    def action_filter(self) -> None:
        """Typed in the first line; rows follow every keystroke, escape shows all again."""

        def take(words: str) -> None:
            self.words(words)

        room = max(min(self.size.width - self.filter_at - 24, 40), 8)
        self.edit(self.filter_at, 0, room, self.words(), take, lambda: take(""), take)
        self.redraw()
