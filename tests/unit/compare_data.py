"""Made-up answers for the tests of Compare, small ones by hand and many at random."""

from __future__ import annotations

import random

from unlearn_tui.protocol.answers import Answer
from unlearn_tui.protocol.result import RecoveryRow, ScoreRow
from unlearn_tui.state.table import Key, Table, build

TARGET, FULL, INT8, INT4 = (
    ("target", "fp16"),
    ("unlearned", "fp16"),
    ("unlearned", "bnb-int8"),
    ("unlearned", "bnb-fp4"),
)
EVIL = "\x1b[31mevil\x07\u202e\u200d👩\u200d👩你好 e\u0301\u0301 שלום [bold]x[/bold] ⟦spoof⟧\r\n\u2028" + "w" * 300


def said(index: int, answer: str, score: float, prompt: str = "", gold: str = "the harbour town") -> Answer:
    prompt = prompt or f"question {index}?"
    return Answer(index, prompt, gold, answer, score, score, score, int(score == 1), 3)


def small() -> Table:
    """One prompt for every label: recalls of target, unlearned, INT8 and INT4."""
    recalls = [
        (1.0, 0.0, 0.0, 1.0),  # 0 recovered at INT4
        (1.0, 0.0, 0.1, 0.0),  # 1 stays forgotten
        (1.0, 1.0, 1.0, 1.0),  # 2 never forgotten
        (1.0, 1.0, 0.5, 1.0),  # 3 INT8 lost more
        (0.0, 0.0, 0.0, 1.0),  # 4 the target did not know
        (0.5, 0.2, 0.2, 0.4),  # 5 partly back
    ]
    columns: dict[Key, dict[int, Answer]] = {}
    for c, key in enumerate((TARGET, FULL, INT8, INT4)):
        columns[key] = {i: said(i, f"{key[1] if r[c] != r[1] else 'same'} {r[c]}", r[c]) for i, r in enumerate(recalls)}
    return build("knowmem_forget", "fp16", columns, scores(columns), [verdict("bnb-int8", 0.1, "no")])


def scores(columns: dict[Key, dict[int, Answer]], metric: str = "knowmem_forget") -> list[ScoreRow]:
    rows = []
    for (model, precision), part in columns.items():
        value = 100 * sum(a.f1 for a in part.values()) / len(part)
        low, high = value - 1.25, value + 1.25
        row = ScoreRow(
            model=model,
            precision=precision,
            metric=metric,
            value=value,
            ci_low=low,
            ci_high=high,
            n=len(part),
            exact=0.0,
        )
        rows.append(row)
    return rows


def verdict(precision: str, share: float, word: str, metric: str = "knowmem_forget") -> RecoveryRow:
    return RecoveryRow(
        precision=precision, metric=metric, share_full=0.05, share=share, delta=share - 0.05, ci_low=0.0, ci_high=0.2,
        gap_share=None, verdict=word,
    )  # fmt: skip


def many(prompts: int = 10_000, columns: int = 7, words: int = 12, seed: int = 0) -> dict[Key, dict[int, Answer]]:
    """Random answers of `words` words."""
    chance = random.Random(seed)
    vocabulary = [f"word{i}" for i in range(2000)]
    keys = [TARGET, FULL, INT8, INT4, ("target", "bnb-int8"), ("target", "bnb-fp4"), ("retrain", "fp16")]
    keys += [("unlearned", f"odd-{i}") for i in range(columns - len(keys))]
    asked = [" ".join(chance.choices(vocabulary, k=8)) for _ in range(prompts)]
    return {
        key: {
            i: said(i, " ".join(chance.choices(vocabulary, k=words)), chance.choice((0.0, 0.5, 2 / 3, 1.0)), asked[i])
            for i in range(prompts)
        }
        for key in keys[:columns]
    }
