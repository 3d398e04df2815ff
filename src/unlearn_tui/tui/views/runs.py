"""The runs screen: live, finished, failed; watch, resume, stop, remove."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import ClassVar

from unlearn_tui.report.text import safe, size
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.overview import Overviews, row
from unlearn_tui.state import runs as state
from unlearn_tui.state.listing import Listing, scrolled
from unlearn_tui.state.runs import Run, Runs
from unlearn_tui.tui import acting
from unlearn_tui.tui.draw import runs as drawing
from unlearn_tui.tui.lines import Line
from unlearn_tui.tui.views.listed import ListView


class RunsView(ListView):
    """The list of runs with the pane about the one under the cursor."""

    name_: ClassVar[str] = "runs"
    filter_at = drawing.FILTER_AT
    interval = 2.0

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = Runs()
        self._loaded = False
        self._looking = False
        self._overviews: Overviews | None = None

    # -- being shown ---------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Nothing is read before it is shown."""
        self._overviews = Overviews(self.app.home)

    def look(self) -> None:
        """Read the disk in a thread, one look at a time."""
        if self._looking or self._overviews is None:
            return
        self._looking = True
        overviews = self._overviews
        self.app.work(lambda: [row(found) for found in overviews.read()], self._seen, self._unseen, group="runs")

    def _unseen(self, why: str) -> None:
        self._looking = False
        self.app.say(why, "bad")

    def _seen(self, rows: list[Run]) -> None:
        self._looking, self._loaded = False, True
        self._set(state.refreshed(self.state, rows))

    def _set(self, fresh: Runs) -> None:
        """Another state: what can be pressed depends on the run under the cursor."""
        before, self.state = self._can_now(), self._scrolled(fresh)
        self.redraw()
        if before != self._can_now():
            self.app.chrome()

    def _can_now(self) -> tuple[str, str]:
        run = self.state.list.current
        return (run.id, run.status) if run else ("", "")

    def _scrolled(self, fresh: Runs) -> Runs:
        width, height = self.size
        return replace(fresh, list=scrolled(fresh.list, drawing.list_height(fresh, width, height))) if height else fresh

    def draw(self, width: int, height: int) -> list[Line]:
        """The list, and the pane about the run under the cursor."""
        return drawing.draw(self.state, width, height, time.time(), self._loaded, self.editing)

    # -- the list ------------------------------------------------------------------------------------------------------

    @property
    def listing(self) -> Listing[Run]:
        """Runs and cursor."""
        return self.state.list

    def at(self, index: int) -> None:
        """The cursor goes to this run."""
        self._set(replace(self.state, list=replace(self.state.list, at=index)))

    def rows_shown(self) -> int:
        """Lines that the list has."""
        return drawing.list_height(self.state, self.size.width, self.size.height)

    def row_at(self, x: int, y: int) -> int | None:
        """The run painted at this cell."""
        return drawing.row_at(self.state, self.size.width, self.size.height, x, y)

    def words(self, words: str | None = None) -> str:
        """The filter."""
        if words is not None:
            self._set(state.filtered(self.state, words))
        return self.state.filter

    def action_cancel(self) -> None:
        """Escape leaves the filter."""
        if self.state.filter:
            self.words("")

    # -- keys: the run under the cursor --------------------------------------------------------------------------------

    def _run(self) -> tuple[Run, RunDir] | None:
        run = self.state.list.current
        return (run, RunDir(self.app.home / "runs" / run.id)) if run else None

    def can(self, action: str) -> bool:
        """What the run under the cursor allows."""
        run = self.state.list.current
        match action:
            case "open" | "log" | "copy":
                return run is not None
            case "resume":
                return run is not None and state.can_resume(run)
            case "replay":
                return run is not None and not run.live and run.status != "new"
            case "compare":
                return run is not None and (run.live or run.status == "finished")
            case "stop":
                return run is not None and run.live
            case "remove":
                return run is not None and not run.live
            case "export" | "filter":
                return bool(self.state.rows)
        return True

    def action_open(self) -> None:
        """A finished run's answers; any other as it runs, or ran."""
        if found := self._run():
            self.app.open(found[1], "compare" if found[0].status == "finished" else "run")

    def action_compare(self) -> None:
        """The answers side by side, as far as there are any."""
        if found := self._run():
            self.app.open(found[1], "compare")

    def action_replay(self) -> None:
        """Again as it happened."""
        if found := self._run():
            acting.replay(self.app, found[1])

    def action_resume(self) -> None:
        """Go on from the last save, and watch."""
        if found := self._run():
            acting.resume(self.app, found[1])

    def action_stop(self) -> None:
        """After its current step."""
        from unlearn_tui.protocol.commands import Stop
        from unlearn_tui.runs.control import send

        if found := self._run():
            id, rundir = found[0].id, found[1]

            def told(text: str) -> None:
                self.app.say(text or f"{id} stops after its current step")
                self.look()

            self.app.work(lambda: send(rundir, Stop()).text, told, group="stop")

    def action_sweeps(self) -> None:
        """Grids of runs."""
        self.app.switch("sweeps")

    def action_remove(self) -> None:
        """Only after a question, and never a live one."""
        if found := self._run():
            run, rundir = found
            kept = "its answers and its unlearned model" if run.status == "finished" else "what it saved"
            question = f"Remove {safe(run.id)} with {kept}? This frees {size(run.size)} and cannot be undone."
            self.app.confirm(question, lambda: self._remove(rundir), "remove")

    def _remove(self, rundir: RunDir) -> None:
        from unlearn_tui.runs import store

        def gone(_: None) -> None:
            self.app.say(f"{rundir.id} is removed")
            self._looking = False  # a look that began before still saw it
            self.look()

        self.app.close(rundir)
        self.app.work(lambda: store.remove(rundir), gone, group="remove")

    def action_log(self) -> None:
        """What its engine said last."""
        if found := self._run():
            acting.read_log(self.app, found[1], found[0].reason)

    def action_copy(self) -> None:
        """Its id: what every command takes."""
        if found := self._run():
            self.app.copy(found[0].id, "id")

    def action_export(self) -> None:
        """The runs that are shown."""
        from unlearn_tui.tui.tables import runs

        self.app.export("runs", {"runs": runs(self.state.list.rows)})
