"""What several screens do with runs and models: resume, ask, read a log. The work is done in threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from unlearn_tui.runs.directory import RunDir

if TYPE_CHECKING:
    from unlearn_tui.report.sections import Grid
    from unlearn_tui.runs.asking import Asking
    from unlearn_tui.tui.app import UnlearnApp


def resume(app: UnlearnApp, rundir: RunDir, failed: Callable[[], object] = lambda: None) -> None:
    """Go on with a run as `unlearn-tui resume` does, then watch it; `failed` is told where it cannot be."""

    def job() -> None:
        from unlearn_tui.commands.preflight import check_sources
        from unlearn_tui.commands.watch import settle
        from unlearn_tui.runs.launch import launch, wait_accepted

        check_sources(rundir.spec(), app.home)
        settle(rundir)
        launch(rundir)
        wait_accepted(rundir)

    def refused(why: str) -> None:
        failed()
        app.say(why, "bad")

    app.say(f"starting the engine of {rundir.id} …")
    app.work(job, lambda _: app.open(rundir), refused, group=f"resume {rundir.id}")


def read_log(app: UnlearnApp, rundir: RunDir, reason: str = "") -> None:
    """The end of the engine's own output as a page, and below it why the run ended."""
    from unlearn_tui.runs.overview import log_lines
    from unlearn_tui.tui.draw import pages

    def show(said: list[str]) -> None:
        app.read(f"engine.log of {rundir.id}", lambda width: pages.log(reason, said, width), end=True)

    app.work(lambda: log_lines(rundir), show, group="log")


def ask(app: UnlearnApp, ref: str, question: str, heard: Callable[[str], object], done: Callable[[], object]) -> Asking:
    """Ask a model, or both models of a run, and open the answers as a page. `heard` is told how far it is, `done` that
    it is over, however it ended.
    """
    from unlearn_tui.runs.asking import Asking

    asking, home = Asking(), app.home

    def show(grid: Grid | None) -> None:
        from unlearn_tui.tui.draw import pages

        done()
        if grid is not None:
            app.read("answers", lambda width: pages.answers(grid, width))

    def failed(why: str) -> None:
        done()
        app.say(why, "bad")

    app.work(
        lambda: _answer(asking, ref, home, question, lambda text: app.call_later(heard, text)), show, failed, "ask"
    )
    return asking


def _answer(asking: Asking, ref: str, home: Path, question: str, heard: Callable[[str], object]) -> Grid | None:
    """The answers as a table; None if it was cancelled. Raises Refused, or RuntimeError where the engine fails."""
    from unlearn_tui.report.asked import grid
    from unlearn_tui.runs.asking import Failed, models, request

    found, spec = models(ref, home)
    wanted = request(found, spec, question)
    try:
        answers = asking.answers(wanted, heard)
    except Failed as error:
        raise RuntimeError(str(error)) from error
    return None if asking.cancelled else grid(wanted, answers)
