"""The same questions answered by every model and precision, side by side, the most recovered first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from unlearn_tui.files import lines_limited
from unlearn_tui.protocol.answers import Answer as Answer
from unlearn_tui.protocol.result import Result
from unlearn_tui.report.sections import is_groups, main_metric
from unlearn_tui.report.text import safe

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Cell:
    """What one model said at one precision; `text` is safe and marks recovered words; `gain` is against full."""

    model: str
    precision: str
    text: str
    recall: float
    gain: float


@dataclass(frozen=True)
class Example:
    """One prompt with every model's answer. All text is safe."""

    index: int
    prompt: str
    gold: str
    cells: list[Cell]


def read(path: Path) -> dict[int, Answer]:
    """The answers of a side file by prompt index; empty where the file is missing, ends at a torn or endless line."""
    decode = msgspec.json.Decoder(Answer).decode
    found: dict[int, Answer] = {}
    try:
        for line in lines_limited(path):
            answer = decode(line)
            found[answer.index] = answer
    except (OSError, ValueError, RecursionError):
        pass
    return found


def examples(run: Path, result: Result, n: int, metric: str = "") -> list[Example]:
    """The `n` prompts of `metric` (KnowMem forget by default) whose answers a quantizer brought back most."""
    metric, full = metric or main_metric(result), result.full_precision
    if is_groups(metric):  # its texts were read, not answered
        return []
    keys = [("target", full), ("unlearned", full)]
    keys += [(r.model, r.precision) for r in result.scores if r.metric == metric and r.model == "unlearned"]
    columns: dict[tuple[str, str], dict[int, Answer]] = {}
    for model, precision in dict.fromkeys(keys):
        if rows := column(run, result, model, precision, metric):
            columns[model, precision] = rows
    return side_by_side(columns, full, n)


def column(run: Path, result: Result, model: str, precision: str, metric: str) -> dict[int, Answer]:
    """The answers that a result names for one column, by prompt index; empty where there is no such file in its run."""
    relative = result.answers.get(f"{model}/{precision}/{metric}")
    try:
        # a result file may come from anywhere: read nothing outside its own run
        path = (run / relative).resolve() if relative else run
        inside = path.is_relative_to(run.resolve()) and path.is_file()
    except (OSError, ValueError, RuntimeError):  # a NUL in the name; a link to itself
        return {}
    return read(path) if inside else {}


def side_by_side(columns: dict[tuple[str, str], dict[int, Answer]], full: str, n: int) -> list[Example]:
    """Line up `columns` by prompt; most recovered first, then those the target knew best, then by index."""
    base = columns.get(("unlearned", full), {})
    prompts: dict[int, Answer] = {}
    for rows in columns.values():
        prompts = rows | prompts

    def gain(key: tuple[str, str], index: int) -> float:
        if key[0] != "unlearned" or key[1] == full or index not in base or index not in columns[key]:
            return 0.0
        return columns[key][index].recall - base[index].recall

    def order(index: int) -> tuple[float, float, int]:
        target = columns.get(("target", full), {}).get(index)
        return (-max((gain(key, index) for key in columns), default=0.0), -(target.recall if target else 0.0), index)

    ranked = sorted(prompts, key=order)
    equal = [i for i in ranked if order(i)[:2] == order(ranked[0])[:2]]
    if 0 < n < len(equal):  # equals spread over the corpus, whose neighbours are much alike
        ranked = equal[:: len(equal) // n]
    made = []
    for index in ranked[: max(n, 0)]:
        gold = prompts[index].gold
        cells = []
        for (model, precision), rows in columns.items():
            if index not in rows:
                continue
            text = safe(rows[index].answer.strip())
            risen = gain((model, precision), index)
            if risen > 0:
                text = mark(text, safe(gold), safe(base[index].answer))
            cells.append(Cell(safe(model), safe(precision), text, rows[index].recall, risen))
        made.append(Example(index, safe(prompts[index].prompt.strip()), safe(gold.strip()), cells))
    return made


def mark(text: str, gold: str, lost: str) -> str:
    """`text` with ⟦…⟧ around the words of `gold` that the answer `lost` does not have."""
    wanted = {w.lower() for w in _WORD.findall(gold)} - {w.lower() for w in _WORD.findall(lost)}
    out, open_at = "", -1
    end = 0
    for word in _WORD.finditer(text):
        hit = word[0].lower() in wanted
        between = text[end : word.start()]
        if open_at >= 0 and not (hit and between.isspace()):
            out += "⟧"
            open_at = -1
        out += between
        if hit and open_at < 0:
            out += "⟦"
            open_at = word.start()
        out += word[0]
        end = word.end()
    return out + ("⟧" if open_at >= 0 else "") + text[end:]
