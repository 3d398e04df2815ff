"""Seconds of a run's stages, learnt from finished runs of the same model, else scaled from others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from unlearn_tui import catalog
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.state.baseline import BASELINE
from unlearn_tui.state.plan import (
    Facts,
    Key,
    Plan,
    Record,
    Stage,
    disk,
    item_tokens,
    items,
    memory,
    steps,
    stored,
    trained,
)
from unlearn_tui.validate import TRAINS, compares_weights, stops_at_retrain

CANARY_COST, PROBE_COST = 4, 32
"""What asking the canary and a probe cost, in KnowMem prompts of a full batch."""
DISK_SPEED = 5e8
"""Bytes a second when saving and loading large models, a guess on the slow side."""


def plan(spec: RunSpec, facts: Facts, records: Sequence[Record]) -> Plan:
    """Stages of `spec` in order, each with what it is expected to take."""
    there = [r for r in records if _kind(r.device) == _kind(facts.device)]
    same = [r for r in there if facts.parameters and _alike(r.parameters, facts.parameters)]
    pool, doubt = same or there, ""
    if not facts.parameters:
        pool, source = [], "not known"
        doubt = "The size of the model is not known before it is downloaded." if facts.downloads else ""
    elif same:
        source = f"learnt from {_runs(len(same))}"
    elif there:
        source = f"scaled from {_runs(len(there))}"
        doubt = f"Times are scaled from {_runs(len(there))} of a model of another size."
    elif _kind(facts.device) == "cpu":
        pool, source = [BASELINE], "rough"
        doubt = "No run here yet to learn from: times are those of the pocket model on 2 cores"
        doubt += "." if _alike(BASELINE.parameters, facts.parameters) else ", scaled to the size of this one."
    else:
        source, doubt = "not known", "No run on a GPU yet to learn from: the first one will tell."
    guess = _Estimate(spec, facts, pool, [BASELINE] if pool and _kind(facts.device) == "cpu" else [])
    peaks = [r for r in same if r.memory and r.spec.task == spec.task]
    learnt = [r.memory for r in peaks if _takes_as_much(r.spec, spec)]
    # what sizes alone do not tell differs little between runs of one model
    off = median(r.memory - memory(r.spec, facts) for r in peaks) if peaks else 0
    return Plan(
        stages=tuple(guess.stages()),
        source=source,
        doubt=doubt,
        memory=max(learnt) if learnt else max(memory(spec, facts) + int(off), 0) if facts.parameters else 0,
        memory_learnt=bool(learnt),
        disk=disk(spec, facts.parameters) if facts.parameters else 0,
    )


@dataclass(frozen=True)
class _Estimate:
    """Times for one spec. `pool`: the runs to learn from; `otherwise` where these do not know."""

    spec: RunSpec
    facts: Facts
    pool: Sequence[Record]
    otherwise: Sequence[Record]

    def stages(self) -> Iterable[Stage]:
        """In the pipeline's order."""
        spec = self.spec
        prompts = sum(self.facts.prompts.get(m, 0) for m in spec.metric)
        quantizers = [p for p in spec.precision if not catalog.precision(p).full]
        yield Stage("load", "load", _download(self.facts.downloads), None if self.facts.downloads else self.load())
        if spec.task == "memorise":
            count = steps(spec, self.facts)
            yield Stage("memorise", "memorise", f"{count:,} steps" if count else "", self.training(count))
            yield self.scoring("target", "score target", prompts)
            yield self.result()
            return
        yield self.scoring("target", "score target", prompts)
        if stops_at_retrain(spec):
            yield self.scoring("retrain", "score retrain", prompts)
        if spec.task == "unlearn":
            count = steps(spec, self.facts)
            units = f"{count:,} steps" if count else ""
            yield Stage("unlearn", f"unlearn {spec.method}", units, self.training(count))
        yield self.scoring("unlearned", "score unlearned", prompts)
        if spec.retrain and not stops_at_retrain(spec):
            yield self.scoring("retrain", "score retrain", prompts)
        if compares_weights(spec):
            yield Stage("weights", "compare weights", "", self.weights(len(quantizers)))
        if spec.ablate:
            full = next(p for p in spec.precision if catalog.precision(p).full)
            parts = [self.score("unlearned", [full, q]) for q in spec.ablate]
            total = None if None in parts else 2 * sum(p for p in parts if p is not None)
            yield Stage("ablate", "ablate", f"{4 * len(spec.ablate) * prompts:,} answers", total)
        yield self.result()

    def result(self) -> Stage:
        """The last one, which takes next to no time."""
        return Stage("result", "result", "", self.middle(r.stages["result"] for r in self.pool if "result" in r.stages))

    def load(self) -> float | None:
        """A fixed part (libraries, corpus) learnt, and the weights' way from the disk."""
        return self.middle(
            r.stages["load"] + max(self.facts.parameters - r.parameters, 0) * 2 / DISK_SPEED
            for r in self.pool
            if "load" in r.stages
        )

    def scoring(self, model: str, what: str, prompts: int) -> Stage:
        """Score one model at every precision."""
        count = prompts * len(self.spec.precision)
        wanted = {(model, p, m) for p in self.spec.precision for m in self.spec.metric}
        reused = wanted <= self.facts.reused
        seconds = self.score(model, self.spec.precision)
        return Stage(f"score_{model}", what, f"{count:,} answers" if count else "", seconds, reused)

    def score(self, model: str, precisions: Sequence[str]) -> float | None:
        """Seconds to prepare `model` at each precision and to answer everything that is not known yet."""
        total = 0.0
        for precision in precisions:
            wanted = [m for m in self.spec.metric if (model, precision, m) not in self.facts.reused]
            for metric in wanted:
                each = self.prompt(model, precision, metric)
                if each is None or metric not in self.facts.prompts:
                    return None
                if model == "unlearned" and not compares_weights(self.spec):
                    each *= 2  # two models answer
                total += each * self.facts.prompts[metric]
            if wanted:
                total += self.preparing()
        return total

    def prompt(self, model: str, precision: str, metric: str) -> float | None:
        """Seconds for one prompt: of the runs that know most about this very case, the median."""
        full = catalog.precision(precision).full
        for records in (self.pool, self.otherwise):
            tests: tuple[Callable[[Key], bool], ...] = (
                lambda k: k == (model, precision, metric),
                lambda k: k[1:] == (precision, metric),
                lambda k: k[2] == metric and catalog.is_full(k[1]) == full,
                lambda k: k[2] == metric,
                lambda k: True,
            )
            for fits in tests:
                each = [
                    seconds / n * self.scale(r)
                    for r in records
                    for key, (seconds, n) in r.scores.items()
                    if n and catalog.find_precision(key[1]) and fits(key)
                ]
                if each:
                    return median(each)
        return None

    def preparing(self) -> float:
        """Seconds between the metrics: quantizing, and putting the model where it computes."""
        found = []
        for r in self.pool:
            for model in ("target", "unlearned", "retrain"):
                mine = {key: s for key, (s, _) in r.scores.items() if key[0] == model}
                if mine and f"score_{model}" in r.stages:
                    rest = r.stages[f"score_{model}"] - sum(mine.values())
                    found.append(max(rest, 0.0) / len({key[1] for key in mine}) * self.scale(r))
        return median(found) if found else 0.0

    def training(self, count: int) -> float | None:
        """Steps, the looks at the model between them, and saves."""
        spec = self.spec
        ask = self.prompt("unlearned", spec.precision[0], "knowmem_forget")
        found = [(r, r.stages["unlearn"]) for r in self.pool if r.steps and "unlearn" in r.stages]
        found = found or [(r, r.stages["unlearn"]) for r in self.otherwise]
        if not count or ask is None or not found:
            return None
        names = ["forget_text", "method", "lora_rank", "weights"]
        chosen = found
        while names and not (
            chosen := [f for f in found if all(getattr(f[0].spec, n) == getattr(spec, n) for n in names)]
        ):
            names.pop()
        each = []
        for r, seconds in chosen or found:
            looking = _looks(r.spec, r.steps) * ask / self.scale(r)
            each.append(max(seconds - looking, 0.3 * seconds) / r.steps / self.work_of(r) * self.scale(r))
        saves = (count - 1) // spec.save_every if spec.save_every else 0
        saving = saves * trained(spec, self.facts) * sum(stored(spec)) / DISK_SPEED
        looks = _looks(spec, count)
        if spec.stop_rule and (read := items(spec, self.facts)):  # all epochs: when muse will stop is not known
            looks += count * spec.batch * spec.grad_accum // read * self.facts.prompts.get("knowmem_forget", 0)
        return count * median(each) * self.work() + looks * ask + saving

    def work(self) -> float:
        """What a step of this run computes: token passes."""
        learnt = [
            r.tokens / _sets(r.spec)
            for r in self.pool
            if r.tokens and (r.spec.forget_text, r.spec.corpus) == (self.spec.forget_text, self.spec.corpus)
        ]
        tokens = item_tokens(self.spec, self.facts)
        if learnt and self.spec.forget_text == "qa":
            tokens = median(learnt)
        return tokens * _sets(self.spec) * _extra(self.spec)

    def work_of(self, r: Record) -> float:
        """The same for a finished run."""
        return (r.tokens or item_tokens(r.spec, self.facts) * _sets(r.spec)) * _extra(r.spec)

    def weights(self, quantizers: int) -> float | None:
        """Comparing every matrix under every quantizer."""
        return self.middle(
            r.stages["weights"] / max(_quantizers(r.spec), 1) * quantizers * self.scale(r)
            for r in self.pool
            if "weights" in r.stages
        )

    def scale(self, r: Record) -> float:
        """How much longer the same thing takes here than in that run: by size of model and number of threads."""
        size = self.facts.parameters / r.parameters if self.facts.parameters and r.parameters else 1.0
        threads = self.spec.threads or self.facts.threads
        return size * (r.threads / threads if _kind(self.facts.device) == "cpu" and threads and r.threads else 1.0)

    def middle(self, values: Iterable[float]) -> float | None:
        """The median, None of nothing."""
        found = list(values)
        return median(found) if found else None


