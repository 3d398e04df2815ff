"""replay: any recorded run again as it happened, in the app or as plain lines; from its directory alone."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option

from unlearn_tui.commands import options as o
from unlearn_tui.errors import Refused

if TYPE_CHECKING:
    from unlearn_tui.runs.directory import RunDir
    from unlearn_tui.state.replay import Player, Tape

Which = Annotated[
    str,
    Argument(
        metavar="RUN", help="demo (the recorded run that comes along), an id, a unique beginning, last, or a folder."
    ),
]


def replay(
    run: Which = "demo",
    speed: Annotated[
        float | None,
        Option("--speed", metavar="N", help="N times as fast as it was; else so that it takes less than a minute."),
    ] = None,
    start: Annotated[
        str, Option("--from", metavar="STAGE|N", help="Begin where this stage began, say unlearn, or at the Nth event.")
    ] = "",
    home: o.Home = None,
    plain: o.Plain = False,
) -> None:
    """A recorded run again as it happened: live screens and all, with no GPU, no torch and nothing to wait for."""
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.runs.replay import load
    from unlearn_tui.runs.store import find
    from unlearn_tui.state import replay as play

    if speed is not None and not play.SLOWEST <= speed <= play.FASTEST:
        raise Refused(f"--speed {speed:g}: give a number from {play.SLOWEST:g} to {play.FASTEST:g}, say 10", "speed")
    base = home_of(home)
    found = find(base, run)
    found.spec()
    tape = load(found)
    player = play.Player(speed or play.usual_speed(tape))
    if start:
        player = _placed(found, tape, player, start)
    if plain or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Exit(_plainly(found, tape, player, plain))
    from unlearn_tui.tui.start import start as open_app

    raise Exit(open_app(base, replay=(found, tape, player)))


def _placed(run: RunDir, tape: Tape, player: Player, start: str) -> Player:
    """Where --from says. Raises Refused where there is no such place."""
    from unlearn_tui.state import replay as play

    if start.isdecimal() and int(start) <= len(tape.events):
        return play.seek(tape, player, int(start))
    placed = play.stage_named(tape, player, start)
    if placed is None:
        names = ", ".join(play.stage_names(tape)) or "none"
        raise Refused(
            f"--from {start!r}: run {run.id} has {len(tape.events)} events, and the stages {names}: give one of these",
            "from",
        )
    return placed


def _plainly(run: RunDir, tape: Tape, player: Player, plain: bool) -> int:
    """The same lines, or the same live view, that a terminal had while it ran; then its result, as `show` gives it."""
    from unlearn_tui.commands.console import say
    from unlearn_tui.commands.present import results
    from unlearn_tui.commands.watch import Output, display, title
    from unlearn_tui.state.run import RunFold

    say(f"replay of run {run.id}, {player.speed:g} times as fast, silences of more than 2 s cut short")
    fold = RunFold().feed(tape.events[: player.played])
    begun = time.monotonic() - player.position / player.speed
    with display(title(run), Output(plain=plain)) as tell:
        for event, due in zip(tape.events[player.played :], tape.at[player.played :], strict=True):
            time.sleep(max(begun + due / player.speed - time.monotonic(), 0.0))
            tell(event, fold.feed((event,)).snapshot())
    if tape.ending:
        say(f"error: run {run.id}: {tape.ending}")
    results([run], plain)
    return 1 if tape.ending else 0
