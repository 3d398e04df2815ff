"""Colours: our dark and light themes, and what the style names of lines.py look like in any theme."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

if TYPE_CHECKING:
    from textual.app import App

DARK = Theme(
    name="unlearn-dark",
    primary="#87afd7",
    secondary="#87afaf",
    accent="#d7af5f",
    foreground="#d0d0d0",
    background="#121212",
    surface="#1c1c1c",
    panel="#303030",
    success="#87af5f",
    warning="#d7af5f",
    error="#ff875f",
    dark=True,
)
LIGHT = Theme(
    name="unlearn-light",
    primary="#005f87",
    secondary="#005f5f",
    accent="#875f00",
    foreground="#262626",
    background="#ffffff",
    surface="#eeeeee",
    panel="#d0d0d0",
    success="#306000",
    warning="#875f00",
    error="#af0000",
    dark=False,
)
"""All from the 256-colour cube but one, so that terminals with 256 colours show them unchanged."""
NAMES = ("unlearn-dark", "unlearn-light", "ansi-dark", "ansi-light")
"""Offered first; any theme that Textual brings works too."""
_ATTRIBUTES = {
    "dim": Style(dim=True),
    "bold": Style(bold=True),
    "italic": Style(italic=True),
    "underline": Style(underline=True),
    "reverse": Style(reverse=True),
}


def styles(app: App[Any]) -> dict[str, Style]:
    """A Rich style for every name of lines.STYLES under the app's theme; no colour at all where NO_COLOR is set."""
    theme = app.current_theme
    if app.no_color:
        return _ATTRIBUTES | {
            "title": Style(bold=True),
            "accent": Style(bold=True),
            "good": Style(),
            "warn": Style(bold=True),
            "bad": Style(bold=True),
            "mark": Style(bold=True, underline=True),
            "key": Style(bold=True),
            "rule": Style(dim=True),
            "cursor": Style(reverse=True),
            "cool": Style(dim=True),
            "hot": Style(bold=True),
        }
    if theme.ansi:
        return _ATTRIBUTES | {
            "title": Style(bold=True),
            "accent": _ansi(theme.primary, bold=True),
            "good": _ansi(theme.success),
            "warn": _ansi(theme.warning),
            "bad": _ansi(theme.error, bold=True),
            "mark": _ansi(theme.error, bold=True, underline=True),
            "key": _ansi(theme.primary, bold=True),
            "rule": Style(dim=True),
            "cursor": Style(reverse=True),
            "cool": _ansi("ansi_cyan"),
            "hot": _ansi(theme.error, bold=True),
        }
    faint = Color.parse(theme.background or "#000000").blend(Color.parse(theme.foreground or "#ffffff"), 0.58)
    thin = Color.parse(theme.background or "#000000").blend(Color.parse(theme.foreground or "#ffffff"), 0.35)
    below = theme.panel or theme.surface or ("#303030" if theme.dark else "#d0d0d0")
    return _ATTRIBUTES | {
        "dim": Style(color=faint.hex),
        "title": Style(bold=True, color=theme.primary),
        "accent": Style(bold=True, color=theme.primary),
        "good": Style(color=theme.success),
        "warn": Style(color=theme.warning),
        "bad": Style(color=theme.error),
        "mark": Style(color=theme.error, bold=True, underline=True),
        "key": Style(color=theme.accent, bold=True),
        "rule": Style(color=thin.hex),
        "cursor": Style(bgcolor=Color.parse(below).hex, bold=True),
        "cool": Style(color=theme.secondary),
        "hot": Style(color=theme.error, bold=True),
    }


def _ansi(name: str | None, bold: bool = False, underline: bool = False) -> Style:
    """A colour of the terminal's own palette."""
    color = (name or "ansi_default").removeprefix("ansi_")
    return Style(color=color, bold=bold, underline=underline)
