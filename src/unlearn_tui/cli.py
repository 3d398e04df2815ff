"""The console entry: `unlearn-tui COMMAND`. Commands import what they need when they run, so that --help is quick.

Exit codes: 0 done, 1 the run failed or something that nobody foresaw, 2 refused before any work (one line on stderr),
130 and 143 for SIGINT and SIGTERM, 141 when the reader of stdout has gone.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from unlearn_tui import __version__
from unlearn_tui.commands import console, unforeseen
from unlearn_tui.errors import Refused
from unlearn_tui.report.text import brief

COMMANDS: dict[str, dict[str, tuple[str, str]]] = {
    "Runs": {
        "demo": ("run:demo", "See answers that unlearning removed come back at 4 bits, and a control."),
        "run": ("run:run", "Unlearn a model, quantize it, see what comes back."),
        "check": ("run:check", "Has a model that somebody else unlearned truly forgotten?"),
        "memorise": ("run:memorise", "Teach a model a corpus: a target to be unlearned."),
        "sweep": ("sweep:sweep", "A grid of runs over methods, rates, seeds; goes on where it was."),
    },
    "Looking": {
        "show": ("runs:show", "The result of a run, or how far it has come."),
        "attach": ("run:attach", "Watch a run that is going on, from any terminal."),
        "replay": ("replay:replay", "A recorded run again as it happened; demo is one that comes along."),
        "ask": ("ask:ask", "Ask a question at every precision, answers side by side."),
        "table": ("table:table", "The paper's tables, with the figures of your own runs."),
        "map": ("map:map_", "Where knowledge returns: learning rate by quantizer by update mode."),
        "report": ("report:report", "Write a run as one HTML page, or as Markdown."),
        "serve": ("serve:serve", "Open the app in a browser."),
    },
    "Tending": {
        "resume": ("run:resume", "Go on with a run that was stopped, failed or killed."),
        "stop": ("runs:stop", "Stop a run after its current step."),
        "quantize": ("quantize:quantize", "Write a model quantized, as a folder that transformers loads."),
        "export": ("runs:export", "Write a run's unlearned checkpoint as a folder."),
        "runs": ("runs:runs", "List runs; rm, prune and du remove and measure them."),
    },
    "What there is": {
        "models": ("lists:models", "Checkpoints on this machine."),
        "methods": ("lists:methods", "Unlearning methods and update modes."),
        "precisions": ("lists:precisions", "Precisions and quantizers."),
        "metrics": ("lists:metrics", "Scores, and what they are."),
        "corpora": ("corpora:corpora", "Corpora of forget and retain texts; check PATH reads your own."),
        "doctor": ("doctor:doctor", "What this machine offers, and what is wrong with it."),
    },
}
"""Panel, command, and where it is: a command's module is imported when it is called, so that --help is quick."""
PLACES = {name: place for panel in COMMANDS.values() for name, (place, _) in panel.items()}


class Commands(TyperGroup):
    """The commands of COMMANDS, each built when it is asked for."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        # for what Typer says of a misspelt name
        self.commands = dict.fromkeys(PLACES, TyperGroup())

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in the order of the help."""
        return list(PLACES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and build one."""
        if cmd_name not in PLACES:
            return None
        from importlib import import_module

        module, name = PLACES[cmd_name].split(":")
        found = getattr(import_module(f"unlearn_tui.commands.{module}"), name)
        if not isinstance(found, typer.Typer):
            # without a callback of its own a single command would lose its name
            single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings=SETTINGS)
            single.command(cmd_name)(found)
            found = single
        return typer.main.get_command(found)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """One section a panel."""
        for panel, commands in COMMANDS.items():
            with formatter.section(panel):
                formatter.write_dl([(name, said) for name, (_, said) in commands.items()])


SETTINGS = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    name="unlearn-tui",
    cls=Commands,
    help="See what quantization brings back after a language model was made to unlearn, and why.",
    add_completion=False,
    pretty_exceptions_enable=False,
    # Rich takes as long to load as all the rest of --help; the help of each command is drawn with it
    rich_markup_mode=None,
    context_settings=SETTINGS,
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
    home: Annotated[
        Path | None,
        typer.Option(
            "--home", metavar="DIR", help="Where runs live (else $UNLEARN_TUI_HOME, else the user data folder)."
        ),
    ] = None,
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


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a sign shows ?, nothing breaks
            stream.reconfigure(errors="replace")
    unforeseen.in_threads()
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
        if error.errno is None:  # a library's own, which says nothing of a file or a disk
            return unforeseen.told(error)
        unforeseen.debug(error)
        where = f"{str(error.filename)!r}: " if error.filename else ""
        console.say(f"error: {brief(where)}{error.strerror or error}")
        return 1
    except Exception as error:
        # usage errors of Typer and of the click it stands on, whichever version
        if not hasattr(error, "format_message"):
            return unforeseen.told(error)
        command = getattr(getattr(error, "ctx", None), "command_path", None) or "unlearn-tui"
        said = brief(error.format_message().rstrip("."))
        console.say(f"error: {said} ({command} --help lists what there is)")
        return 2


if __name__ == "__main__":
    main()
