"""doctor: what this machine has, what a run would miss, and what to do about it, fit for pasting into a report."""

from __future__ import annotations

from collections.abc import Iterator

from typer import Exit

from unlearn_tui.commands import console
from unlearn_tui.commands import options as o
from unlearn_tui.commands.checks import Check, looked, machine, places, software, terminal
from unlearn_tui.masking import masked

FATAL = (*software.NEEDED, *software.LIBRARIES, "torch", "bitsandbytes", "python", "home", "disk", "shipped models")
"""What a run fails without."""


def doctor(home: o.Home = None, plain: o.Plain = False, json: o.Json = False) -> None:
    """What a report of a fault needs: versions, device, memory, disk, terminal; no secrets. Exits 1 if a run would fail."""
    from unlearn_tui.report.sections import Grid
    from unlearn_tui.report.text import brief, safe

    checks = [Check(c.what, c.ok, brief(masked(c.found)), "" if c.ok else brief(masked(c.todo))) for c in _checks(home)]
    if json:
        console.show_json([c._asdict() for c in checks])
    else:
        rows = [(c.what, _state(c), safe(c.found), safe(c.todo)) for c in checks]
        console.show_grids([Grid("", ("", "", "found", "what to do"), rows, left=4)], plain)
    if any(_state(c) == "fail" for c in checks):
        raise Exit(1)


def _state(check: Check) -> str:
    return "ok" if check.ok else "fail" if check.what in FATAL else "warn"


def _checks(home: o.Home) -> Iterator[Check]:
    yield from looked("software", software.software)
    torch = looked("torch", software.libraries_that_load)
    yield from torch
    yield from looked("gpu", lambda: machine.cards(torch[0]))
    yield from looked("machine", machine.machine)
    yield from looked("home", lambda: places.places(home))
    yield from looked("terminal", terminal.terminal)
    yield from looked("network", terminal.network)
