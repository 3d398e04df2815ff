"""What a run needs: memory, disk, steps; and what estimates are made from: facts of its sources, records of other runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from unlearn_tui import catalog
from unlearn_tui.protocol.spec import RunSpec

Key = tuple[str, str, str]
"""Model (target, unlearned, retrain …), precision, metric."""


@dataclass(frozen=True)
class Record:
    """What a finished run teaches. Seconds and bytes; `tokens` and `steps` are 0 where it did not unlearn."""

    spec: RunSpec
    device: str
    threads: int
    parameters: int
    stages: Mapping[str, float]
    scores: Mapping[Key, tuple[float, int]]
    """Seconds and prompts of what was computed; what was reused is not in here."""
    steps: int = 0
    tokens: float = 0.0
    """Read in one optimizer step, forget and retain together."""
    memory: int = 0
    """At the peak."""
    seconds: float = 0.0
    run: str = ""


@dataclass(frozen=True)
class Kept:
    """A score that an earlier run left in the cache: of which of its models, and how that run was asked."""

    model: str
    precision: str
    metric: str
    spec: RunSpec
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Facts:
    """What files and machine say about a form; zeros where unknown."""

    parameters: int = 0
    dtype: str = ""
    """Of the target's stored weights: bf16, fp16, fp32."""
    hidden: int = 0
    layers: int = 0
    vocab: int = 0
    positions: int = 0
    """Longest sequence that the model takes."""
    model: str = ""
    """The target in a few words."""
    prompts: Mapping[str, int] = field(default_factory=dict)
    """By metric."""
    pairs: int = 0
    """Forget questions with answers; `pair_chars` their mean length, `text_chars` the raw forget text's."""
    pair_chars: float = 0.0
    text_chars: int = 0
    retain_pairs: int = 0
    retain_chars: int = 0
    """Retain questions, and the raw retain text's characters: what memorising reads besides."""
    canary: str = ""
    """The question that the canary's number means."""
    downloads: tuple[str, ...] = ()
    """Models that must be fetched first."""
    device: str = "cpu"
    threads: int = 1
    reused: frozenset[Key] = frozenset()
    """Scores that an earlier run has already."""
    free_memory: int = 0
    total_memory: int = 0
    free_disk: int = 0


@dataclass(frozen=True)
class Stage:
    """One stage of the plan; `seconds` None where nothing tells."""

    id: str
    what: str
    units: str
    seconds: float | None
    reused: bool = False


@dataclass(frozen=True)
class Plan:
    """Everything a run will take; bytes, 0 where unknown. `source` says where the times come from, `doubt` why they may
    be far off.
    """

    stages: tuple[Stage, ...]
    source: str
    doubt: str
    memory: int
    memory_learnt: bool
    disk: int

    @property
    def seconds(self) -> float | None:
        """Of all stages; None if one is unknown."""
        known = [s.seconds for s in self.stages]
        return None if None in known else sum(s for s in known if s is not None)


CHARS = 4.0
"""Characters in a token of ordinary English text, near enough."""
CHUNK = 1 << 22
"""Logits that are there at a time (engine/unlearning/heads.py)."""
LIBRARIES = 560_000_000
"""Bytes of an engine without a model."""
_WIDTH = {"fp64": 8, "fp32": 4}


def disk(spec: RunSpec, parameters: int) -> int:
    """Bytes that a run may write: the unlearned checkpoint and two saves (the new one is whole before the old one goes)
    of weights and two moments, plus 50 MB.
    """
    if spec.task == "check":
        return 50_000_000
    master, moments = stored(spec)
    saves = 2 if spec.save_every else 1
    saved = parameters // 50 if spec.lora_rank else parameters  # an adapter of a usual rank is smaller yet
    kept = math.ceil(spec.epochs) if spec.stop_rule and spec.keep_checkpoint and spec.epochs else 0
    return int(parameters * master * (1 + kept) + saves * saved * (master + moments)) + 50_000_000


def stored(spec: RunSpec) -> tuple[int, float]:
    """Bytes that a parameter and its two moments take in a save."""
    return 4 if spec.weights == "fp32" else 2, catalog.MOMENTS[spec.optimizer_state].saved


