"""The answers of one metric lined up: a row for every prompt, a column for every model and precision."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from unlearn_tui import catalog
from unlearn_tui.protocol.answers import Answer
from unlearn_tui.protocol.result import RecoveryRow, ScoreRow
from unlearn_tui.state.labels import label, label_of_row

Key = tuple[str, str]
"""Model and precision."""

MEASURES = {"f1": "ROUGE-L F1", "recall": "ROUGE-L recall", "precision": "ROUGE-L precision", "exact": "exact match"}
"""Numbers of one answer, 0-1. F1 is what the run's means, intervals and verdicts are made of, in KnowMem and VerbMem."""


def measures(metric: str) -> dict[str, str]:
    """The numbers of an answer to one metric; where no words are compared there is one, under F1's name in the files."""
    record = catalog.METRICS.get(metric)
    return {"f1": record.own} if record and record.own else MEASURES


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt. `cells` follow the table's columns, None where a column has no answer.

    `gain`: the largest rise of recall that a quantized column of the unlearned model has over full precision;
    `changed`: some column of the unlearned model says something else than at full precision; `text`: to search in.
    """

    index: int
    prompt: str
    gold: str
    cells: tuple[Answer | None, ...]
    label: str
    gain: float
    changed: bool
    text: str


@dataclass(frozen=True, eq=False)
class Table:
    """Everything known about one metric of a run; never changed, so what is counted from it can be kept."""

    metric: str
    full: str
    """The full precision that gains are measured against."""
    columns: tuple[Key, ...]
    rows: tuple[Row, ...]
    """By index."""
    scores: Mapping[Key, ScoreRow]
    verdicts: Mapping[str, RecoveryRow]
    """By precision."""
    means: Mapping[tuple[int, str], float]
    """Mean over the answers there are, 0-100, by column and measure."""
    counts: tuple[Mapping[str, int], ...]
    """Prompts by label, one for each column; empty for columns without labels."""
    total: Mapping[str, int]
    """Prompts by the label of their row."""
    answered: tuple[int, ...]
    """Answers that could be read, one for each column."""
    kept: dict[Hashable, Any] = field(default_factory=dict)
    """What was counted or drawn from it; may be cleared."""
    differences: dict[tuple[int, str], tuple[float, float] | None] = field(default_factory=dict)
    """What `difference` has found."""

    @property
    def subset(self) -> str:
        """forget or retain."""
        return catalog.METRICS[self.metric].subset if self.metric in catalog.METRICS else "forget"

    @property
    def passages(self) -> bool:
        """Whether its prompts are passages to be continued, not questions."""
        return self.metric in catalog.METRICS and catalog.METRICS[self.metric].parts == ("verbmem",)

    @cached_property
    def measures(self) -> dict[str, str]:
        """Of this metric."""
        return measures(self.metric)

    @cached_property
    def target(self) -> int:
        """The column of the target at full precision, -1 if there is none."""
        return self.at(("target", self.full))

    @cached_property
    def base(self) -> int:
        """The column of the unlearned model at full precision, -1 if there is none."""
        return self.at(("unlearned", self.full))

    def at(self, key: Key) -> int:
        """Where a column stands, -1 if there is none."""
        return self.columns.index(key) if key in self.columns else -1

    def labelled(self, column: int) -> bool:
        """Whether a column's answers have labels: those of the unlearned model, but for the base."""
        return column != self.base and self.columns[column][0] == "unlearned"

    def compared(self, column: int) -> bool:
        """Whether a column is held against the base: the labelled ones, and ablations, where a part of the edit is in."""
        return column != self.base and self.columns[column][0].split(":")[0] == "unlearned"

    def label(self, row: Row, column: int) -> str:
        """The label of one answer; "" where the column has none."""
        return _label(row.cells, self.target, self.base, column) if self.labelled(column) else ""

    def quantizer(self, column: int) -> int:
        """`column` if it is one that can be compared with the base, else the one that gains most, -1 without any."""
        if 0 <= column < len(self.columns) and self.compared(column):
            return column
        able = [c for c, key in enumerate(self.columns) if is_quantized(key)]
        return max(able, key=lambda c: self.means.get((c, "recall"), 0.0), default=-1)

    def difference(self, column: int, measure: str) -> tuple[float, float] | None:
        """95 % interval of the mean difference to the base, paired by prompt: mean ± 1.96 standard errors, in scores of
        0-1. None without two prompts.
        """
        key = (column, measure)
        if key not in self.differences:
            gaps = [b - a for a, b in self.pairs(self.base, column, measure)] if self.base >= 0 else []
            self.differences[key] = _interval(gaps)
        return self.differences[key]

    def pairs(self, x: int, y: int, measure: str) -> Iterable[tuple[float, float]]:
        """The scores of every prompt that has them in both columns."""
        cells = ((row.cells[x], row.cells[y]) for row in self.rows)
        return ((getattr(a, measure), getattr(b, measure)) for a, b in cells if a and b)

    def bins(self, x: int, y: int, measure: str, n: int) -> Mapping[tuple[int, int], int]:
        """How many prompts have which pair of scores in columns x and y, each score put to the nearest of n steps."""
        key = ("bins", x, y, measure, n)
        found: Mapping[tuple[int, int], int] | None = self.kept.get(key)
        if found is None:
            pairs = ((step(a, n), step(b, n)) for a, b in self.pairs(x, y, measure))
            found = self.kept[key] = Counter(pairs)
        return found

    def sides(self, x: int, y: int, measure: str) -> tuple[int, int, int]:
        """How many prompts score more, less and the same in column y as in column x."""
        key = ("sides", x, y, measure)
        found: tuple[int, int, int] | None = self.kept.get(key)
        if found is None:
            gaps = [b - a for a, b in self.pairs(x, y, measure)]
            up, down = sum(gap > 0 for gap in gaps), sum(gap < 0 for gap in gaps)
            found = self.kept[key] = (up, down, len(gaps) - up - down)
        return found


