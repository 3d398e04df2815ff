"""After each epoch: KnowMem forget of the weights as they are then, and MUSE's stopping rule.

MUSE (arXiv 2407.06460, section 4) takes the first epoch at which a model knows no more of the forget set than one that was
never trained on it; if there is none, the last. The score is that of the whole metric at the run's first full precision, so
that the chosen epoch's is the unlearned model's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unlearn_tui.engine import checkpoints
from unlearn_tui.engine.conclude import full_precision
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.evaluation.scoring import mean, run_metric
from unlearn_tui.engine.quantization.prepare import prepare, release
from unlearn_tui.engine.reporter import StopAsked
from unlearn_tui.engine.unlearning.training import Training, saved_dtype
from unlearn_tui.protocol import events as ev

if TYPE_CHECKING:
    from unlearn_tui.engine.evaluation.answers import Answer
    from unlearn_tui.engine.pipeline import Pipeline

METRIC = "knowmem_forget"


def ending(step: int, items: int, size: int) -> int | None:
    """The epoch, from 1, that ends with optimizer step `step` of `size` items each; None where none does."""
    epoch = step * size // items
    return epoch if epoch and math.ceil(epoch * items / size) == step else None


@dataclass
class Epochs:
    """Scores epochs as a run's spec asks. `line`: the score at or below which MUSE's rule stops; None: it never does."""

    run: Pipeline
    training: Training
    line: float | None
    scored: Callable[[Any], Any]
    """From the model in training to the one that is scored."""

    def after(self, step: int) -> bool:
        """Score the epoch that ended with this step, if one did; True where training is to end here."""
        spec = self.run.spec
        epoch = ending(step, len(self.training.forget), spec.batch * spec.grad_accum)
        if not spec.stop_rule or epoch is None:
            return False
        path = ""
        with self.training.edited():
            value, n = self._score()
            if spec.keep_checkpoint:
                path = f"checkpoints/epoch-{epoch}"
                folder = self.run.rundir.path / path
                checkpoints.save_model(self.training.merged(), self.run.tokenizer, folder, saved_dtype(spec.weights))
        chosen = self.line is not None and value <= self.line
        self.run.reporter.say(
            ev.Epoch(epoch=epoch, step=step, metric=METRIC, value=value, n=n, line=self.line, chosen=chosen, path=path)
        )
        return chosen

    def _score(self) -> tuple[float, int]:
        run = self.run
        prepared = prepare(self.scored(self.training.merged()), full_precision(run.spec), run.device)
        generator = Generator(prepared.model, run.tokenizer, run.device, run.spec.eval_batch)
        answers = run_metric(generator, run.book.corpus, METRIC, self._heard, run.template)
        release(prepared)
        found = mean(answers, run.spec.seed)
        return found.value, found.n

    def _heard(self, done: int, batch: list[Answer]) -> None:
        if self.run.reporter.interrupt.is_set():
            raise StopAsked(now=True)


def line_of(run: Pipeline) -> float | None:
    """Where MUSE's rule stops: the number given, or the retrained model's score; None without that rule."""
    spec = run.spec
    if spec.stop_rule != "muse":
        return None
    if spec.stop_at is not None:
        return spec.stop_at
    return run.book.scores["retrain", full_precision(spec), METRIC].value


def said(run: Pipeline) -> str:
    """Which epoch the run's model is of, in a sentence; "" where no epoch was scored."""
    scored = {e.epoch: e for e in run.rundir.events() if isinstance(e, ev.Epoch)}
    if not scored:
        return ""
    last = scored[max(scored)]
    if last.chosen and last.line is not None:
        return (
            f"MUSE's stopping rule: epoch {last.epoch} (step {last.step}) is the first with KnowMem forget "
            f"{last.value:.1f} at or below {last.line:.1f}; training ended there"
        )
    if last.line is not None:
        return f"MUSE's stopping rule: no epoch reached KnowMem forget {last.line:.1f}; the last step is taken"
    listed = ", ".join(f"{scored[k].value:.1f}" for k in sorted(scored))
    return f"KnowMem forget after each epoch: {listed}"
