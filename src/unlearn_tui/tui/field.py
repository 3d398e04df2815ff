"""A line to type in that shows foreign text as it is stored, and obeys none of it."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Input

from unlearn_tui.report.text import safe
from unlearn_tui.tui.lines import apart


class TextField(Input):
    """Textual's, but for characters that steer a terminal or join others: each is one sign, the value keeps them."""

    @property
    def _value(self) -> Text:
        return Text(visible(self.value), no_wrap=True, overflow="ignore", end="")


def visible(text: str) -> str:
    """`text` with one sign for each character, so that the cursor stands where it should."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_sign(char) for char in text)


def _sign(char: str) -> str:
    shown = apart(safe(char))
    return shown if len(shown) == 1 else "·"
