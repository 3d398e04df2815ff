"""Fewer bytes on the line: Textual 8.2.8 cuts a changed span off at its right end only and sends everything left of it
again, which doubles what a live screen costs over SSH. The version is pinned; a test holds both ways to one picture.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate
from textual.strip import Strip

THEIRS = ChopsUpdate.render_segments
"""Textual's own way."""


def render_segments(self: ChopsUpdate, console: Console) -> str:
    """Raw data for the terminal: each changed span alone, from its first cell to its last."""
    out: list[str] = []
    last = self.spans[-1][0]
    for y, x1, x2 in self.spans:
        for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=True):
            if strip is None or x >= x2 or end <= x1:
                continue
            start, stop = _whole(strip, max(x1 - x, 0), min(end, x2) - x)
            out.append(Control.move_to(x + start, y).segment.text)
            out.append(strip.crop(start, stop).render(console))
        if y != last:
            out.append("\n")
    return "".join(out)


def _whole(strip: Strip, start: int, stop: int) -> tuple[int, int]:
    """The cells from `start` to `stop`, and the rest of a segment there if a wide character might be cut in two."""
    at = 0
    first, last = start, stop
    for segment in strip:
        end = at + segment.cell_length
        if cell_len(segment.text) != len(segment.text):
            if at < start < end:
                first = at
            if at < stop < end:
                last = end
        at = end
    return first, last


def install() -> None:
    """Let Textual paint this way."""
    ChopsUpdate.render_segments = render_segments  # type: ignore[method-assign]
