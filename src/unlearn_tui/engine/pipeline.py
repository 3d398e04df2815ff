"""The stages of a run, in order: load, score target, unlearn, score unlearned, weights, result.

A stage finds out from the run directory what is already done and does the rest, so that resuming is running again.
"""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import torch

from unlearn_tui import catalog
from unlearn_tui.engine import checkpoints, conclude
from unlearn_tui.engine.hardware import hardware
from unlearn_tui.engine.prompting import template_of
from unlearn_tui.engine.reporter import Reporter, peak_memory
from unlearn_tui.engine.scorebook import Scorebook
from unlearn_tui.engine.unlearn_stage import train
from unlearn_tui.engine.unpickle import unpickle
from unlearn_tui.engine.weights import Analysis, analyse, restrict
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import Result
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import RunDir, made_by, write_atomic
from unlearn_tui.sources import checkpoints as found
from unlearn_tui.sources import corpora
from unlearn_tui.sources.checkpoints import CheckpointInfo
from unlearn_tui.sources.folders import describe
from unlearn_tui.state.plan import disk
from unlearn_tui.validate import TRAINS, compares_weights, needed_parts, prompts_of, stops_at_retrain


def stages_of(spec: RunSpec) -> list[str]:
    """The stages a spec asks for, in order."""
    if spec.task == "memorise":
        return ["load", "memorise", "score_target", "result"]
    names = ["load", "score_target"]
    if stops_at_retrain(spec):
        names.append("score_retrain")
    if spec.task == "unlearn":
        names.append("unlearn")
    names.append("score_unlearned")
    if spec.retrain and not stops_at_retrain(spec):
        names.append("score_retrain")
    if compares_weights(spec):
        names.append("weights")
    if spec.ablate:
        names.append("ablate")
    return [*names, "result"]


