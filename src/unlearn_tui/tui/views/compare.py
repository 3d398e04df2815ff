"""Compare: reads the answers of the opened run in a thread, turns keys into operations on CompareState."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from unlearn_tui.state import compare as ops
from unlearn_tui.state.compare import CompareState
from unlearn_tui.state.table import Table
from unlearn_tui.tui.draw import compare as drawing
from unlearn_tui.tui.draw.answers import column_name
from unlearn_tui.tui.draw.compare_detail import as_text, page
from unlearn_tui.tui.draw.compare_parts import Frame, title
from unlearn_tui.tui.lines import Line, fit
from unlearn_tui.tui.view import View
from unlearn_tui.tui.views.compare_files import exported, main_metric, prompts, read_table, why

if TYPE_CHECKING:
    from unlearn_tui.protocol.answers import Answer

NEED_ROW = ("open", "inspect", "diff", "copy", "export", "up", "down", "page_up", "page_down", "first", "last")


class CompareView(View):
    """The grid, and what was read for it. `_read` keeps the columns on disk, so that a new score reads only its own."""

    name_: ClassVar[str] = "compare"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state: CompareState | None = None
        self._run: Path | None = None
        self._metric = ""
        self._wanted: Hashable = None
        """What the table on screen, or the one being read, was made from."""
        self._read: dict[Hashable, dict[int, Answer]] = {}
        self._frame: Frame | None = None
        self._typing = False

    # -- reading -------------------------------------------------------------------------------------------------------

    def shown(self) -> None:
        """In front again: the run may have more scores, or be another."""
        self._look()

    def told(self) -> None:
        """News of the run: a new score brings a column."""
        self._look()

    def _look(self) -> None:
        """Read the answers of the set in view if they are not the ones that are shown."""
        opened = self.app.opened
        path = opened.rundir.path if opened else None
        if path != self._run:
            self._run, self._metric, self._wanted, self.state, self._read = path, "", None, None, {}
        metrics = self._metrics()
        if opened is None or opened.result is None or not metrics:
            if opened is not None and opened.replay is not None:  # it was moved back to before the first score
                self.state = self._wanted = None
                self.app.chrome()
            self.redraw()
            return
        if self._metric not in metrics:
            self._metric = main_metric(opened.result, metrics)
        metric, result, run = self._metric, opened.result, opened.rundir.path
        keys = [(s.model, s.precision, s.value, s.ci_low, s.ci_high) for s in result.scores if s.metric == metric]
        verdicts = [(r.precision, r.share, r.verdict) for r in result.recovery if r.metric == metric]
        wanted = (metric, *keys, *verdicts)
        if wanted != self._wanted:
            self._wanted = wanted
            read = self._read
            self.app.work(lambda: read_table(run, result, metric, read), self._have, group="compare")
        self.redraw()

    def _have(self, table: Table) -> None:
        choices = self.app.settings.choices
        if table.metric != self._metric or self._wanted is None:
            return
        if self.state is None:
            sort, pane = choices.get("compare_sort", ""), choices.get("compare_pane", "")
            self.state = ops.start(table, sort, choices.get("compare_changed") == "yes", pane)
        else:
            self.state = ops.carried(self.state, table)
        self._changed()

    def _metrics(self) -> list[str]:
        """The sets of prompts that have a score: forget questions, retain questions, passages. Where two groups of texts
        are told apart nothing is answered, so that there is nothing to line up.
        """
        from unlearn_tui.catalog import AGGREGATES
        from unlearn_tui.report.sections import is_groups

        result = self.app.opened.result if self.app.opened else None
        metrics = dict.fromkeys(s.metric for s in result.scores if s.metric not in AGGREGATES) if result else {}
        return [m for m in metrics if not is_groups(m)]

    def metrics_shown(self) -> list[str]:
        """The set of prompts in view."""
        return [self.state.table.metric] if self.state is not None else []

    # -- drawing -------------------------------------------------------------------------------------------------------

    def draw(self, width: int, height: int) -> list[Line]:
        """The grid, or why there is none."""
        state = self.state
        if state is None or not state.table.rows:
            return drawing.empty("answers side by side", why(self.app.opened, state, self._metrics()), width, height)
        self._frame = drawing.frame(state, width, height, ascii=self.app.ascii)
        self.state = self._frame.state
        lines = self._frame.lines
        if self._typing:
            lines[0] = fit(title(self.state, width, [("/", "key"), (" " * (self._filter_room + 1), "")]), width)
        return lines

    def _changed(self) -> None:
        self.redraw()
        self.app.chrome()

    def _apply(self, operation: Callable[[CompareState], CompareState]) -> None:
        if self.state is not None:
            self.state = operation(self.state)
            self.redraw()

    # -- keys ----------------------------------------------------------------------------------------------------------

    def can(self, action: str) -> bool:
        """Nearly everything needs a prompt."""
        if action == "ask":
            return self.app.opened is not None
        if action in ("set", "cancel"):
            return action == "cancel" or len(self._metrics()) > 1
        if self.state is None or not self.state.table.rows:
            return False
        if action in ("next", "previous"):
            return bool(self.state.find)
        return bool(self.state.order) or action not in NEED_ROW

    def action_up(self) -> None:
        """One prompt up."""
        self._apply(lambda s: ops.moved(s, -1))

    def action_down(self) -> None:
        """One prompt down."""
        self._apply(lambda s: ops.moved(s, 1))

    def action_page_up(self) -> None:
        """A screenful up."""
        self._apply(lambda s: ops.moved(s, -self._page))

    def action_page_down(self) -> None:
        """A screenful down."""
        self._apply(lambda s: ops.moved(s, self._page))

    def action_first(self) -> None:
        """The first prompt."""
        self._apply(lambda s: ops.moved(s, -len(s.order)))

    def action_last(self) -> None:
        """The last prompt."""
        self._apply(lambda s: ops.moved(s, len(s.order)))

    def action_left(self) -> None:
        """One column to the left."""
        self._apply(lambda s: ops.moved_column(s, -1))

    def action_right(self) -> None:
        """One column to the right."""
        self._apply(lambda s: ops.moved_column(s, 1))

    def point(self, model: str, precision: str) -> bool:
        """Move to this column; False while it is not there."""
        at = self.state.table.at((model, precision)) if self.state is not None else -1
        self._apply(lambda s: replace(s, column=at) if at >= 0 else s)
        return at >= 0

    @property
    def _page(self) -> int:
        return max(self._frame.page if self._frame else 1, 1)

    def action_open(self) -> None:
        """Read every answer to this prompt in full."""
        state = self.state
        if state is not None and state.row is not None:
            row, ascii = state.row, self.app.ascii
            self.app.read(f"prompt {row.index}", lambda width: page(state, row, width, ascii))

    def action_inspect(self) -> None:
        """This prompt on Inspect, which steps through the rows that are shown here."""
        state, opened = self.state, self.app.opened
        if state is not None and opened is not None and state.order:
            inspect: Any = self.app.view("inspect")
            inspect.step_through(opened.rundir, prompts(state), state.cursor)

    def action_ask(self) -> None:
        """A question of one's own to the models of this run."""
        if self.app.opened is not None:
            inspect: Any = self.app.view("inspect")
            inspect.ask_about(self.app.opened.rundir)

    def action_set(self) -> None:
        """The next set of prompts."""
        metrics = self._metrics()
        if metrics:
            at = metrics.index(self._metric) + 1 if self._metric in metrics else 0
            self._metric = metrics[at % len(metrics)]
            self._look()

    def action_metric(self) -> None:
        """The next number: F1, recall, precision, exact match."""
        self._apply(ops.next_measure)

    def action_sort(self) -> None:
        """The next order."""
        self._apply(ops.next_sort)
        if self.state is not None:
            self.app.remember(compare_sort=self.state.sort)

    def action_changed(self) -> None:
        """Only prompts that some column answers differently than full precision, or all."""
        self._apply(lambda s: ops.only_changed(s, not s.changed))
        if self.state is not None:
            self.app.remember(compare_changed="yes" if self.state.changed else "no")
            self.app.chrome()

    def action_pane(self) -> None:
        """Answers, picture of all scores, nothing."""
        self._apply(ops.next_pane)
        if self.state is not None:
            self.app.remember(compare_pane=self.state.pane)

    def action_diff(self) -> None:
        """Answers word by word against the base, or as they are."""
        state = self.state
        if state is None:
            return
        if state.base < 0:
            self.app.say("no column to compare with yet: space on a column makes it the base", "warn")
            return
        # in the compact grid a difference can only be seen below it
        pane = state.pane if state.diff or self.size.width >= drawing.WIDE[0] else "answers"
        self._apply(lambda s: replace(s, diff=not s.diff, pane=pane))
        if not state.diff:
            name = column_name(state.table.columns[state.base])
            self.app.say(f"word by word against ● {name}; space pins another column as base")

    def action_pin(self) -> None:
        """This column as the base of the diff."""
        self._apply(ops.pinned)
        if self.state is not None and self.state.base >= 0:
            self.app.say(f"base of the diff: ● {column_name(self.state.table.columns[self.state.base])}")

    def action_filter(self) -> None:
        """Type a text; the rows follow every keystroke. Enter keeps it, escape takes it back."""
        state = self.state
        if state is None:
            return

        def live(text: str) -> None:
            self._apply(lambda s: ops.filtered(s, text))

        def done(text: str) -> None:
            self._typing = False
            live(text)
            self.app.chrome()

        def cancel() -> None:
            self._typing = False
            self._apply(lambda s: replace(ops.filtered(s, state.filter), find=state.find))

        room, self._typing = self._filter_room, True
        self.edit(self.size.width - room - 1, 0, room, state.filter, done, cancel, live)
        self.redraw()

    @property
    def _filter_room(self) -> int:
        return max(self.size.width // 4, 8)

    def action_cancel(self) -> None:
        """Escape: all rows again."""
        if self.state is not None and self.state.filter:
            self._apply(lambda s: ops.filtered(s, ""))
            self._changed()

    def action_next(self) -> None:
        """The next prompt with the text searched for."""
        self._search(1)

    def action_previous(self) -> None:
        """The prompt before with the text searched for."""
        self._search(-1)

    def _search(self, by: int) -> None:
        found = ops.next_match(self.state, by) if self.state is not None else None
        if found is not None:
            self.state = found
            self.redraw()
        elif self.state is not None:
            self.app.say(f"no row that is shown has “{self.state.find}” in it", "warn")

    def action_copy(self) -> None:
        """The prompt with every answer."""
        if self.state is not None and self.state.row is not None:
            self.app.copy(as_text(self.state, self.state.row), f"prompt {self.state.row.index} with its answers")

    def action_export(self) -> None:
        """The rows that are shown, one line for every answer; and the means."""
        state, run = self.state, self._run
        if state is not None and run is not None:
            name = f"{run.name}-{state.table.metric}"
            self.app.work(lambda: exported(state), lambda tables: self.app.export(name, tables), group="compare export")

    # -- mouse ---------------------------------------------------------------------------------------------------------

    def clicked(self, x: int, y: int) -> None:
        """The prompt and the column of this cell."""
        if self._frame is None or self.state is None:
            return
        at, columns = self._frame.rows.get(y), [c for first, c in self._frame.columns if first <= x]
        heads = min(self._frame.rows, default=0)
        if at is not None and at < len(self.state.order):
            self._apply(lambda s: replace(s, cursor=at))
        if columns and (at is not None or y < heads) and columns[-1] < len(self.state.table.columns):
            self._apply(lambda s: replace(s, column=columns[-1]))

    def scrolled(self, by: int) -> None:
        """The wheel moves the cursor."""
        self._apply(lambda s: ops.moved(s, by))
