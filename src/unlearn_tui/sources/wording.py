"""Untrusted names and sizes in one-line messages: folder names, hub ids and tensor names may hold anything."""

from __future__ import annotations

import unicodedata


def shown(text: object, limit: int = 120) -> str:
    """`text` in quotes and on one line: control characters as symbols, the middle of a long text left out.

    C0 controls become Unicode's control pictures (ESC is ␛, a newline ␊); other characters without a glyph of
    their own (C1, bidi overrides, line separators, lone surrogates) become U+FFFD.
    """
    return f"'{plain(str(text), limit)}'"


def plain(text: str, limit: int = 400) -> str:
    """As `shown`, without the quotes."""
    if len(text) > limit:
        text = f"{text[: limit // 2]}…{text[-(limit // 2) :]}"
    return "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    # spaces other than ' ' (a no-break space, say) are harmless and have a width
    return " " if unicodedata.category(char) == "Zs" else "\ufffd"


def size(count: int) -> str:
    """Bytes for people, in powers of 1000: '512 B', '9.8 MB'."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
