"""The sweeps screen: which grids of runs there are, how their cells stand, what came back where."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, ClassVar

from unlearn_tui.runs import sweeps
from unlearn_tui.runs.overview import Overviews
from unlearn_tui.state import sweeps as state
from unlearn_tui.state.listing import Listing, scrolled
from unlearn_tui.state.recovery_map import build, metrics
from unlearn_tui.state.sweep import SweepState
from unlearn_tui.state.sweeps import Sweeps
from unlearn_tui.tui.draw import sweeps as drawing
from unlearn_tui.tui.lines import Line
from unlearn_tui.tui.views.listed import ListView


class SweepsView(ListView):
    """The list of sweeps, and the grid of the one under the cursor."""

    name_: ClassVar[str] = "sweeps"
    interval = 2.0

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = Sweeps()
        self._loaded = self._looking = False
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
        overviews, home = self._overviews, self.app.home
        self.app.work(lambda: sweeps.states(home, overviews.read()), self._seen, self._unseen, group="sweeps")

    def _unseen(self, why: str) -> None:
        self._looking = False
        self.app.say(why, "bad")

    def _seen(self, rows: list[SweepState]) -> None:
        self._looking, self._loaded = False, True
        self._set(state.refreshed(self.state, rows))

    def _set(self, fresh: Sweeps) -> None:
        height = self.size.height
        if height:
            grid = scrolled(fresh.grid, drawing.grid_height(fresh, height))
            fresh = replace(fresh, grid=grid, sweeps=scrolled(fresh.sweeps, drawing.listed(fresh)))
        self.state = fresh
        self.redraw()
        self.app.chrome()

    def draw(self, width: int, height: int) -> list[Line]:
        """List, grid, and the map where there is room."""
        return drawing.draw(self.state, width, height, time.time(), self._loaded)

    # -- moving --------------------------------------------------------------------------------------------------------

    @property
    def listing(self) -> Listing[Any]:
        """Where the cursor moves: the sweeps, or the rows of the grid."""
        return self.state.grid if self.state.inside else self.state.sweeps

    def at(self, index: int) -> None:
        """The cursor goes to this row."""
        if self.state.inside:
            self._set(replace(self.state, grid=replace(self.state.grid, at=index)))
        else:
            self._set(state.entered(replace(self.state, sweeps=replace(self.state.sweeps, at=index), seed=0)))

    def rows_shown(self) -> int:
        """Lines of the list, or of the grid."""
        return drawing.grid_height(self.state, self.size.height) if self.state.inside else drawing.listed(self.state)

    def row_at(self, x: int, y: int) -> int | None:
        """The row painted at this cell; a click moves between list and grid as well."""
        from unlearn_tui.tui.draw.table import index_at

        top = drawing.grid_top(self.state)
        inside = y >= top
        height = drawing.grid_height(self.state, self.size.height) if inside else drawing.listed(self.state)
        rows: Listing[Any] = self.state.grid if inside else self.state.sweeps
        index = index_at(rows, height, y - (top if inside else 2))
        if index is not None:
            self.state = replace(self.state, inside=inside)
        return index

    def action_left(self) -> None:
        """The seed before."""
        self._set(state.sideways(self.state, -1))

    def action_right(self) -> None:
        """The next seed."""
        self._set(state.sideways(self.state, 1))

    def action_other(self) -> None:
        """From the list into the grid, and back."""
        self._set(state.entered(replace(self.state, inside=not self.state.inside)))

    def action_cancel(self) -> None:
        """Escape: out of the grid, then back to the runs."""
        if self.state.inside:
            self._set(replace(self.state, inside=False))
        else:
            self.app.switch("runs")

    # -- keys ----------------------------------------------------------------------------------------------------------

    def can(self, action: str) -> bool:
        """What the sweep and the cell under the cursors allow."""
        sweep, own = self.state.sweep, self.state.cell
        match action:
            case "open":
                return sweep is not None and not sweep.fault and (not self.state.inside or bool(own and own.run))
            case "other" | "precision" | "copy" | "export":
                return sweep is not None and not sweep.fault
            case "left" | "right":
                return self.state.inside
            case "map":
                return sweep is not None and bool(metrics(sweep))
            case "resume":
                return sweep is not None and not sweep.fault and not sweep.complete and not sweep.driver
            case "stop":
                return sweep is not None and sweep.running is not None
        return True

    def action_open(self) -> None:
        """Into the grid; there, the cell's run."""
        if not self.state.inside:
            self.action_other()
            return
        own = self.state.cell
        if own is not None and own.run:
            view = "compare" if own.status == "finished" else "run"
            self.app.open(sweeps.rundir(self.app.home, own), view)

    def action_precision(self) -> None:
        """Figures at the next precision."""
        self._set(state.next_precision(self.state))

    def action_map(self) -> None:
        """The recovery map as a page."""
        sweep = self.state.sweep
        if sweep is not None:
            found = build(sweep)
            self.app.read(f"recovery map of {sweep.id}", lambda width: drawing.map_lines(found, width))

    def action_resume(self) -> None:
        """Go on with the sweep in a process of its own."""
        sweep = self.state.sweep
        if sweep is None:
            return
        home, id = self.app.home, sweep.id

        def begun(_: None) -> None:
            self.app.say(f"{id} goes on: q leaves, the sweep does not stop")
            self.look()

        self.app.say("checking models, corpus and disk …")
        self.app.work(lambda: sweeps.start(home, id), begun, group="sweep")

    def action_stop(self) -> None:
        """The run at work after its step; the sweep ends with it."""
        from unlearn_tui.protocol.commands import Stop
        from unlearn_tui.runs.control import send

        own = self.state.sweep.running if self.state.sweep else None
        if own is not None:
            rundir = sweeps.rundir(self.app.home, own)

            def told(text: str) -> None:
                self.app.say(text or f"{own.run} stops after its current step, and the sweep with it")
                self.look()

            self.app.work(lambda: send(rundir, Stop()).text, told, group="stop")

    def action_copy(self) -> None:
        """The command that goes on with it."""
        if self.state.sweep is not None:
            self.app.copy(f"unlearn-tui sweep {self.state.sweep.id}", "command")

    def action_export(self) -> None:
        """Its cells, and the map where there is one."""
        from unlearn_tui.report import sweep_files

        sweep = self.state.sweep
        if sweep is not None:
            tables = {"cells": sweep_files.cells(sweep)}
            if metrics(sweep):
                tables["map"] = sweep_files.recovery(build(sweep))
            self.app.export("sweep", tables)
