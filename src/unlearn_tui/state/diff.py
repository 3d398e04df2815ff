"""The word-level difference of two texts, as spans that are the same, gone or new."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Literal

Kind = Literal["same", "gone", "new"]
Difference = tuple[tuple[Kind, str], ...]

MOST_WORDS = 200
"""Words compared; what follows is only told apart as a whole. Repetitive answers take too long beyond that."""

# scripts written without spaces: every character is a word
_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# vowel signs, accents and joiners that \w leaves out belong to the letter before them
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0711\u0730-\u074a"
    "\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u0981-\u0983\u09bc-\u09cd\u0a01-\u0a4d\u0a81-\u0acd"
    "\u0b01-\u0b57\u0b82-\u0bcd\u0c00-\u0c56\u0c81-\u0cd6\u0d00-\u0d57\u0dca-\u0df3\u0e31\u0e34-\u0e4e\u0eb1"
    "\u0eb4-\u0ecd\u0f18-\u0f84\u102b-\u103e\u1ab0-\u1aff\u1dc0-\u1dff\u200c\u200d\u20d0-\u20ff\ufe00-\ufe2f"
)
_TOKEN = re.compile(
    rf"(?:[{_ALONE}][{_MARKS}]*|(?:(?![{_ALONE}])[\w{_MARKS}])+|[^\w\s](?:\u200d[^\w\s]|[{_MARKS}])*)\s*|\s+"
)


def words(text: str) -> list[str]:
    """`text` cut into words, signs and single CJK characters, each with the space after it: joined they are `text`."""
    return _TOKEN.findall(text)


@lru_cache(512)
def difference(old: str, new: str) -> Difference:
    """What of `old` is gone and what of `new` is new, word by word; gone stands before new at the same place.

    Case counts, the amount of space between words does not. Neighbouring words of a kind are one span.
    """
    a, b = words(old), words(new)
    rest_a, rest_b = "".join(a[MOST_WORDS:]), "".join(b[MOST_WORDS:])
    a, b = a[:MOST_WORDS], b[:MOST_WORDS]
    matcher = SequenceMatcher(None, [w.strip() for w in a], [w.strip() for w in b], autojunk=False)
    spans: list[tuple[Kind, str]] = []
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            _add(spans, "same", b[k:m])
        else:
            _add(spans, "gone", a[i:j])
            _add(spans, "new", b[k:m])
    if rest_a == rest_b:
        _add(spans, "same", [rest_b])
    else:
        _add(spans, "gone", [rest_a])
        _add(spans, "new", [rest_b])
    return tuple(spans)


def _add(spans: list[tuple[Kind, str]], kind: Kind, parts: list[str]) -> None:
    text = "".join(parts)
    if text and spans and spans[-1][0] == kind:
        spans[-1] = (kind, spans[-1][1] + text)
    elif text:
        spans.append((kind, text))
