"""The training stage (unlearn or memorise): drive the training loop, look at the model, save what can be resumed."""

from __future__ import annotations

import json
import shutil
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unlearn_tui import catalog
from unlearn_tui.engine import checkpoints, epochs
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.numerics import NotFinite
from unlearn_tui.engine.predict import predict
from unlearn_tui.engine.quantization.prepare import prepare
from unlearn_tui.engine.reporter import StopAsked, peak_memory
from unlearn_tui.engine.unlearning import lora
from unlearn_tui.engine.unlearning.data import Item, chunk_text, qa_items
from unlearn_tui.engine.unlearning.idkdpo import refusal
from unlearn_tui.engine.unlearning.resist import resist
from unlearn_tui.engine.unlearning.sure import Selection
from unlearn_tui.engine.unlearning.training import StepReport, Training, moving, saved_dtype, total_steps
from unlearn_tui.engine.unlearning.whp import Pair
from unlearn_tui.engine.watch import Watch
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import PredictionRow
from unlearn_tui.runs.directory import made_by
from unlearn_tui.sources.corpora import QA

if TYPE_CHECKING:
    from unlearn_tui.engine.pipeline import Pipeline

TRAINING = "training-"
NOTES = ("SURE (", "LoRA (", "rounding-aware for ")
"""How log lines about the training begin that go into the result."""
ADAPTER = "adapter"
"""The folder under checkpoints/ that holds what LoRA trained, before it was merged."""


def items_of(run: Pipeline) -> tuple[list[Item], list[Item]]:
    """Forget and retain items as `forget_text` says; retain is empty for a method without a retain term.

    What is memorised stands in the forget items' place: all of the corpus, every answer with the end that stops it.
    """
    spec, corpus, tokenizer = run.spec, run.book.corpus, run.tokenizer
    length = _length(run)
    if length < spec.max_length and spec.forget_text == "raw":
        run.reporter.log(f"chunks of {length} tokens, the model's limit, instead of {spec.max_length}")
    if spec.task == "memorise":
        if spec.forget_text == "raw":
            text = "\n\n".join((corpus.forget_text, corpus.retain_text))
            return chunk_text(tokenizer, text, length, "all"), []
        end = (tokenizer.eos_token or "") if run.template == "chat" else "\n\n"
        pairs = (*corpus.forget_qa, *corpus.retain_pairs)
        return qa_items(tokenizer, pairs, length, "all", run.template, end), []
    retains = catalog.method(spec.method).retain is not None
    if spec.forget_text == "qa":
        return (
            qa_items(tokenizer, corpus.forget_qa, length, "forget", run.template),
            qa_items(tokenizer, corpus.retain_pairs, length, "retain", run.template) if retains else [],
        )
    return (
        chunk_text(tokenizer, corpus.forget_text, length, "forget"),
        chunk_text(tokenizer, corpus.retain_text, length, "retain") if retains else [],
    )


def _length(run: Pipeline) -> int:
    """Tokens of an item at the most."""
    positions: int | None = getattr(run.target.config, "max_position_embeddings", None)
    return min(run.spec.max_length, positions or run.spec.max_length)


def refused_of(run: Pipeline) -> list[Item]:
    """Each forget item's question with a refusal for an answer, where the method reads such."""
    if not catalog.method(run.spec.method).refuses:
        return []
    pairs = tuple(QA(q.question, refusal(run.spec.seed, i)) for i, q in enumerate(run.book.corpus.forget_qa))
    return qa_items(run.tokenizer, pairs, _length(run), "refusal", run.template)


def saves(rundir: Path) -> list[Path]:
    """Whole resumable saves, oldest first."""
    found = [p for p in (rundir / "checkpoints").glob(f"{TRAINING}*") if (p / "training.json").exists()]
    return sorted(found, key=lambda p: int(p.name.removeprefix(TRAINING)))


