"""HTML and SVG from parts: what is not made here is text, and text is always escaped."""

from __future__ import annotations

import html
import math

from unlearn_tui.report.text import safe


class Html(str):
    """Markup made by `el` or `join`; any other string is text."""

    __slots__ = ()


def text(value: object) -> Html:
    """`value` as text of an element or an attribute, on one line, control characters as symbols."""
    # fonts of phones and browsers have ↵, few have the pictures of control characters
    return value if isinstance(value, Html) else Html(html.escape(safe(value).replace("␊", "↵")))


def join(*parts: object) -> Html:
    """Parts one after the other; None is left out."""
    return Html("".join(text(part) for part in parts if part is not None))


def el(name: str, /, *children: object, **attributes: object) -> Html:
    """An element. `class_` is written class and `aria_label` aria-label; an attribute that is None is left out.

    Names come from our own code and are written as they are; numbers lose needless digits.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def void(name: str, /, **attributes: object) -> Html:
    """An element that has neither children nor an end tag (meta, br)."""
    return Html(el(name, **attributes).removesuffix(f"</{name}>"))


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".") if math.isfinite(value) else "0"
    return text(value)
