"""The Models screen: what can be unlearned, checked, compared, asked."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from unlearn_tui.report.sections import precision_label as label
from unlearn_tui.report.text import safe
from unlearn_tui.state import models as state
from unlearn_tui.state.listing import Listing, go, scrolled
from unlearn_tui.state.models import Models, Row
from unlearn_tui.tui.draw import models as drawing
from unlearn_tui.tui.lines import Line
from unlearn_tui.tui.views.listed import ListView

if TYPE_CHECKING:
    from pathlib import Path

    from unlearn_tui.runs.lineage import Found, Lineage
    from unlearn_tui.sources.fits import Room


class ModelsView(ListView):
    """The list of checkpoints with the pane about the one under the cursor."""

    name_: ClassVar[str] = "models"
    filter_at = drawing.FILTER_AT

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = Models()
        self.room: Room | None = None
        self._lineage: Lineage | None = None
        self._looking = False
        self._wanted = ""
        """The path or id of a row that the cursor goes to once it is there."""

    # -- being shown ---------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Rows of the last time at once, those of now when the disk has been read."""
        choices = self.app.settings.choices
        self.state = state.sorted_by(self.state, choices.get("models_sort", ""))
        self.state = state.with_precisions(self.state, choices.get("models_precisions") != "hidden")
        home = self.app.home
        self.app.work(lambda: _remembered(home), self._recall, group="models recalled")
        self.look()

    def _recall(self, rows: tuple[Row, ...]) -> None:
        if not self.state.rows:
            self._set(state.refreshed(self.state, rows))

    def look(self) -> None:
        """Read the disk in a thread, one look at a time."""
        if not self._looking:
            self._looking = True
            home, added = self.app.home, list(self.app.settings.folders)
            self.app.work(lambda: self._read(home, added), self._seen, self._unseen, group="models")

    def _read(self, home: Path, added: list[str]) -> Found:
        """In a thread: what there is now, kept for the next start."""
        from unlearn_tui.runs.lineage import Lineage

        self._lineage = self._lineage or Lineage(home)
        found = self._lineage.read(added)
        self._lineage.keep(found.rows)
        return found

    def _unseen(self, why: str) -> None:
        self._looking = False
        self.app.say(why, "bad")

    def _seen(self, found: Found) -> None:
        self._looking = False
        self.room = found.room
        fresh = self.state if found.rows == self.state.rows else state.refreshed(self.state, found.rows)
        wanted = next((row.id for row in fresh.rows if self._wanted in (row.path, row.ref)), "") if self._wanted else ""
        if wanted:
            self._wanted = ""
            fresh = replace(fresh, list=go(fresh.list, wanted))
        self._set(fresh)

    def _set(self, fresh: Models) -> None:
        """Another state: what can be pressed depends on the row under the cursor."""
        before, self.state = self.state.list.current, self._scrolled(fresh)
        self.redraw()
        if before != fresh.list.current:
            self.app.chrome()

    def _scrolled(self, fresh: Models) -> Models:
        width, height = self.size
        return replace(fresh, list=scrolled(fresh.list, drawing.list_height(fresh, width, height))) if height else fresh

    def draw(self, width: int, height: int) -> list[Line]:
        """The list, and the pane about the row under the cursor."""
        return drawing.draw(self.state, self.room, width, height, time.time(), self.editing)

    # -- the list ------------------------------------------------------------------------------------------------------

    @property
    def listing(self) -> Listing[Row]:
        """Rows and cursor."""
        return self.state.list

    def at(self, index: int) -> None:
        """The cursor goes to this row."""
        self._set(replace(self.state, list=replace(self.state.list, at=index)))

    def rows_shown(self) -> int:
        """Lines that the list has."""
        return drawing.list_height(self.state, self.size.width, self.size.height)

    def row_at(self, x: int, y: int) -> int | None:
        """The row painted at this cell."""
        return drawing.row_at(self.state, self.size.width, self.size.height, x, y)

    def words(self, words: str | None = None) -> str:
        """The filter."""
        if words is not None:
            self._set(state.filtered(self.state, words))
        return self.state.filter

    def action_sort(self) -> None:
        """The next order, kept for the next start."""
        sort = state.next_sort(self.state.sort)
        self._set(state.sorted_by(self.state, sort))
        self.app.remember(models_sort=sort)
        self.app.say(f"sorted {state.SORTS[sort]}")

    def action_fold(self) -> None:
        """Precisions shown or hidden, kept for the next start."""
        shown = not self.state.precisions
        self._set(state.with_precisions(self.state, shown))
        self.app.remember(models_precisions="shown" if shown else "hidden")

    def action_cancel(self) -> None:
        """Escape: leave the filter."""
        if self.state.filter:
            self.words("")

    # -- keys: the row under the cursor --------------------------------------------------------------------------------

    def _row(self) -> Row | None:
        """The checkpoint or run under the cursor, for a precision its run."""
        row = self.state.list.current
        return state.run_row(self.state, row) if row else None

    def can(self, action: str) -> bool:
        """What the row under the cursor allows."""
        row = self._row()
        own = row is not None and row.kind in state.OF_RUNS
        match action:
            case "choose":
                return row is not None and state.usable(row)
            case "check":
                return row is not None and state.usable(row) and row.kind != "shipped"
            case "compare" | "replay":
                return bool(row and row.run and row.scores)
            case "ask":
                return row is not None and state.usable(row) and row.kind != "hub"
            case "forget":
                return row is not None and row.added
            case "log":
                return own
            case "copy":
                return bool(row and (row.path or row.ref))
            case "fold":
                return any(r.kind == "quantized" for r in self.state.rows)
            case "export" | "sort" | "filter":
                return bool(self.state.rows)
        return True

    def action_choose(self) -> None:
        """Set up a run with it."""
        if row := self._row():
            self._start({"model": row.ref})

    def _start(self, values: dict[str, object], task: str = "unlearn") -> None:
        setup: Any = self.app.view("setup")
        setup.start_from(values, task)

    def action_check(self) -> None:
        """Against which target?"""
        from unlearn_tui.tui.dialogs import Option

        row = self._row()
        if row is None:
            return
        targets = state.partners(self.state, row)
        if not targets:
            self.app.say("no other checkpoint of this size is here: + adds its target", "warn")
            return
        ref, parent = row.ref, state.by_id(self.state, row.parent)
        options = [Option(t.ref, t.name, f"{t.kind}, {t.parameters / 1e6:,.1f} M") for t in targets]
        self.app.pick(
            f"{safe(row.name)} was unlearned from which target?",
            options,
            lambda target: self._start({"model": target, "unlearned": ref}, "check"),
            parent.ref if parent else "",
        )

    def action_compare(self) -> None:
        """The answers of its run, side by side."""
        from unlearn_tui.runs.directory import RunDir

        if (row := self._row()) and row.run:
            self.app.open(RunDir(self.app.home / "runs" / row.run), "compare")

    def action_replay(self) -> None:
        """Its run again as it happened."""
        from unlearn_tui.runs.directory import RunDir
        from unlearn_tui.tui.acting import replay

        if (row := self._row()) and row.run:
            replay(self.app, RunDir(self.app.home / "runs" / row.run))

    def action_forget(self) -> None:
        """Take what was added off the list."""
        from unlearn_tui.tui import adding

        if (row := self._row()) and row.added:
            adding.forget(self.app, row)
            self.look()

    def action_log(self) -> None:
        """What the engine of its run said last."""
        from unlearn_tui.runs.directory import RunDir
        from unlearn_tui.tui.acting import read_log

        if (row := self._row()) and row.run:
            read_log(self.app, RunDir(self.app.home / "runs" / row.run), "" if row.status == "scored" else row.reason)

    def action_copy(self) -> None:
        """Its path, or its name where it has none."""
        if row := self._row():
            self.app.copy(row.path or row.ref, "path" if row.path else "name")

    def action_export(self) -> None:
        """The rows that are shown."""
        from unlearn_tui.tui.tables import models

        self.app.export("models", {"models": models(self.state.list.rows)})

    # -- keys: adding --------------------------------------------------------------------------------------------------

    def action_add(self) -> None:
        """A folder, or one of the hub's well-known ids."""
        from unlearn_tui.tui import adding

        adding.ask(self.app, {row.name for row in self.state.rows if row.kind == "cache"}, self._added)

    def _added(self, ref: str) -> None:
        """It is in the settings now, or was listed already."""
        self._wanted = ref
        self._looking = False  # a look that began before knows nothing of it
        self.look()

    # -- keys: asking --------------------------------------------------------------------------------------------------

    def action_ask(self) -> None:
        """A question of one's own: Inspect asks it at every precision."""
        row = self._row()
        if row is None:
            return
        ref = row.run if row.kind in state.OF_RUNS else row.ref

        def done(question: str) -> str | None:
            if not question.strip():
                return "the question is empty: write one, or escape"
            inspect: Any = self.app.view("inspect")
            inspect.ask_model(ref, question)
            return None

        precisions = ", ".join(label(s.precision) for s in row.scores) or "FP16, INT8, INT4"
        self.app.prompt(f"ask {safe(row.name)}", "", done, f"asked as the questions on Compare are, at {precisions}")


def _remembered(home: Path) -> tuple[Row, ...]:
    # imported in a thread: the first paint does not wait for it
    from unlearn_tui.runs import lineage

    return lineage.remembered(home)