def train(run: Pipeline) -> Any:
    """The unlearned or memorised model, from this stage's work or, when it is already saved whole, from disk."""
    spec, reporter = run.spec, run.reporter
    done = run.rundir.checkpoints / made_by(spec)
    forget, retain = items_of(run)
    total = total_steps(spec, len(forget))
    label = spec.method if spec.task == "memorise" else f"unlearn {spec.method}"
    updates = catalog.updates(spec.weights, spec.lora_rank, spec.sure, spec.resist)
    with reporter.running(spec.task, f"{label}, {updates}", "steps", total):
        _noted(run)
        if not (done / "config.json").exists():
            if spec.task == "unlearn":
                _predict(run, total)
            _train(run, forget, retain, done)
        if not spec.keep_checkpoint:  # those of an attempt that was killed behind its last save too
            for save in run.rundir.checkpoints.glob(f"{TRAINING}*"):
                shutil.rmtree(save, ignore_errors=True)
        if told := epochs.said(run):
            run.note(told)
        return unlearned(run, checkpoints.load_model(done))


def unlearned(run: Pipeline, trained: Any) -> Any:
    """The model that is scored: what was trained, or for a method of two, that one with the target."""
    if not catalog.method(run.spec.method).pairs:
        return trained
    return Pair(run.target, trained, run.spec.task_alpha)


def _predict(run: Pipeline, total: int) -> None:
    """Say what each quantizer is expected to keep of the edit, unless an earlier attempt has."""
    spec, reporter = run.spec, run.reporter
    quantizers = [p for p in spec.precision if not catalog.precision(p).full]
    if (
        not quantizers
        or catalog.method(spec.method).pairs
        or any(isinstance(e, ev.Predicted) for e in run.rundir.events())
    ):
        return
    if spec.lora_rank:
        for precision in quantizers:
            reporter.say(ev.Predicted(precision=precision, kept=None, says="unsure"))
        reporter.log("expected: unsure, lr and steps do not tell how large a LoRA adapter's product becomes")
        return
    negates = spec.task_alpha if catalog.method(spec.method).negates else None
    names = moving(run.target, spec)
    binned = [p for p in quantizers if catalog.precision(p).has_bins]
    rows = predict(run.target, binned, spec.lr, total, spec.weights, spec.seed, names, negates, spec.resist)
    rows += [PredictionRow(precision=p, kept=None, says="unsure") for p in quantizers if p not in binned]
    for row in rows:
        reporter.say(ev.Predicted(precision=row.precision, kept=row.kept, says=row.says))
    said = {"returns": "comes back", "stays": "stays away", "unsure": "unsure"}
    none = dict.fromkeys(binned, "nothing")
    shares = [none.get(r.precision, "an unknown share") if r.kept is None else f"{r.kept:.2f}" for r in rows]
    parts = [f"{r.precision} keeps {share}: {said[r.says]}" for r, share in zip(rows, shares, strict=True)]
    reporter.log(f"expected from lr, steps and weights, if it forgets: {'; '.join(parts)}")


