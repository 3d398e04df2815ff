"""Untrusted text made fit for a terminal: model output, corpus text, names. Nothing here interprets markup."""

from __future__ import annotations

import re

from unlearn_tui.sources.wording import size

__all__ = ["ago", "brief", "cut", "duration", "number", "pad", "safe", "safe_json", "size"]

# C0, DEL, C1, bidirectional and invisible format characters, line separators, lone surrogates, tag characters;
# the zero-width joiners stay: scripts and emoji need them
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


def safe(text: object) -> str:
    """`text` on one line with every character that could steer a terminal shown as a symbol (␛, ␊, ⟨202e⟩)."""
    return _UNSAFE.sub(_symbol, str(text))


def _symbol(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨{code:02x}⟩"


def safe_json(json: str) -> str:
    """The same JSON with every unsafe character inside its strings written as a \\u escape."""

    def escape(match: re.Match[str]) -> str:
        units = match[0].encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))

    # line breaks and tabs of pretty-printed JSON stand outside its strings
    return re.sub(r"(?![\n\t])" + _UNSAFE.pattern, escape, json)


def cut(text: str, width: int) -> str:
    """`text` in at most `width` terminal cells, ending in … where something was left out."""
    from rich.cells import cell_len, set_cell_size

    text = text[: 8 * max(width, 1)]
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 1 else "…"[:width]


def brief(text: str, longest: int = 200, limit: int = 2000) -> str:
    """A message with the middle of every overlong word left out, and of the whole if it is still too long."""

    def middle(text: str, limit: int) -> str:
        return f"{text[: limit // 2]}…{text[-(limit // 2) :]}"

    text = re.sub(rf"\S{{{longest + 1},}}", lambda match: middle(match[0], longest), text)
    return text if len(text) <= limit else middle(text, limit)


def pad(text: str, width: int, right: bool = False) -> str:
    """`text` filled with spaces to `width` cells."""
    from rich.cells import cell_len

    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def duration(seconds: float | None) -> str:
    """0:07, 12:34 or 1:02:03; – when unknown."""
    if seconds is None or not 0 <= seconds < 1e9:
        return "–"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def ago(seconds: float) -> str:
    """How long since, in one unit: 12s, 5m, 3h, 2d."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return f"{max(int(seconds), 0)}s"


def number(value: float | None, form: str = ".1f") -> str:
    """A number, or – for None and NaN."""
    return "–" if value is None or value != value else format(value, form)
