"""What several screens do with runs and models: resume, replay, read a log. The work is done in threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from unlearn_tui.runs.directory import RunDir

if TYPE_CHECKING:
    from unlearn_tui.tui.app import UnlearnApp


def resume(app: UnlearnApp, rundir: RunDir, failed: Callable[[], object] = lambda: None) -> None:
    """Go on with a run as `unlearn-tui resume` does, then watch it; `failed` is told where it cannot be."""

    def job() -> None:
        from unlearn_tui.commands.preflight import check_resumable
        from unlearn_tui.commands.watch import settle
        from unlearn_tui.runs.launch import launch, wait_accepted

        check_resumable(rundir, app.home)
        settle(rundir)
        launch(rundir)
        wait_accepted(rundir)

    def refused(why: str) -> None:
        failed()
        app.say(why, "bad")

    app.say(f"starting the engine of {rundir.id} …")
    app.work(job, lambda _: app.open(rundir), refused, group=f"resume {rundir.id}")


def replay(app: UnlearnApp, rundir: RunDir) -> None:
    """See a run again as it happened, from its beginning."""
    from unlearn_tui.runs.replay import load
    from unlearn_tui.state.replay import Player, Tape, usual_speed

    def play(tape: Tape) -> None:
        app.open(rundir, "run", (tape, Player(usual_speed(tape))))
        if tape.ending:
            app.say(tape.ending, "warn")

    app.work(lambda: load(rundir), play, group="replay")


def read_log(app: UnlearnApp, rundir: RunDir, reason: str = "") -> None:
    """The end of the engine's own output as a page, and below it why the run ended."""
    from unlearn_tui.runs.overview import log_lines
    from unlearn_tui.tui.draw import pages

    def show(said: list[str]) -> None:
        app.read(f"engine.log of {rundir.id}", lambda width: pages.log(reason, said, width), end=True)

    app.work(lambda: log_lines(rundir), show, group="log")
