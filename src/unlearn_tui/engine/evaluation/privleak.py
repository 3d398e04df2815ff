"""PrivLeak as MUSE computes it (arXiv 2407.06460, section 3.1; its metrics/privleak.py): can one tell from a model's
likelihoods which texts it was made to forget, and which it never saw?

Each text is encoded with BOS and not cut. Min-K% (Shi et al. 2023, arXiv 2310.16789) is minus the mean of the lowest
int(k · n) of its n log-probabilities, of its second token to its last. AUC = P(a holdout text looks more like a member, that
is, has the lower score, than a forget text); ties count half. 0: the forget texts are all known better, 0.5: no difference.
PrivLeak = (AUC_unlearned - AUC_retrained) / AUC_retrained, in per cent: below 0 too little was forgotten, above 0 so much
that it shows. (The paper's text divides by the unlearned model's AUC; its code and numbers, by the retrained one's.)
"""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from unlearn_tui import catalog
from unlearn_tui.engine.evaluation.answers import Answer, Heard, unheard
from unlearn_tui.engine.evaluation.forced import forced
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.evaluation.intervals import Floats, percentiles, resamples
from unlearn_tui.engine.tokenizing import encode_prompt
from unlearn_tui.engine.unlearning.data import Item
from unlearn_tui.errors import Refused
from unlearn_tui.sources.corpora import Corpus

FORGET, HOLDOUT = "forget", "holdout"


def min_k(logprobs: Tensor, percent: int) -> float | None:
    """Minus the mean of the lowest int(percent / 100 · n) of n log-probabilities, nats; None where that is no token."""
    count = len(logprobs) * percent // 100
    return -float(logprobs.double().sort().values[:count].mean()) if count else None


def columns(text: str, logprobs: Tensor, lower: Tensor) -> dict[str, float]:
    """MUSE's columns of a text by name (catalog.MEMBERSHIP), each lower for a text that looks more like a member. PPL is
    the loss in nats a token, as MUSE stores it; `lower`: log-probabilities of the text in small letters.
    """
    loss, small = -float(logprobs.double().mean()), -float(lower.double().mean())
    found = {f"Min-{k}%": min_k(logprobs, k) for k in catalog.MIN_K}
    found |= {"PPL": loss, "PPL/lower": loss / small, "PPL/zlib": loss / len(zlib.compress(text.encode()))}
    return {name: value for name, value in found.items() if value is not None}


def score(
    generator: Generator, corpus: Corpus, subset: str, on_answers: Heard = unheard, template: str = "muse"
) -> list[Answer]:
    """One record a text, first those to forget, then the holdout: the text is the prompt, its group the gold, and
    `columns` what was measured. Nothing is answered, and texts are read as they are, whatever the template.

    Raises Refused for a text without two tokens.
    """
    texts = [(FORGET, text) for text in corpus.privleak_forget] + [(HOLDOUT, t) for t in corpus.privleak_holdout]
    items = []
    for group, text in texts:
        for kind, words in ((group, text), (f"{group} in small letters", text.lower())):
            ids = encode_prompt(generator.tokenizer, words)
            if len(ids) < 2:
                raise Refused(f"privleak: a {group} text is no two tokens long: remove it from the corpus", "metric")
            items.append(Item(kind, ids, [False, *[True] * (len(ids) - 1)]))
    logprobs: dict[int, Tensor] = {}
    answers: dict[int, Answer] = {}
    for part, found in forced(generator, items):
        logprobs |= {i: f.logprobs for i, f in zip(part, found, strict=True)}
        whole = [i // 2 for i in part if i ^ 1 in logprobs and i // 2 not in answers]
        for at in dict.fromkeys(whole):
            group, text = texts[at]
            mine = logprobs.pop(2 * at), logprobs.pop(2 * at + 1)
            answers[at] = Answer(
                index=at, prompt=text, gold=group, answer="", recall=0.0, precision=0.0, f1=0.0, exact=0,
                tokens=len(mine[0]), columns=columns(text, *mine),
            )  # fmt: skip
        on_answers(len(answers), [answers[at] for at in dict.fromkeys(whole)])
    return [answers[i] for i in range(len(texts))]


class Groups(NamedTuple):
    """Scores of the texts to forget and of those never seen, in the corpus's order; lower looks more like a member."""

    forget: Floats
    holdout: Floats


def groups(answers: list[Answer], column: str) -> Groups:
    """The two groups by one column. Raises Refused where a text is too short to have it."""
    short = sum(column not in a.columns for a in answers)
    if short:
        raise Refused(
            f"privleak: {short} texts are too short for {column}: raise --min-k, or remove them from the corpus",
            "min_k",
        )
    return Groups(*(np.array([a.columns[column] for a in answers if a.gold == g]) for g in (FORGET, HOLDOUT)))


def auc(found: Groups) -> float:
    """P(score of a holdout text < score of a forget text), ties half: the area under MUSE's ROC curve, 0-1."""
    return float(_wins(found).mean())


def _wins(found: Groups) -> Floats:
    """(forget, holdout): 1 where the holdout text looks more like a member, 0.5 where both look alike."""
    first, second = found.forget[:, None], found.holdout[None, :]
    return np.where(second < first, 1.0, np.where(second == first, 0.5, 0.0))


def drawn(found: Groups, seed: int) -> Floats:
    """(draws,) AUCs of resampled texts, both groups drawn anew; the same texts for every model of one corpus."""
    wins = _wins(found)
    rows, columns_ = resamples(len(found.forget), seed), resamples(len(found.holdout), seed + 1)
    made = np.empty(len(rows))
    for i, (row, column) in enumerate(zip(rows, columns_, strict=True)):
        times = np.bincount(row, minlength=wins.shape[0]) @ wins
        made[i] = times @ np.bincount(column, minlength=wins.shape[1]) / wins.size
    return made


def auc_interval(found: Groups, seed: int) -> tuple[float, float, float]:
    """AUC with its 95 % interval, 0-1."""
    return auc(found), *percentiles(drawn(found, seed))


def privleak(found: Groups, retrained: Groups | float, seed: int) -> tuple[float, float, float] | None:
    """PrivLeak in per cent with its 95 % interval; None where the retrained model's AUC is 0. Where that model was
    measured on the same texts it is resampled with them; a number is taken as exact.
    """
    mean = auc(retrained) if isinstance(retrained, Groups) else retrained
    if mean == 0:
        return None
    base: Any = drawn(retrained, seed) if isinstance(retrained, Groups) else retrained
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = 100 * (drawn(found, seed) - base) / base
    return 100 * (auc(found) - mean) / mean, *percentiles(draws)
