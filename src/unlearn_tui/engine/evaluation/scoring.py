"""One metric of one prepared model, from prompts to a mean with its interval."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from unlearn_tui import catalog
from unlearn_tui.engine.checkpoints import load_model, load_tokenizer
from unlearn_tui.engine.evaluation.answers import Answer, Heard, unheard
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.evaluation.intervals import Floats, mean_interval
from unlearn_tui.engine.evaluation.privleak import auc_interval, groups
from unlearn_tui.engine.quantization.calibrated import Calibration
from unlearn_tui.engine.quantization.prepare import implementation, prepare
from unlearn_tui.sources.corpora import Corpus, load


class Mean(NamedTuple):
    """A metric's value, 0-100, with its 95 % interval, over n prompts or texts; exact is the exact-match rate, 0-100."""

    value: float
    low: float
    high: float
    exact: float
    n: int


def run_metric(
    generator: Generator, corpus: Corpus, metric: str, on_answers: Heard = unheard, template: str = "muse"
) -> list[Answer]:
    """Every prompt's answer for one metric; questions in `template`, muse or chat."""
    record = catalog.metric(metric)
    score = implementation(record.implementation)
    answers: list[Answer] = score(generator, corpus, record.asks or record.subset, on_answers, template)
    return answers


def values(answers: list[Answer]) -> Floats:
    """Per-prompt scores × 100, in prompt order: what every mean, share and interval is made from. ROUGE-L F1, or the
    metric's own score where it has one.
    """
    return np.array([100 * (a.f1 if a.score is None else a.score) for a in answers])


def summary(metric: str, answers: list[Answer], seed: int, min_k: int) -> Mean:
    """A metric's value: the mean of its prompts, or the AUC between its two groups of texts by Min-`min_k` %."""
    if not catalog.metric(metric).groups:
        return mean(answers, seed)
    value, low, high = auc_interval(groups(answers, f"Min-{min_k}%"), seed)
    return Mean(100 * value, 100 * low, 100 * high, 0.0, len(answers))


def mean(answers: list[Answer], seed: int) -> Mean:
    """Mean of the answers' scores with its bootstrap interval."""
    value, low, high = mean_interval(values(answers), seed)
    return Mean(value, low, high, 100 * sum(a.exact for a in answers) / len(answers), len(answers))


def score_checkpoint(
    path: Path, corpus: Path, precision: str, metric: str, device: str = "cpu", batch: int = 64
) -> float:
    """Mean of one metric of a checkpoint on disk at one precision: for scripts and benchmarks."""
    place: Any = torch.device(device)
    read, tokenizer = load(str(corpus), set(catalog.metric(metric).parts)), load_tokenizer(path)
    prepared = prepare(load_model(path), precision, place, Calibration(tokenizer, read))
    generator = Generator(prepared.model, tokenizer, place, batch)
    return mean(run_metric(generator, read, metric), 0).value
