"""The console entry: `unlearn-tui COMMAND`. Commands import what they need when they run, so that --help is quick.

Exit codes: 0 done, 1 the run failed, 2 refused before any work (one line on stderr), 130 and 143 for SIGINT and
SIGTERM, 141 when the reader of stdout has gone.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from unlearn_tui import __version__
from unlearn_tui.commands import ask, console, doctor, lists, run, runs
from unlearn_tui.commands import options as o
from unlearn_tui.errors import Refused
from unlearn_tui.report.text import brief

app = typer.Typer(
    name="unlearn-tui",
    help="See what quantization brings back after a language model was made to unlearn, and why.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        console.write(f"unlearn-tui {__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    mouse: Annotated[bool, typer.Option("--mouse/--no-mouse", help="Leave the mouse to the terminal.")] = True,
    ascii: Annotated[bool, typer.Option("--ascii", help="Draw the app with ASCII signs alone.")] = False,
    theme: Annotated[str, typer.Option("--theme", metavar="NAME", help="Its colours: F2 in the app lists them.")] = "",
    open_run: Annotated[
        str, typer.Option("--open", metavar="RUN", help="Begin with this run (an id, a unique beginning, or last).")
    ] = "",
    home: o.Home = None,
) -> None:
    """Without a command: the app, live in this terminal."""
    if context.invoked_subcommand:
        if not mouse or ascii or theme or open_run:
            raise Refused("--no-mouse, --ascii, --theme and --open are for the app: leave the command out, or them")
        if home is not None:
            os.environ["UNLEARN_TUI_HOME"] = str(home)
        return
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.tui.start import start

    raise typer.Exit(start(home_of(home), mouse, ascii, theme, open_run))


_COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Runs": (run.demo, run.run, run.check),
    "Looking": (runs.show, run.attach, ask.ask),
    "Tending": (run.resume, runs.stop, runs.export),
    "What there is": (lists.models, lists.methods, lists.precisions, lists.corpora, doctor.doctor),
}
for panel, commands in _COMMANDS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(runs.runs, name="runs", rich_help_panel="Tending")


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a sign shows ?, nothing breaks
            stream.reconfigure(errors="replace")
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(_run(args))


def _open_closed_streams() -> None:
    """Streams that the caller closed (`>&-`) go nowhere; their numbers must not fall to a run's files."""
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(free)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def _run(args: list[str] | None) -> int:
    try:
        code = app(args, prog_name="unlearn-tui", standalone_mode=False)
        console.write("")
        return code if isinstance(code, int) else 0
    except Refused as error:
        console.say(f"error: {brief(str(error))}")
        return 2
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        where = f"{str(error.filename)!r}: " if error.filename else ""
        console.say(f"error: {brief(where)}{error.strerror or error}")
        return 1
    except Exception as error:
        # usage errors of Typer and of the click it stands on, whichever version
        if not hasattr(error, "format_message"):
            raise
        command = getattr(getattr(error, "ctx", None), "command_path", None) or "unlearn-tui"
        said = brief(error.format_message().rstrip("."))
        console.say(f"error: {said} ({command} --help lists what there is)")
        return 2


if __name__ == "__main__":
    main()
