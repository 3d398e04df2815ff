"""Where output goes: the result to stdout, everything else to stderr; nobody left to read is no fault."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

from unlearn_tui.report.text import safe

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from unlearn_tui.report.sections import Grid

PIPE_CLOSED = 141
"""128 + SIGPIPE: the reader of stdout has gone, as when piping into head."""


def write(text: str) -> None:
    """`text` to stdout, flushed. A closed pipe ends the program quietly with PIPE_CLOSED."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
        raise SystemExit(PIPE_CLOSED) from None


def say(text: str) -> None:
    """One safe line to stderr, for people."""
    try:
        print(safe(text), file=sys.stderr, flush=True)
    except OSError:
        silence(sys.stderr)


def silence(stream: IO[str]) -> None:
    """Let whatever is still buffered in `stream` go nowhere, so that the interpreter's exit is quiet too."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def rich_stdout(plain: bool) -> bool:
    """True where stdout is a terminal and nobody asked for plain text."""
    return not plain and sys.stdout.isatty()


def show(renderable: RenderableType) -> None:
    """Draw on stdout with Rich."""
    console = stdout_console()
    with console.capture() as capture:
        console.print(renderable)
    write(capture.get())


def stdout_console() -> Console:
    """A console that interprets no markup, no emoji and no highlights."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False, soft_wrap=False)


def show_grids(grids: Sequence[Grid], plain: bool) -> None:
    """Grids on stdout, drawn or as plain text."""
    from unlearn_tui.report import plain as text
    from unlearn_tui.report import tables

    for grid in grids:
        if rich_stdout(plain):
            show(tables.grid(grid))
        else:
            write(text.grid(grid) + "\n")


def show_json(value: Any) -> None:
    """One JSON value on stdout."""
    from unlearn_tui.report.outcome import to_json

    write(to_json(value))