@dataclass
class Pipeline:
    """One attempt at a run. `run()` raises StopAsked, Refused, NotFinite, OSError, or torch's memory error."""

    rundir: RunDir
    spec: RunSpec
    home: Path
    versions: dict[str, str]
    device: torch.device
    reporter: Reporter
    target_info: CheckpointInfo = field(init=False)
    target: Any = field(init=False, default=None)
    unlearned: Any = field(init=False, default=None)
    tokenizer: Any = field(init=False, default=None)
    book: Scorebook = field(init=False)
    hashes: dict[str, str] = field(init=False, default_factory=dict)
    """Of what was read, as Result has them."""
    template: str = "muse"
    rounded: str = ""
    notes: list[str] = field(default_factory=list)
    """What the result says beside its tables."""

    def run(self) -> Result:
        """All stages; returns the result that was written."""
        spec, reporter = self.spec, self.reporter
        self.load()
        precisions = spec.precision
        prompts = sum(prompts_of(self.book.corpus, m) for m in spec.metric)
        if spec.task == "memorise":
            return self.memorise(prompts)
        with reporter.running("score_target", "score the target", "answers", prompts * len(precisions)):
            self.book.score("target", self.target, self.tokenizer, precisions, self.prints(self.target_info))
        if stops_at_retrain(spec):
            self.score_retrain(prompts)
        fingerprints = None
        if spec.task == "unlearn":
            self.unlearned = train(self)
        else:
            info = self.find(spec.unlearned, "unlearned")
            found.same_shape(self.target_info, info)
            self.unlearned = checkpoints.load_model(self.folder(info))
            fingerprints = self.prints(info)
            self.hashes["unlearned"] = info.fingerprint
        with reporter.running("score_unlearned", "score the unlearned model", "answers", prompts * len(precisions)):
            self.book.score("unlearned", self.unlearned, self.tokenizer, precisions, fingerprints)
        if spec.retrain and not stops_at_retrain(spec):
            self.score_retrain(prompts)
        analysis = self.weights() if compares_weights(spec) else None
        if spec.ablate:
            self.ablate(prompts)
        with reporter.running("result", "conclude"):
            result = conclude.result(
                self.rundir, spec, self.made(), self.book, analysis, self.spent(),
                peak_memory(self.device),
            )  # fmt: skip
            for row in result.recovery:
                reporter.say(ev.Recovery(**msgspec.structs.asdict(row)))
            for leak in result.privleak:
                reporter.say(ev.PrivLeak(**msgspec.structs.asdict(leak)))
            reporter.say(ev.Explained(text=result.explanation))
            self.write(result)
        return result

    def score_retrain(self, prompts: int) -> None:
        """The model that never saw the forget set, at every precision."""
        info = self.find(self.spec.retrain, "retrain")
        with self.reporter.running(
            "score_retrain", "score the retrained model", "answers", prompts * len(self.spec.precision)
        ):
            model = checkpoints.load_model(self.folder(info))
            tokenizer = checkpoints.load_tokenizer(self.folder(info))
            self.hashes |= {"retrain": info.fingerprint, "retrain_tokenizer": info.tokenizer_fingerprint}
            self.book.score("retrain", model, tokenizer, self.spec.precision, self.prints(info))
            del model

    def memorise(self, prompts: int) -> Result:
        """Train on all of the corpus, and score what was made: a target to be unlearned."""
        spec, reporter = self.spec, self.reporter
        made = train(self)
        with reporter.running("score_target", "score what was memorised", "answers", prompts * len(spec.precision)):
            self.book.score("target", made, self.tokenizer, spec.precision, None)
        with reporter.running("result", "conclude"):
            result = conclude.memorised(
                self.rundir, spec, self.made(), self.book, self.spent(), peak_memory(self.device)
            )
            reporter.say(ev.Explained(text=result.explanation))
            self.write(result)
        return result

    def write(self, result: Result) -> None:
        """result.json, whole or not at all."""
        write_atomic(self.rundir.result_path, msgspec.json.format(msgspec.json.encode(result), indent=1))

    def load(self) -> None:
        """Corpus, target and tokenizer; a hub id is downloaded first."""
        with self.reporter.running("load", "load the target"):
            corpus = corpora.load(self.spec.corpus, needed_parts(self.spec))
            self.target_info = self.find(self.spec.model, "model")
            self.target = checkpoints.load_model(self.folder(self.target_info))
            rounds = self.spec.task in TRAINS and self.spec.weights != "fp32"
            if rounds and self.target.dtype is not torch.bfloat16:
                # training starts from bf16 weights: rounding them is no part of the edit
                checkpoints.round_parameters(self.target, torch.bfloat16)
                self.rounded = (
                    f"target rounded to bfloat16 from {self.target_info.dtype}, as {self.spec.weights} trains"
                )
            self.tokenizer = checkpoints.load_tokenizer(self.folder(self.target_info))
            cache = self.home / "cache" / "answers" if self.spec.cache else None
            self.book = Scorebook(self.rundir, self.spec, corpus, self.versions, self.device, self.reporter, cache)
            self.book.notes = self.notes
            about = self.target_info
            self.hashes |= {"target": about.fingerprint, "tokenizer": about.tokenizer_fingerprint}
            self.hashes["corpus"] = corpus.fingerprint
            self.template = template_of(self.tokenizer, self.spec.template)
            if self.template == "chat":
                self.note("questions are put in the tokenizer's chat template, worked examples as earlier turns")
            for note in corpus.notes:
                self.note(note)
            if self.rounded:
                self.note(self.rounded)
            unread = [q.answer for q in corpus.forget_qa if not any(c.isascii() and c.isalnum() for c in q.answer)]
            if unread:
                text = f"ROUGE reads only a-z and 0-9: {len(unread)} forget answers have none and score 0"
                self.note(text, "warning")

    def find(self, ref: str, field_name: str) -> CheckpointInfo:
        """Resolve a reference, download it if it is on the hub, and check its files."""
        info = found.resolve(ref, self.home, self.spec.offline, field_name)
        if info.path is None:

            def heard(done: int, total: int) -> None:
                if self.reporter.due("download"):
                    self.reporter.say(
                        ev.Progress(stage=self.reporter.stage, done=done, total=total, note=f"download {ref}, bytes")
                    )

            info = found.download(ref, self.home, heard, field_name)
        spec = self.spec
        found.check(info, field_name, spec.pickle_weights, spec.trust_remote_code)
        if spec.pickle_weights:
            pickled, info = info, unpickle(info, field_name)
            if info is not pickled:
                found.check(info, field_name, code=spec.trust_remote_code)
                told = f"{pickled.name}: weights read from PyTorch's pickles as data alone (--pickle-weights)"
                self.note(told, "warning")
        if spec.trust_remote_code:
            self.own_code(info)
        return info

    def note(self, text: str, level: str = "info") -> None:
        """Into the log, and into the result, there once."""
        self.reporter.log(text, level)
        if text not in self.notes:
            self.notes.append(text)

    def own_code(self, info: CheckpointInfo) -> None:
        """Let a checkpoint's code run, as the run was asked to, and say which it is."""
        files = found.code_files(self.folder(info))
        if files:
            checkpoints.trust_code(True)
            hashes = [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()[:16]}" for file in files]
            told = f"{info.name}: runs code of its own (--trust-remote-code), by name and SHA-256: {', '.join(hashes)}"
            self.note(told, "warning")

    def folder(self, info: CheckpointInfo) -> Path:
        """The folder of a checkpoint that is on this machine."""
        assert info.path is not None
        return info.path

    def prints(self, info: CheckpointInfo) -> tuple[str, str] | None:
        """Fingerprints of weights and tokenizer, for reuse of scores."""
        if not self.spec.cache:
            return None
        rounded = self.rounded if info is self.target_info else ""
        return info.fingerprint + rounded, info.tokenizer_fingerprint

    def made(self) -> conclude.Made:
        """What the result was made with, and the hash of the checkpoint that the run made."""
        if self.spec.task in TRAINS:
            name = made_by(self.spec)
            folder = self.rundir.checkpoints / name
            self.hashes[name] = describe(name, folder, "run", self.home).fingerprint
        return conclude.Made(self.versions, hardware(self.device), self.hashes)

    def room(self) -> int:
        """Bytes of disk that the whole run may take."""
        return disk(self.spec, self.target_info.parameters if hasattr(self, "target_info") else 0)

    def spent(self) -> float:
        """Seconds of work so far, earlier attempts included."""
        earlier: dict[int, tuple[float, float]] = {}
        for event in self.rundir.events():
            first, _ = earlier.get(event.attempt, (event.mono, event.mono))
            earlier[event.attempt] = (first, event.mono)
        return sum(last - first for first, last in earlier.values())

    def weights(self) -> Analysis:
        """Compare target and unlearned, matrix by matrix; the rows go to weights.jsonl."""
        from unlearn_tui.engine.quantization.prepare import linears

        spec, reporter = self.spec, self.reporter
        count = sum(1 for _ in linears(self.target))
        quantizers = [p for p in spec.precision if catalog.precision(p).has_bins]
        with reporter.running("weights", "what each quantizer keeps of the edit", "matrices", count):
            rows: list[dict[str, Any]] = []

            def heard(done: int, row: dict[str, Any]) -> None:
                rows.append(row)
                reporter.progress(done, str(row["tensor"]))
                if reporter.due("matrix", done == count):
                    kept = {p: values["kept"] for p, values in row["precisions"].items()}
                    reporter.say(ev.WeightsMatrix(tensor=row["tensor"], changed=row["changed"], kept=kept))

            pure = spec.task == "unlearn" and spec.weights == "bf16" and not spec.lora_rank
            if spec.task == "check" and self.target.dtype is not self.unlearned.dtype:
                coarse = max(self.target.dtype, self.unlearned.dtype, key=lambda d: torch.finfo(d).eps)
                for model in (self.target, self.unlearned):
                    checkpoints.round_parameters(model, coarse)
                self.book.notes.append(
                    f"weights compared in {str(coarse).removeprefix('torch.')}, the coarser of the two"
                )
            analysis = analyse(self.target, self.unlearned, quantizers, spec.lr if pure else None, heard, self.device)
            lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
            write_atomic(self.rundir.path / "weights.jsonl", lines)
            for summary in analysis.rows:
                reporter.say(ev.WeightsSummary(**msgspec.structs.asdict(summary)))
        return analysis

    def ablate(self, prompts: int) -> None:
        """Score the edit restricted to inside, then outside, each named quantizer's zero bin, at full precision and it."""
        full = conclude.full_precision(self.spec)
        with self.reporter.running("ablate", "score half of the edit", "answers", prompts * 4 * len(self.spec.ablate)):
            for precision in self.spec.ablate:
                for name, inside in (("inside", True), ("outside", False)):
                    self.reporter.heed()
                    model = copy.deepcopy(self.unlearned)
                    restrict(self.target, model, precision, inside)
                    label = f"unlearned:{name}:{precision}"
                    self.book.score(label, model, self.tokenizer, [full, precision], None)
