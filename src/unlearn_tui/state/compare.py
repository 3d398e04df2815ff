"""CompareState: which prompts are shown in which order, and where the cursor is; every operation gives a new state.

Sorting and filtering pass once over the rows (10,000 in milliseconds); moving touches none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from unlearn_tui.state.table import Key, Row, Table, fold

SORTS = {
    "recovered": "most recovered",
    "index": "index",
    "target": "target score",
    "column": "score of a column",
    "prompt": "alphabetical",
}
PANES = ("answers", "scores", "none")
"""What stands under the grid: the chosen prompt's answers, the picture of all scores, nothing."""


@dataclass(frozen=True)
class CompareState:
    """`ranked`: all rows in the order of `sort`; `order`: those of them that are shown; both positions in table.rows.

    `cursor` is a position in `order`, `top` the first of them on screen, `column` a position in table.columns.
    """

    table: Table
    ranked: tuple[int, ...] = ()
    order: tuple[int, ...] = ()
    sort: str = "recovered"
    by: Key | None = None
    """The column of sort "column"."""
    filter: str = ""
    find: str = ""
    """The last text that was searched for: what next and previous look for."""
    changed: bool = False
    cursor: int = 0
    top: int = 0
    column: int = 0
    left: int = 0
    """Columns scrolled out at the left, the base not counted."""
    pin: Key | None = None
    """The base of the diff; None: the unlearned model at full precision."""
    measure: str = "f1"
    diff: bool = False
    pane: str = "answers"

    @property
    def row(self) -> Row | None:
        """The prompt under the cursor."""
        return self.table.rows[self.order[self.cursor]] if self.order else None

    @property
    def base(self) -> int:
        """The column that others are compared with in a diff, -1 without any."""
        pinned = self.table.at(self.pin) if self.pin else -1
        return pinned if pinned >= 0 else self.table.base

    @property
    def narrowed(self) -> bool:
        """Whether rows are left out."""
        return bool(self.filter or self.changed)


def start(table: Table, sort: str = "recovered", changed: bool = False, pane: str = "answers") -> CompareState:
    """The state a table is first shown in: the column under the cursor is the one that gave back most."""
    state = CompareState(
        table,
        sort=sort if sort in SORTS and sort != "column" else "recovered",
        changed=changed,
        pane=pane if pane in PANES else PANES[0],
        column=max(table.quantizer(-1), 0),
    )
    return _ranked(state)


def carried(old: CompareState, table: Table) -> CompareState:
    """`old`'s choices, prompt and column under the cursor on a newer or another table."""
    row, key = old.row, old.table.columns[old.column] if old.table.columns else None
    column = table.at(key) if key else -1
    new = replace(old, table=table, column=column if column >= 0 else max(table.quantizer(-1), 0), order=(), ranked=())
    if new.measure not in table.measures:
        new = replace(new, measure="f1")
    if new.sort == "column" and (new.by is None or table.at(new.by) < 0):
        new = replace(new, sort="recovered", by=None)
    new = _ranked(new)
    # another metric's prompt 7 is another prompt
    same = table.metric == old.table.metric
    return _kept(new, row) if same and row else replace(new, cursor=0, top=0)


def sorted_by(state: CompareState, sort: str) -> CompareState:
    """In another order, from its top; "column" takes the column under the cursor."""
    by = state.table.columns[state.column] if sort == "column" and state.table.columns else None
    return replace(_ranked(replace(state, sort=sort, by=by)), cursor=0, top=0)


def next_sort(state: CompareState) -> CompareState:
    """The next of SORTS."""
    return sorted_by(state, _after(list(SORTS), state.sort))


def filtered(state: CompareState, text: str) -> CompareState:
    """Only rows whose prompt, gold or any answer has `text` in it, whatever its case."""
    wanted = text.strip()
    pool = state.order if fold(state.filter) in fold(wanted) else state.ranked
    new = replace(state, filter=wanted, find=wanted or state.find)
    return _kept(replace(new, order=_narrowed(new, pool)), state.row)


def only_changed(state: CompareState, changed: bool) -> CompareState:
    """Only rows in which some column says something else than full precision, or all of them."""
    new = replace(state, changed=changed)
    return _kept(replace(new, order=_narrowed(new, new.ranked)), state.row)


def moved(state: CompareState, by: int) -> CompareState:
    """The cursor so many rows down, stopping at the ends."""
    return replace(state, cursor=max(0, min(state.cursor + by, len(state.order) - 1)))


def moved_column(state: CompareState, by: int) -> CompareState:
    """The cursor so many columns to the right, stopping at the ends."""
    return replace(state, column=max(0, min(state.column + by, len(state.table.columns) - 1)))


def pinned(state: CompareState) -> CompareState:
    """The column under the cursor as the base of the diff; on the base itself: back to full precision."""
    if not state.table.columns:
        return state
    key = state.table.columns[state.column]
    return replace(state, pin=None if key == state.pin else key)


def next_measure(state: CompareState) -> CompareState:
    """The next of the table's measures."""
    new = replace(state, measure=_after(list(state.table.measures), state.measure))
    return _kept(_ranked(new), state.row) if new.sort in ("target", "column") else new


def next_pane(state: CompareState) -> CompareState:
    """The next of PANES."""
    return replace(state, pane=_after(list(PANES), state.pane))


def next_match(state: CompareState, by: int) -> CompareState | None:
    """The cursor on the next (by 1) or previous (-1) shown row with `find` in it, around the end; None without any."""
    needle, n = fold(state.find), len(state.order)
    for distance in range(1, n + 1) if needle else ():
        at = (state.cursor + by * distance) % n
        if needle in state.table.rows[state.order[at]].text:
            return replace(state, cursor=at)
    return None


def _after(names: list[str], name: str) -> str:
    return names[(names.index(name) + 1) % len(names)]


def _ranked(state: CompareState) -> CompareState:
    """All rows in the order of `sort`; equals by index. Scores go down, the alphabet goes up."""
    table = state.table
    rows, target = table.rows, table.target
    column = target if state.sort == "target" else table.at(state.by) if state.by else -1

    def score(row: Row, column: int, measure: str) -> float:
        cell = row.cells[column] if column >= 0 else None
        return -1.0 if cell is None else float(getattr(cell, measure))

    keys: list[tuple[float | str, ...]]
    if state.sort == "recovered":
        keys = [(-row.gain, -score(row, target, "recall")) for row in rows]
    elif state.sort in ("target", "column"):
        keys = [(-score(row, column, state.measure),) for row in rows]
    elif state.sort == "prompt":
        keys = [(fold(row.prompt),) for row in rows]
    else:
        keys = [(row.index,) for row in rows]
    ranked = tuple(sorted(range(len(rows)), key=keys.__getitem__))
    state = replace(state, ranked=ranked)
    return replace(state, order=_narrowed(state, ranked))


def _narrowed(state: CompareState, pool: tuple[int, ...]) -> tuple[int, ...]:
    rows, needle = state.table.rows, fold(state.filter)
    if state.changed:
        pool = tuple(i for i in pool if rows[i].changed)
    return tuple(i for i in pool if needle in rows[i].text) if needle else pool


def _kept(state: CompareState, row: Row | None) -> CompareState:
    """The cursor back on `row` if it is still shown, else on the first."""
    at = next((i for i, p in enumerate(state.order) if row and state.table.rows[p].index == row.index), 0)
    return replace(state, cursor=at)
