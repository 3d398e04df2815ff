"""General utility, as the paper measures it with RWKU's questions (its released eval code)."""

from __future__ import annotations

from unlearn_tui.catalog.metric import Metric

_E = "unlearn_tui.engine.evaluation"
_RWKU = "Jin et al. 2024, arXiv 2406.10890; Zhang et al., ICLR 2025, released code"

UTILITY_METRICS = (
    Metric(
        "gen_mmlu",
        "Gen MMLU",
        "MMLU: the likeliest of the four letters after worked examples is the right one",
        f"{_E}.mmlu:score",
        _RWKU,
        "retain",
        ("utility_mmlu",),
        "right letter",
    ),
    Metric(
        "tru_mc1",
        "Tru MC1",
        "TruthfulQA: the best answer is likelier than every wrong one",
        f"{_E}.truthfulqa:mc1",
        _RWKU,
        "retain",
        ("utility_truthful",),
        "best answer first",
    ),
    Metric(
        "tru_mc2",
        "Tru MC2",
        "TruthfulQA: probability of the right answers among all",
        f"{_E}.truthfulqa:mc2",
        _RWKU,
        "retain",
        ("utility_truthful",),
        "share of the right answers",
    ),
    Metric(
        "fac_trivia",
        "Fac TriviaQA",
        "TriviaQA: F1 of words with the nearest right answer, after five worked examples; exact match beside it",
        f"{_E}.triviaqa:score",
        _RWKU,
        "retain",
        ("utility_trivia",),
        "F1 of words",
    ),
    Metric(
        "flu_entropy",
        "Fluency (100 bits)",
        "entropy of the 2- and 3-grams of what is written to instructions: repetition lowers it",
        f"{_E}.fluency:score",
        _RWKU,
        "retain",
        ("utility_fluency",),
        "entropy in bits",
        shares=False,
    ),
)