def memory(spec: RunSpec, facts: Facts) -> int:
    """Bytes at the peak, from sizes alone: weights, gradients, moments and the activations of one micro batch."""
    cpu = facts.device == "cpu"
    kept = _WIDTH.get(facts.dtype, 2)
    if spec.task == "check":
        return LIBRARIES + facts.parameters * (2 * kept + (4 if cpu else 2))
    method = catalog.method(spec.method)
    held = 4 if cpu or spec.weights == "fp32" else 2
    passes = 2 if method.retain or spec.grad_accum > 1 else 1
    moments = catalog.MOMENTS[spec.optimizer_state]
    reference = method.kl or method.hidden or method.pairs
    # the frozen reference and the checkpoint as it was read are whole; moments and sums of gradients are of what is trained,
    # and so are the gradients of a second pass, which only bfloat16 keeps beside the sums
    whole = held + held * reference + kept * cpu
    each = (moments.saved if cpu else moments.held) + 4 + (held if passes > 1 and held < 4 else 0)
    tokens = spec.batch * (1 + method.refuses) * item_tokens(spec, facts)
    layers = 4 * facts.layers + 120 if spec.checkpointing else 120 * facts.layers
    activations = tokens * facts.hidden * layers + min(tokens * facts.vocab, CHUNK) * 12
    return LIBRARIES + int(facts.parameters * whole + trained(spec, facts) * each + activations)


def trained(spec: RunSpec, facts: Facts) -> int:
    """Parameters that a run trains, from above: RMU's are three matrices of at most four times the hidden width squared; for
    a LoRA adapter, the matrices of a layer have some 23 widths of rows and columns together (Llama's shapes).
    """
    few = catalog.method(spec.method).hidden and spec.rmu_weights == "mlp"
    if spec.lora_rank:
        return spec.lora_rank * facts.hidden * (3 * 5 if few else 23 * facts.layers)
    return min(facts.parameters, 3 * 4 * facts.hidden**2) if few else facts.parameters


def item_tokens(spec: RunSpec, facts: Facts) -> float:
    """Tokens of a training item."""
    longest = min(spec.max_length, facts.positions or spec.max_length)
    return longest if spec.forget_text == "raw" else min((facts.pair_chars or 70) / CHARS, longest)


def items(spec: RunSpec, facts: Facts) -> int:
    """Forget items that unlearning reads, or all that memorising does; 0 if unknown."""
    every = spec.task == "memorise"
    if spec.forget_text == "qa":
        return facts.pairs + every * facts.retain_pairs
    return math.ceil((facts.text_chars + every * facts.retain_chars) / CHARS / item_tokens(spec, facts))


def steps(spec: RunSpec, facts: Facts) -> int:
    """Optimizer steps; 0 where epochs are asked for and the items are not known."""
    if spec.steps is not None:
        return spec.steps
    count = items(spec, facts)
    return max(1, math.ceil((spec.epochs or 0) * count / (spec.batch * spec.grad_accum))) if count else 0


def reused(
    spec: RunSpec, kept: Iterable[Kept], models: Mapping[str, str], versions: Mapping[str, str], dtype: str
) -> frozenset[Key]:
    """Scores that a run of `spec` will find in the cache, going by what the earlier runs were asked for.

    `models`: the pinned reference of target, unlearned and retrain as far as they are checkpoints on disk; `spec` is
    pinned too, with its threads written out. `dtype`: of the target; where unlearning rounds it, it is another model.
    """

    def rounds(s: RunSpec, model: str) -> bool:
        return model == "target" and s.task == "unlearn" and s.weights != "fp32" and dtype != "bf16"

    found: set[Key] = set()
    for k in kept if spec.cache else ():
        names = {"target": k.spec.model, "unlearned": k.spec.unlearned, "retrain": k.spec.retrain}
        alike = all(getattr(k.spec, n) == getattr(spec, n) for n in ("corpus", "template", "eval_batch", "threads"))
        if not alike or dict(k.versions) != dict(versions) or (k.model == "unlearned" and k.spec.task == "unlearn"):
            continue
        record = catalog.METRICS.get(k.metric)
        if record is not None and record.seeded and k.spec.seed != spec.seed:
            continue
        for model, name in models.items():
            if name and name == names.get(k.model) and rounds(spec, model) == rounds(k.spec, k.model):
                found.add((model, k.precision, k.metric))
    return frozenset(found)
