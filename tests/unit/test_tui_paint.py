"""A changed span is sent alone, and leaves the same picture on a terminal as Textual's own way does."""

from __future__ import annotations

import itertools
import random

import pyte
from rich.console import Console
from rich.segment import Segment
from textual._compositor import ChopsUpdate
from textual.strip import Strip

from unlearn_tui.tui import paint

THEIRS = paint.THEIRS
ALPHABET = ["a", "b", " ", "─", "⟦", "é", "é", "日", "本", "👩", "█"]


def painted(before: str, update: str, width: int) -> list[str]:
    screen = pyte.Screen(width, 3)
    stream = pyte.Stream(screen)
    stream.feed(before)
    stream.feed("\x1b[1;1H" + update.replace("\n", "\r\n"))
    return list(screen.display)


def row(text: list[str], rng: random.Random) -> Strip:
    cuts = sorted({0, len(text), *(rng.randrange(len(text) + 1) for _ in range(3))})
    return Strip([Segment("".join(text[a:b])) for a, b in itertools.pairwise(cuts)])


def test_the_picture_is_the_one_that_textual_paints_with_fewer_bytes() -> None:
    rng = random.Random(7)
    console = Console(width=40, force_terminal=True, color_system=None)
    ours_bytes = theirs_bytes = 0
    for _ in range(300):
        text = rng.choices(ALPHABET, k=24)
        width = row(text, rng).cell_length
        changed = list(text)
        at = rng.randrange(len(text))
        # the old and the new character are of the same width, as when a pane repaints a cell
        changed[at] = {"日": "本", "本": "日", "👩": "日"}.get(text[at], rng.choice("xyz"))
        first = Strip([Segment("".join(text[:at]))]).cell_length
        span = (max(first - 1, 0), min(first + Strip([Segment(changed[at])]).cell_length + 1, width))
        new = row(changed, rng)
        update = ChopsUpdate([{0: new}], [(0, *span)], [[width]])
        before = row(text, rng).render(console)
        sent = paint.render_segments(update, console)
        assert painted(before, sent, 60) == painted("", new.render(console), 60)
        ours_bytes += len(sent)
        theirs_bytes += len(THEIRS(update, console))
    assert ours_bytes < theirs_bytes