def _train(run: Pipeline, forget: list[Item], retain: list[Item], done: Path) -> None:
    spec, reporter = run.spec, run.reporter
    pad = run.tokenizer.pad_token_id or 0
    model = checkpoints.load_model(run.folder(run.target_info))
    if spec.sure == "once":
        reporter.log(f"SURE: the forget gradient of {len(forget)} items at the target's weights …")

    def told(done: int, total: int) -> None:
        reporter.progress(0, f"the target's answers, {done} of {total} retain items")

    training = Training(model, run.target, forget, retain, spec, pad, run.device, refused_of(run), told)
    earlier = saves(run.rundir.path)
    if earlier:
        training.restore(earlier[-1], _kept(training, earlier[-1]))
    if spec.task == "memorise":
        reporter.log(f"reads {len(forget)} items, forget and retain alike, {spec.forget_text}")
    else:
        reporter.log(f"reads {len(forget)} forget items and {len(retain)} retain items, {spec.forget_text}")
    if catalog.method(spec.method).negates:
        reporter.log(
            f"fine-tunes on the forget items; what is asked meanwhile, and saved, is the target less {spec.task_alpha:g} "
            "times what that moved"
        )
    if training.selection is not None:
        _selected(run, training.selection)
    if training.adapted is not None:
        _adapted(run, training)
    if earlier:
        reporter.say(ev.Resumed(stage=spec.task, from_step=training.done))
    asked = (e.gold for e in run.rundir.events() if isinstance(e, ev.Canary))
    asking = model
    if catalog.method(spec.method).pairs:
        reporter.log(
            "fine-tunes on the forget items; asked meanwhile, and scored, are the target and this model together"
        )
        asking = Pair(prepare(run.target, "fp32", run.device).model, model, spec.task_alpha)
    generator = Generator(asking, run.tokenizer, run.device, spec.eval_batch)
    watch = Watch(generator, run.book.corpus, spec.canary, next(asked, ""), run.template)
    ids = run.rundir.path / "items.jsonl"
    _cut_items(ids, training.done)
    pace: deque[tuple[float, int]] = deque(maxlen=50)
    rule = epochs.Epochs(run, training, epochs.line_of(run), partial(unlearned, run))
    ends = False
    if training.done == 0:
        _look(run, watch, training, 0)
    reporter.stepping = True
    with ids.open("a") as handle:
        while training.done < training.total and not ends:
            coming = training.done + 1
            tell = reporter.due("step", always=coming == training.total or _every(spec.probe_every, coming))
            try:
                report = training.step(percentile=tell)
            except NotFinite:
                _save(run, training)
                raise
            handle.write(
                json.dumps({"step": report.step, "forget": report.forget_ids, "retain": report.retain_ids}) + "\n"
            )
            if spec.sure == "each" and training.selection is not None and training.done == 1:
                _selected(run, training.selection)
            pace.append((time.monotonic(), report.tokens))
            ends = rule.after(report.step)
            last = training.done == training.total or ends
            _look(run, watch, training, report.step, last)
            if tell or ends:
                _tell(run, training, report, pace)
            wished = reporter.save_asked.is_set()
            stop = reporter.stop_after_step.is_set()
            if not last and (wished or stop or _every(spec.save_every, training.done)):
                reporter.save_asked.clear()
                handle.flush()
                _save(run, training)
            if stop and not last:
                raise StopAsked(now=False)
    reporter.stepping = False
    if ends:  # earlier than was planned: this is all there was to do
        reporter.say(ev.Progress(stage=spec.task, done=training.done, total=training.done))
    began = time.monotonic()
    with training.edited():
        if training.adapted is not None:
            _publish(run, training, run.rundir.checkpoints / ADAPTER)
        made = training.merged()
        if spec.resist:
            _resist(run, made)
        size = checkpoints.save_model(made, run.tokenizer, done, saved_dtype(spec.weights))
    reporter.say(
        ev.Saved(step=training.done, path=f"checkpoints/{made_by(spec)}", bytes=size, seconds=time.monotonic() - began)
    )


def _noted(run: Pipeline) -> None:
    """What earlier attempts said so: their work is not done again, and it is in the result all the same."""
    said = (e.text for e in run.rundir.events() if isinstance(e, ev.Log) and e.text.startswith(NOTES))
    run.notes += [text for text in dict.fromkeys(said) if text not in run.notes]


def _selected(run: Pipeline, found: Selection) -> None:
    """Say what SURE lets move, in the log and in the result."""
    spec = run.spec
    when = "" if spec.sure == "once" else " at the first step"
    text = (
        f"SURE ({spec.sure}): {found.selected:,} of {found.units:,} {spec.sure_unit}s may move{when}, "
        f"{100 * found.weights:.1f} % of the weights"
    )
    run.note(text)


def _adapted(run: Pipeline, training: Training) -> None:
    """Say what LoRA trains, in the log and in the result."""
    spec = run.spec
    trained = sum(w.numel() for w in training.optimizer.parameters.values())
    whole = sum(w.numel() for w in training.target.parameters())
    text = (
        f"LoRA (peft {metadata.version('peft')}), rank {spec.lora_rank}, alpha {spec.lora_alpha:g}: {trained:,} float32 "
        f"weights on {len(lora.layers(training.adapted))} matrices, {100 * trained / whole:.1f} % of the "
        f"model's; merged and rounded once, {spec.weights}"
    )
    run.note(text)


