"""From the command line into the app, and back: what is left on the terminal when it closes."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from unlearn_tui.errors import Refused

if TYPE_CHECKING:
    from unlearn_tui.runs.directory import RunDir
    from unlearn_tui.state.replay import Player, Tape


def start(
    home: Path,
    mouse: bool = True,
    ascii: bool = False,
    theme: str = "",
    run: str = "",
    replay: tuple[RunDir, Tape, Player] | None = None,
) -> int:
    """Open the app, with a run or a `replay` of one, and return its exit code; a fault of the app's is 1 and one line.

    Raises Refused where there is no terminal to open it on, or no such run.
    """
    served = "TEXTUAL_DRIVER" in os.environ  # in a browser: stdin and stdout are the page's
    if not served and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused("the app needs a terminal: run it in one, or use the commands (unlearn-tui --help)")
    from unlearn_tui.runs.store import run_dirs
    from unlearn_tui.tui import settings
    from unlearn_tui.tui.app import UnlearnApp

    rundir = replay[0] if replay else None
    if run:
        from unlearn_tui.runs.store import find

        rundir = find(home, run)
    app = UnlearnApp(home, ascii, "run" if rundir else "models", rundir, theme, replay[1:] if replay else None)
    app.begins_with_tour = rundir is None and not app.settings.choices.get(settings.TOUR) and not run_dirs(home)
    if theme and theme not in app.available_themes:
        from unlearn_tui import catalog

        raise Refused(f"unknown theme {theme!r}: {catalog.nearest(theme, sorted(app.available_themes))}", "theme")
    fault: Exception | None = None
    with _given_back():
        threading.excepthook = app.fault_in_thread
        try:
            code = app.run(mouse=mouse)
        except Exception as error:  # in closing down, where Textual listens no more
            fault = error
            app.let_go()
    if fault := app.fault or fault:
        from unlearn_tui.commands.unforeseen import told

        return told(fault, home, "; runs go on")
    if app.return_code in (None, 0) and not served:
        leave(app)
    return code if code is not None else app.return_code or 0


@contextlib.contextmanager
def _given_back() -> Iterator[None]:
    """Whatever happens inside, the terminal echoes and edits lines after as it did before, and threads end as before."""
    before, hook = None, threading.excepthook
    with contextlib.suppress(termios.error, ValueError, OSError):
        before = termios.tcgetattr(sys.stdin.fileno())
    try:
        yield
    finally:
        threading.excepthook = hook
        with contextlib.suppress(termios.error, ValueError, OSError):
            if before is not None and termios.tcgetattr(sys.stdin.fileno()) != before:
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, before)


def leave(app: object) -> None:
    """The table of the run that was read last, and which runs go on."""
    from unlearn_tui.commands import console, present
    from unlearn_tui.commands.survey import is_usual
    from unlearn_tui.runs.store import live_ids
    from unlearn_tui.tui.app import UnlearnApp

    assert isinstance(app, UnlearnApp)
    live = live_ids(app.home)
    ended = [run for run in app.seen if run.id not in live and run.path.exists()]
    if ended:
        try:
            present.results(ended[-1:], brief=True)
        except Refused as error:
            console.say(str(error))
    home = "" if is_usual(app.home) else f" --home {shlex.quote(str(app.home))}"
    for id in live:
        console.say(f"run {id} goes on: open unlearn-tui{home} again, or")
        console.say(f"  unlearn-tui attach {id}{home}")
