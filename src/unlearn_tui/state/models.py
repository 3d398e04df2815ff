"""The Models screen's list: checkpoints of this machine and of the program's runs, with where each comes from.

A row is a checkpoint, a run that is to make one, or a run's unlearned model at one precision. Runs name the row of their
target as `parent`, precisions that of their run: target → unlearned → precisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from unlearn_tui import catalog
from unlearn_tui.state.listing import Listing, fits, put

Kind = Literal["target", "shipped", "cache", "folder", "hub", "unlearned", "checked", "memorised", "quantized"]
"""target: what a run unlearned, found nowhere else; folder: added by hand; checked: somebody else's unlearned model;
memorised: a target that a run made."""
OF_RUNS = ("unlearned", "checked", "memorised")
"""Rows that are runs."""
Status = Literal["scored", "quantized", "unscored", "live", "failed", "missing"]

SORTS = {
    "modified": "newest first",
    "name": "by name",
    "size": "largest first",
    "KM forget": "most forgotten first",
    "parameters": "most parameters first",
}
"""Orders by name, and what each puts first."""
COME_BACK = ("recovered", "partly")
"""Verdicts that say that something came back."""


@dataclass(frozen=True)
class Score:
    """KnowMem of a model at one precision, 0-100; None where not scored. `verdict` of engine/evaluation/verdict.py."""

    precision: str
    forget: float | None = None
    retain: float | None = None
    verdict: str = ""

    @property
    def back(self) -> bool:
        """Whether what was unlearned came back at this precision, wholly or in part."""
        return self.verdict in COME_BACK


@dataclass(frozen=True)
class Row:
    """One line. Sizes in bytes, `modified` in seconds since the epoch; 0 and "" where unknown. Texts are untrusted."""

    id: str
    name: str
    kind: Kind
    status: Status
    ref: str = ""
    """What names this checkpoint to a run; "" where there is none (yet)."""
    path: str = ""
    run: str = ""
    """The id of the run that made or checked it."""
    parent: str = ""
    reason: str = ""
    """Why it failed or is missing, or how far it has come."""
    method: str = ""
    step: int | None = None
    size: int = 0
    modified: float = 0.0
    family: str = ""
    parameters: int = 0
    dtype: str = ""
    shards: int = 0
    layers: int = 0
    hidden: int = 0
    vocab: int = 0
    holding: dict[str, int] = field(default_factory=dict)
    """Bytes of its weights by precision."""
    unlearning: dict[str, int] = field(default_factory=dict)
    """Bytes to unlearn it by update mode, with the default method."""
    beside: int = 0
    """Bytes that stand in the same memory meanwhile."""
    full: str = ""
    """The precision of `forget` and `retain`."""
    forget: float | None = None
    retain: float | None = None
    scores: tuple[Score, ...] = ()
    """At every precision that it was scored at, the full ones first."""
    added: bool = False
    """Added by hand, so it can be forgotten again."""


@dataclass(frozen=True)
class Models:
    """All rows (each run's precisions behind it), and those shown."""

    rows: tuple[Row, ...] = ()
    filter: str = ""
    sort: str = "modified"
    precisions: bool = True
    """Whether the rows of precisions are shown."""
    list: Listing[Row] = field(default_factory=Listing)

    @property
    def count(self) -> int:
        """Rows there would be without the filter."""
        return len(self.rows) if self.precisions else sum(row.kind != "quantized" for row in self.rows)


def refreshed(state: Models, rows: Sequence[Row]) -> Models:
    """New facts; the cursor stays on its row."""
    return _arranged(replace(state, rows=tuple(rows)))


def filtered(state: Models, words: str) -> Models:
    """Only rows with all of these words; a run is shown with those of its precisions that fit, or all if it fits."""
    return _arranged(replace(state, filter=words))


def sorted_by(state: Models, sort: str) -> Models:
    """In another order of SORTS; an unknown one is the first."""
    return _arranged(replace(state, sort=sort if sort in SORTS else next(iter(SORTS))))


def next_sort(sort: str) -> str:
    """The order after this one."""
    names = list(SORTS)
    return names[(names.index(sort) + 1) % len(names)] if sort in names else names[0]


def with_precisions(state: Models, shown: bool) -> Models:
    """The rows of precisions shown or not; the cursor goes from one of them to its run."""
    current = state.list.current
    if not shown and current is not None and current.kind == "quantized":
        at = next((i for i, row in enumerate(state.list.rows) if row.id == current.parent), state.list.at)
        state = replace(state, list=replace(state.list, at=at))
    return _arranged(replace(state, precisions=shown))


def _arranged(state: Models) -> Models:
    groups: list[list[Row]] = []
    for row in state.rows:
        if row.kind == "quantized" and groups:
            groups[-1].append(row)
        else:
            groups.append([row])
    groups.sort(key=lambda group: _key(state.sort, group[0]))
    shown: list[Row] = []
    for head, *tail in groups:
        whole = _fits(state.filter, head)
        inner = [row for row in tail if whole or _fits(state.filter, row)]
        if whole or inner:
            shown += [head, *(inner if state.precisions else [])]
    return replace(state, list=put(state.list, shown))


def _key(sort: str, row: Row) -> tuple[object, ...]:
    name = row.name.casefold()
    match sort:
        case "name":
            return (name, row.id)
        case "size":
            return (-row.size, name, row.id)
        case "parameters":
            return (-row.parameters, name, row.id)
        case "KM forget":
            return (row.forget is None, row.forget or 0.0, name, row.id)
        case _:
            return (-row.modified, name, row.id)


def _fits(words: str, row: Row) -> bool:
    return fits(words, (row.name, row.kind, row.status, row.method, row.family, row.dtype, row.reason))


def by_id(state: Models, id: str) -> Row | None:
    """The row with this id, shown or not."""
    return next((row for row in state.rows if row.id == id), None)


def target_of(state: Models, row: Row) -> Row | None:
    """The target at the root of a row's lineage; the row itself where something was made from it; None if unknown."""
    if row.kind == "quantized":
        run = by_id(state, row.parent)
        return target_of(state, run) if run else None
    if row.parent:
        return by_id(state, row.parent)
    return row if made_from(state, row) else None


def made_from(state: Models, target: Row) -> tuple[Row, ...]:
    """Runs that unlearned or checked something against this target, newest first."""
    runs = [row for row in state.rows if row.parent == target.id and row.kind != "quantized"]
    return tuple(sorted(runs, key=lambda row: -row.modified))


def run_row(state: Models, row: Row) -> Row:
    """The run of a precision's row; any other row as it is."""
    return (by_id(state, row.parent) or row) if row.kind == "quantized" else row


def usable(row: Row) -> bool:
    """Whether a run can start from it: a checkpoint that is there, or one that a run would download."""
    return bool(row.ref) and row.kind != "quantized" and row.status not in ("failed", "missing", "live")


def partners(state: Models, row: Row) -> tuple[Row, ...]:
    """What an unlearned model could be an edit of: other checkpoints of its size, or of unknown size; targets first."""
    same = [
        other
        for other in state.rows
        if usable(other)
        and other.ref != row.ref
        and (not row.parameters or not other.parameters or other.parameters == row.parameters)
    ]
    return tuple(sorted(same, key=lambda other: (not made_from(state, other), bool(other.run), -other.modified)))


def four_bit(scores: Sequence[Score]) -> Score | None:
    """The score at 4 bits: bitsandbytes FP4, the paper's, else the first of 4 bits that there is."""
    four = [s for s in scores if (found := catalog.find_precision(s.precision)) and found.bits == 4]
    return next((s for s in four if s.precision == "bnb-fp4"), four[0] if four else None)