def _looks(spec: RunSpec, count: int) -> float:
    """Canary and probes of a run of `count` steps, in prompts."""
    asked = count // spec.canary_every + 2 if spec.canary_every else 0
    probed = count // spec.probe_every + 2 if spec.probe_every else 0
    return asked * CANARY_COST + probed * PROBE_COST


def _sets(spec: RunSpec) -> int:
    """Items of a step: forget ones, as many with refusals where a method reads such, and as many to retain."""
    method = catalog.method(spec.method)
    return spec.batch * spec.grad_accum * (1 + bool(method.retain) + method.refuses)


def _extra(spec: RunSpec) -> float:
    """What the reference adds to a pass: a third where it is computed anew, little where it is remembered. Layers that
    are computed again add another forward pass to the three that a step takes.
    """
    kl = catalog.method(spec.method).kl
    reference = 0.16 if kl and spec.forget_text == "raw" else 0.05 if kl else 0.0
    return 1.0 + reference + spec.checkpointing / 3


def _quantizers(spec: RunSpec) -> int:
    return sum(not catalog.is_full(p) for p in spec.precision if catalog.find_precision(p))


def _takes_as_much(a: RunSpec, b: RunSpec) -> bool:
    """Whether two runs of one model should peak alike."""
    names = (
        *("task", "method", "forget_text", "batch", "weights", "optimizer_state", "checkpointing", "rmu_weights"),
        "lora_rank",
    )
    return all(getattr(a, n) == getattr(b, n) for n in names if a.task in TRAINS or n == "task") and (
        a.forget_text == "qa" or a.max_length == b.max_length
    )


def _kind(device: str) -> str:
    return device.partition(":")[0]


def _alike(a: int, b: int) -> bool:
    return abs(a - b) <= 0.02 * b


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"


def _download(names: tuple[str, ...]) -> str:
    return f"after download of {', '.join(names)}" if names else ""