def _interval(values: Sequence[float]) -> tuple[float, float] | None:
    n = len(values)
    if n < 2:
        return None
    mean = sum(values) / n
    half = 1.96 * math.sqrt(sum((v - mean) * (v - mean) for v in values) / (n - 1) / n)
    return mean - half, mean + half


def step(score: float, n: int) -> int:
    """The nearest of n evenly spaced steps from 0 to 1."""
    return int(min(max(score, 0.0), 1.0) * (n - 1) + 0.5)


def fold(text: str) -> str:
    """`text` as it is searched: NFC, without case."""
    return unicodedata.normalize("NFC", text).casefold()


def is_quantized(key: Key) -> bool:
    """A column of the unlearned model at a precision that is not a full one."""
    return key[0] == "unlearned" and not catalog.is_full(key[1])


def arranged(keys: Iterable[Key], full: str) -> tuple[Key, ...]:
    """Target and unlearned at full precision, unlearned quantized, retrain, then the rest; each as it came."""

    def place(key: Key) -> int:
        model, precision = key
        if precision == full and model in ("target", "unlearned"):
            return 0 if model == "target" else 1
        return {"unlearned": 2, "retrain": 3, "target": 4}.get(model, 5)

    return tuple(sorted(dict.fromkeys(keys), key=place))


def build(
    metric: str,
    full: str,
    columns: Mapping[Key, Mapping[int, Answer]],
    scores: Sequence[ScoreRow] = (),
    recovery: Sequence[RecoveryRow] = (),
) -> Table:
    """Line up `columns` (answers by prompt index). A column may lack answers, or all of them: its score still shows.

    Rows of `scores` and `recovery` about other metrics are left out. Prompt and gold are the first column's that has
    the prompt.
    """
    rated = {(s.model, s.precision): s for s in scores if s.metric == metric}
    keys = arranged((*rated, *columns), full)
    parts = [columns.get(key, {}) for key in keys]
    target = keys.index(("target", full)) if ("target", full) in keys else -1
    base = keys.index(("unlearned", full)) if ("unlearned", full) in keys else -1
    own = [c for c, key in enumerate(keys) if key[0] == "unlearned" and c != base]
    quantized = [c for c in own if is_quantized(keys[c])]
    rows = tuple(
        _row(index, tuple(part.get(index) for part in parts), target, base, own, quantized)
        for index in sorted(set().union(*parts))
    )
    counts = tuple(
        Counter(_label(row.cells, target, base, c) for row in rows) if c != base and key[0] == "unlearned" else {}
        for c, key in enumerate(keys)
    )
    return Table(
        metric=metric,
        full=full,
        columns=keys,
        rows=rows,
        scores=rated,
        verdicts={r.precision: r for r in recovery if r.metric == metric},
        means={
            (c, measure): 100 * sum(getattr(a, measure) for a in part.values()) / len(part)
            for c, part in enumerate(parts)
            for measure in measures(metric)
            if part
        },
        counts=counts,
        total=Counter(row.label for row in rows),
        answered=tuple(len(part) for part in parts),
    )


def _row(
    index: int, cells: tuple[Answer | None, ...], target: int, base: int, own: list[int], quantized: list[int]
) -> Row:
    known = [cell for cell in cells if cell is not None]
    t, u = _recall(cells, target), _recall(cells, base)
    qs = [_recall(cells, c) for c in quantized]
    unlearned = cells[base] if base >= 0 else None
    texts = dict.fromkeys((known[0].prompt, known[0].gold, *(cell.answer for cell in known)))
    return Row(
        index=index,
        prompt=known[0].prompt,
        gold=known[0].gold,
        cells=cells,
        label=label_of_row(t, u, qs),
        gain=max((q - u for q in qs if q is not None), default=0.0) if u is not None else 0.0,
        changed=unlearned is not None
        and any(cell is not None and cell.answer != unlearned.answer for cell in (cells[c] for c in own)),
        text=fold("\0".join(texts)),
    )


def _label(cells: Sequence[Answer | None], target: int, base: int, column: int) -> str:
    return label(_recall(cells, target), _recall(cells, base), _recall(cells, column))


def _recall(cells: Sequence[Answer | None], column: int) -> float | None:
    cell = cells[column] if column >= 0 else None
    return None if cell is None else cell.recall
