"""The two rows that every screen has: where one is, and what one can press."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from unlearn_tui.report.text import cut, duration, safe
from unlearn_tui.tui import keys
from unlearn_tui.tui.lines import Line, fit, line, width
from unlearn_tui.tui.pane import Pane

if TYPE_CHECKING:
    from textual import events

    from unlearn_tui.tui.watcher import Opened

STATUS = {"new": "○", "running": "●", "finished": "✓", "stopped": "◐", "failed": "✗"}
STYLES = {"running": "accent", "finished": "good", "stopped": "warn", "failed": "bad"}
SHORTEST_NAME = 9
SPACIOUS, NAMED = 96, 62
"""Cells from which on the screens' names stand apart, and from which on there are names at all."""
ROOMY = 30
"""Cells from which on a run that has ended stands beside those that are live."""


class Header(Pane):
    """unlearn │ 1 models [2 setup] …  the opened run and how it stands."""

    DEFAULT_CSS = "Header { height: 1; dock: top; background: $surface; }"

    def draw(self, cells: int, height: int) -> list[Line]:
        """One line."""
        left = [span for _, tab in self._tabs(cells) for span in tab]
        right = self._right(cells - width(left) - (1 if cells < SPACIOUS else 2))
        gap = max(cells - width(left) - width(right) - 1, 1)
        return [fit([*left, (" " * gap, ""), *right], cells)]

    def _tabs(self, cells: int) -> list[tuple[str, Line]]:
        """What stands there for each screen, from the left edge on; "" is the program's own name."""
        close = cells < SPACIOUS
        made: list[tuple[str, Line]] = [("", line((" unlearn", "title"), ("" if close else " │", "rule")))]
        made = made if cells >= 70 else []
        after = ""
        for view, digit in keys.VIEWS.items():
            here = view == ("runs" if self.app.front == "sweeps" else self.app.front)
            name = f"{digit} {view}" if here or cells >= NAMED else digit
            # where room is short, neighbours share the space or the bracket between them
            before = "" if close and after == "]" else "[" if here else " "
            after = "]" if here else "" if close else " "
            made.append((view, line((f"{before}{name}{after}", "accent" if here else ""))))
        return made

    def _right(self, room: int) -> Line:
        opened, others = self.app.opened, self.app.live_elsewhere
        if others and room > SHORTEST_NAME and (opened is None or opened.state.ended):
            live = line((cut(f"● {others} live: A", room), "accent"))
            rest = room - width(live) - 3
            return live if opened is None or rest < ROOMY else [*self._of(opened, rest), ("   ", ""), *live]
        return self._of(opened, room) if opened is not None else []

    def _of(self, opened: Opened, room: int) -> Line:
        """How the opened run stands."""
        style = STYLES.get(opened.state.status, "")
        mark = STATUS.get(opened.state.status, "○")
        tail = _standing(opened, room)
        name = cut(safe(opened.rundir.id), max(room - len(tail) - 3, 0)) if room - len(tail) > SHORTEST_NAME else ""
        return line((f"{mark} ", style), (f"{name} " if name else "", ""), (cut(tail, max(room - 2, 0)), "dim"))

    def on_click(self, event: events.Click) -> None:
        """A click on a screen's name brings it to the front."""
        at = 0
        for view, tab in self._tabs(self.size.width):
            at += width(tab)
            if event.x < at:
                if view:
                    self.app.switch(view)
                return


def _standing(opened: Opened, room: int) -> str:
    state = opened.state
    stage = state.stage
    if opened.reading:
        return "reading …"
    if opened.replay is not None:
        said = f"replay ×{opened.replay.speed:g}"
        return said if len(said) <= room - 2 else "replay"
    if stage is None:
        return "starting …" if state.status == "new" else state.status
    share = f"{100 * stage.done / stage.total:3.0f} %" if stage.total else ""
    said = f"{share} {safe(stage.id).replace('_', ' ')}" if share else safe(stage.id).replace("_", " ")
    if share and len(said) > room - 2:
        return share
    if room > 60 and stage.left is not None:
        said += f" · {duration(stage.left)} left"
    return said + (" · survives quit" if room > 75 else "")


class Footer(Pane):
    """At most seven keys and ?; for a few seconds, what the program has to say."""

    DEFAULT_CSS = "Footer { height: 1; dock: bottom; background: $surface; }"
    KEYS = 7
    SECONDS = 6.0

    def __init__(self) -> None:
        super().__init__()
        self._said: tuple[str, str] | None = None
        self._until = 0.0

    def say(self, text: str, kind: str) -> None:
        """Show `text` instead of the keys for a while."""
        self._said, self._until = (safe(text), kind), time.monotonic() + self.SECONDS
        self.redraw()
        self.set_timer(self.SECONDS + 0.05, self.redraw)

    def hush(self) -> None:
        """The next key was pressed: keys are worth more than old news."""
        if self._said and time.monotonic() > self._until - self.SECONDS + 1.0:
            self._said = None
            self.redraw()

    def draw(self, cells: int, height: int) -> list[Line]:
        """One line."""
        if self._said and time.monotonic() < self._until:
            text, kind = self._said
            mark = {"bad": "✗ ", "warn": "! "}.get(kind, "")
            return [fit(line((" ", ""), (mark + text, kind)), cells)]
        chosen = sorted((k for k in self.app.keys_now() if k.footer), key=lambda k: k.footer)
        # ? is always there: it tells of all the others
        rest, help = [k for k in chosen if k.action != "keys"], [k for k in chosen if k.action == "keys"]
        rest = rest[: self.KEYS - 1]
        while rest and sum(len(keys.name(k.key)) + len(k.label) + 3 for k in rest + help) > cells - 1:
            rest.pop()
        row: Line = [(" ", "")]
        for k in rest + help:
            row += line((keys.name(k.key), "key"), (f" {k.label}  ", ""))
        return [fit(row, cells)]