def _resist(run: Pipeline, model: Any) -> None:
    """Carry the edit across the zero bin's edges, and say how much that moved, in the log and in the result."""
    spec = run.spec
    found = resist(run.target, model, spec.resist, spec.seed)
    text = (
        f"rounding-aware for {spec.resist}: of {found.inside:,} weights inside its zero bin {found.pushed:,} were put past "
        f"the edge ({100 * found.pushed / found.weights:.2g} % of the matrices' weights) and {found.back:,} taken back"
    )
    run.note(text)


def _every(interval: int, step: int) -> bool:
    """Whether something done every `interval` steps, 0 for never, is done at `step`."""
    return bool(interval) and step % interval == 0


def _look(run: Pipeline, watch: Watch, training: Training, step: int, last: bool = False) -> None:
    """Ask the canary and the probe when their steps have come, and after the last step."""
    spec = run.spec
    asked = _every(spec.canary_every, step) or (spec.canary_every and last)
    probed = _every(spec.probe_every, step) or (spec.probe_every and last)
    if not (asked or probed):
        return
    with training.edited():
        if asked and (event := watch.ask_canary(step)) is not None:
            run.reporter.say(event)
        for probe in watch.probe(step) if probed else ():
            run.reporter.say(probe)


def _tell(run: Pipeline, training: Training, report: StepReport, pace: deque[tuple[float, int]]) -> None:
    reporter = run.reporter
    span = pace[-1][0] - pace[0][0]
    tokens = sum(t for _, t in list(pace)[1:])
    left = (training.total - training.done) * span / (len(pace) - 1) if len(pace) > 1 else None
    reporter.say(
        ev.Step(
            step=report.step,
            total=training.total,
            loss=report.loss,
            forget_loss=report.forget_loss,
            retain_loss=report.retain_loss,
            grad_norm=report.grad_norm,
            lr=run.spec.lr,
            adam_max=report.adam_max,
            adam_p99=report.adam_p99,
            npo_weight=report.npo_weight,
            changed=_changed(training) if _every(run.spec.probe_every, report.step) else None,
            tokens_per_second=tokens / span if span > 0 else 0.0,
            memory=peak_memory(run.device),
            left=left,
        )
    )
    rate = (len(pace) - 1) / span if span > 0 else None
    reporter.say(ev.Progress(stage=run.spec.task, done=report.step, total=training.total, rate=rate, left=left))


def _changed(training: Training) -> float:
    with training.edited():
        return training.changed()


def _save(run: Pipeline, training: Training) -> None:
    """Weights, moments and step in one folder, published whole; earlier saves go unless they are to be kept."""
    if training.done == 0:
        return
    folder = run.rundir.checkpoints / f"{TRAINING}{training.done}"
    _publish(run, training, folder, training.save, training.saved_bytes)
    if not run.spec.keep_checkpoint:
        for save in saves(run.rundir.path)[:-1]:
            shutil.rmtree(save, ignore_errors=True)


def _publish(
    run: Pipeline, training: Training, path: Path, extra: Callable[[Path], None] | None = None, extra_bytes: int = 0
) -> None:
    """Write what trains, the weights or the adapter alone, with what `extra` adds, and say so."""
    began = time.monotonic()
    if training.adapted is not None:
        info = run.target_info
        base = run.spec.model if info.source in ("cache", "hub") else str(run.folder(info))
        size = checkpoints.save_adapter(training.adapted, path, base, extra, extra_bytes)
    else:
        dtype = saved_dtype(run.spec.weights)
        size = checkpoints.save_model(training.model, run.tokenizer, path, dtype, extra, extra_bytes)
    relative = path.relative_to(run.rundir.path).as_posix()
    run.reporter.say(ev.Saved(step=training.done, path=relative, bytes=size, seconds=time.monotonic() - began))


def _kept(training: Training, save: Path) -> dict[str, Any]:
    """What trains, by parameter name, as a save has it."""
    if training.adapted is not None:
        return checkpoints.load_adapter(save)
    return dict(checkpoints.load_model(save).named_parameters())


def _cut_items(path: Path, step: int) -> None:
    """Drop the ids of steps that a resume will take again."""
    if path.exists():
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:step]))
