"""Scoring a checkpoint at every precision, reusing what is already known: answers of this run and cached answers."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from unlearn_tui import catalog
from unlearn_tui.engine.evaluation import knowmem, tofu, verbmem
from unlearn_tui.engine.evaluation.answers import Answer, load_answers, save_answers
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.evaluation.intervals import Floats
from unlearn_tui.engine.evaluation.privleak import Groups, groups
from unlearn_tui.engine.evaluation.scoring import run_metric, summary, values
from unlearn_tui.engine.prompting import template_of
from unlearn_tui.engine.quantization.calibrated import Calibration
from unlearn_tui.engine.quantization.prepare import prepare, release
from unlearn_tui.engine.reporter import Reporter
from unlearn_tui.errors import Refused
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import ArithmeticRow, ScoreRow
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import RunDir, write_atomic
from unlearn_tui.sources.corpora import Corpus
from unlearn_tui.validate import prompts_of

CODE_VERSION = 1
"""Raise when a change to prompts, cuts, generation or quantization changes answers: cached ones are then not reused."""


@dataclass
class Scorebook:
    """Everything scored in one run, by (model, precision, metric), on disk as answers/*.jsonl."""

    rundir: RunDir
    spec: RunSpec
    corpus: Corpus
    versions: dict[str, str]
    device: torch.device
    reporter: Reporter
    cache: Path | None
    scores: dict[tuple[str, str, str], ScoreRow] = field(default_factory=dict)
    per_prompt: dict[tuple[str, str, str], Floats] = field(default_factory=dict)
    ratios: dict[tuple[str, str, str], Floats] = field(default_factory=dict)
    """Truth ratios by prompt, which forget quality compares."""
    members: dict[tuple[str, str, str], Groups] = field(default_factory=dict)
    """Scores of two groups of texts, of metrics that tell these apart."""
    texts: dict[tuple[str, str, str], list[Answer]] = field(default_factory=dict)
    """The same with everything that was measured."""
    files: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    arithmetic: list[ArithmeticRow] = field(default_factory=list)

    def score(
        self, label: str, model: Any, tokenizer: Any, precisions: list[str], fingerprints: tuple[str, str] | None
    ) -> None:
        """Every metric at every precision. `fingerprints` (weights, tokenizer) allow reuse from and for other runs."""
        done = self.reporter.done  # another model of this stage may have answered
        template = template_of(tokenizer, self.spec.template)
        if fingerprints is not None:  # the same questions in another template have other answers
            fingerprints = fingerprints[0], f"{fingerprints[1]} {template}"
        calibration = Calibration(tokenizer, self.corpus, self.reporter.log, self.reporter.heed)
        for precision in precisions:
            wanted = [m for m in self.spec.metric if not self._known(label, precision, m, fingerprints)]
            known = sum(prompts_of(self.corpus, m) for m in self.spec.metric if m not in wanted)
            done += known
            self.reporter.progress(done, f"{label} {precision}", always=True, reused=known)
            if not wanted:
                continue
            prepared = prepare(model, precision, self.device, calibration)
            about: dict[str, Any] = {
                "model": label,
                "precision": precision,
                "compute": prepared.compute,
                "memory": prepared.memory,
                "seconds": prepared.seconds,
                "note": prepared.note,
            }
            self.reporter.say(ev.Loaded(**about))
            self.arithmetic.append(ArithmeticRow(**about))
            if prepared.note and f"{precision}: {prepared.note}" not in self.notes:
                self.notes.append(f"{precision}: {prepared.note}")
            generator = Generator(prepared.model, tokenizer, self.device, self.spec.eval_batch, seed=self.spec.seed)
            for metric in wanted:
                began, before = time.monotonic(), done
                key = (label, precision, metric)
                heard = partial(self._heard, key, before)
                answers = run_metric(generator, self.corpus, metric, heard, template)
                done = before + len(answers)
                path = self._path(label, precision, metric)
                batch = generator.batch if generator.halved else 0
                _mark(path, ".from", "")
                _mark(path, ".batch", batch or "")  # before the answers: whoever finds these finds that too
                save_answers(path, answers)
                if not batch:
                    self._remember(path, label, precision, metric, fingerprints)
                self._take(label, precision, metric, answers, time.monotonic() - began, "", batch)
            release(prepared)

    def _heard(self, key: tuple[str, str, str], before: int, done: int, batch: list[Answer]) -> None:
        """After each batch: how far a stage is that had `before` answers, and now and then what was answered."""
        self.reporter.progress(before + done, " ".join(key))
        if self.reporter.due("answered"):
            self._show(key, batch[-2:])

    def _show(self, key: tuple[str, str, str], answers: list[Answer]) -> None:
        """Say some answers to whoever watches; where texts are only read there are none."""
        model, precision, metric = key
        if catalog.metric(metric).groups:
            return
        for a in answers:
            self.reporter.say(
                ev.Answered(
                    model=model, precision=precision, metric=metric,
                    index=a.index, prompt=a.prompt, gold=a.gold, answer=a.answer, recall=a.recall,
                )
            )  # fmt: skip

    def _known(self, label: str, precision: str, metric: str, fingerprints: tuple[str, str] | None) -> bool:
        """Take answers that this run, or an earlier one with the same key, already has."""
        path, source, batch = self._path(label, precision, metric), "", 0
        if path.exists():  # from an earlier attempt, which may itself have reused it, or had to halve its batch
            source, halved = _marked(path, ".from"), _marked(path, ".batch")
            batch = int(halved[:9]) if halved.isdecimal() else 0
        else:
            cached = self._cached(precision, metric, fingerprints)
            if cached is None or not cached.with_suffix(".jsonl").exists():
                return False
            try:
                source = str(json.loads(cached.with_suffix(".json").read_text())["run"])
                path.parent.mkdir(exist_ok=True)
                _mark(path, ".from", source)
                _mark(path, ".batch", "")  # such answers are never kept for other runs
                write_atomic(path, cached.with_suffix(".jsonl").read_bytes())
            except (OSError, ValueError, KeyError):
                return False
        try:
            answers = load_answers(path)
        except (OSError, msgspec.DecodeError):
            answers = []
        if len(answers) != prompts_of(self.corpus, metric):
            path.unlink(missing_ok=True)  # not ours, or from another corpus: score again
            return False
        self._show((label, precision, metric), answers[:1])
        self._take(label, precision, metric, answers, 0.0, source, batch)
        return True

    def _take(
        self, label: str, precision: str, metric: str, answers: list[Answer], seconds: float, reused: str, batch: int
    ) -> None:
        """`batch`: what it had to be halved to, 0 where it was not."""
        key = (label, precision, metric)
        try:
            found = summary(metric, answers, self.spec.seed, self.spec.min_k)
        except Refused:
            self._path(*key).unlink(missing_ok=True)  # nothing that a resumed run should take
            raise
        name = self._path(*key).relative_to(self.rundir.path).as_posix()
        self.files["/".join(key)] = name
        if catalog.metric(metric).groups:
            self.members[key] = groups(answers, f"Min-{self.spec.min_k}%")
            self.texts[key] = answers
        else:
            self.per_prompt[key] = values(answers)
        if all(tofu.RATIO in a.columns for a in answers):
            self.ratios[key] = np.array([a.columns[tofu.RATIO] for a in answers])
        row = ScoreRow(
            model=label,
            precision=precision,
            metric=metric,
            value=found.value,
            ci_low=found.low,
            ci_high=found.high,
            n=found.n,
            exact=found.exact,
            reused=reused,
            batch=batch,
        )
        self.scores[key] = row
        if batch:
            self.notes.append(f"{' '.join(key)}: batch halved to {batch} for lack of memory")
            self.reporter.log(self.notes[-1], "warning")
        self.reporter.say(ev.Scored(**msgspec.structs.asdict(row), seconds=seconds, answers=name))

    def _path(self, label: str, precision: str, metric: str) -> Path:
        return self.rundir.answers / f"{label}-{precision}-{metric}.jsonl".replace(":", "-")

    def _cached(self, precision: str, metric: str, fingerprints: tuple[str, str] | None) -> Path | None:
        """Where answers with the same key would be kept, without suffix; None when reuse is off."""
        if self.cache is None or fingerprints is None:
            return None
        record = catalog.precision(precision)
        key = {
            "code": CODE_VERSION,
            "checkpoint": fingerprints,
            "corpus": self.corpus.fingerprint,
            "precision": [precision, dict(record.options)],
            "metric": [metric, knowmem.MAX_NEW_TOKENS, knowmem.EXAMPLES, verbmem.MAX_NEW_TOKENS],
            "batch": self.spec.eval_batch,
            "device": torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type,
            "threads": self.spec.threads,
            "versions": self.versions,
        }
        if catalog.metric(metric).seeded:
            key["seed"] = self.spec.seed
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        return self.cache / digest[:32]

    def _remember(
        self, path: Path, label: str, precision: str, metric: str, fingerprints: tuple[str, str] | None
    ) -> None:
        kept = self._cached(precision, metric, fingerprints)
        if kept is None:
            return
        about = {"run": self.rundir.id, "model": label, "precision": precision, "metric": metric}
        try:
            kept.parent.parent.mkdir(mode=0o700, exist_ok=True)  # home/cache, of a home that is still there
            kept.parent.mkdir(exist_ok=True)
            write_atomic(kept.with_suffix(".json"), json.dumps(about).encode())
            shutil.copyfile(path, kept.with_suffix(".tmp"))
            kept.with_suffix(".tmp").replace(kept.with_suffix(".jsonl"))
        except OSError as error:  # a full disk must not cost the run its own answers
            self.reporter.log(f"scores not kept for later runs: {error}", "warning")


def _mark(answers: Path, suffix: str, text: object) -> None:
    """Write what is to be known of a file of answers beside it; "" takes away what an earlier one left."""
    beside = answers.with_suffix(suffix)
    if text != "":
        beside.parent.mkdir(exist_ok=True)
        write_atomic(beside, str(text).encode())
    elif beside.exists():
        beside.unlink()


def _marked(answers: Path, suffix: str) -> str:
    """What stands there, "" where nothing does."""
    try:
        return answers.with_suffix(suffix).read_text().strip()
    except (OSError, ValueError):
        return ""
