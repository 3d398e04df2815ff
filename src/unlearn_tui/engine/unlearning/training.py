"""The training loop: one step at a time, so that whoever drives it can look, save and stop between steps.

Everything random is a function of (seed, step): the order of items and the bits of stochastic rounding. A saved run
therefore needs no generator state, only the weights, the moments and the step.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unlearn_tui import catalog
from unlearn_tui.engine.checkpoints import round_parameters
from unlearn_tui.engine.numerics import NotFinite
from unlearn_tui.engine.quantization.prepare import implementation
from unlearn_tui.engine.unlearning import lora
from unlearn_tui.engine.unlearning.adamw import AdamW
from unlearn_tui.engine.unlearning.data import Batch, Item, collate, passes
from unlearn_tui.engine.unlearning.gradients import Gradients
from unlearn_tui.engine.unlearning.objectives import HiddenLosses, Objective, TokenLosses, rmu_layer
from unlearn_tui.engine.unlearning.recompute import recomputing
from unlearn_tui.engine.unlearning.reference import Told, unheard
from unlearn_tui.engine.unlearning.rmu import trained
from unlearn_tui.engine.unlearning.rounding import keep_fp32
from unlearn_tui.engine.unlearning.sure import Selection, select
from unlearn_tui.engine.unlearning.task_vector import negated
from unlearn_tui.engine.unlearning.terms import Term, count
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.spec import RunSpec

TOGETHER = 1024
"""Tokens, padding included, up to which a forget and a retain batch share a forward pass: small matrices cost more than
their sums."""


@dataclass
class StepReport:
    """What one optimizer step did. Losses in nats; times in seconds; ids of the items read, in order."""

    step: int
    loss: float
    forget_loss: float
    retain_loss: float | None
    grad_norm: float
    adam_max: float
    adam_p99: float | None
    npo_weight: float | None
    tokens: int
    seconds: float
    forget_ids: list[str]
    retain_ids: list[str]


def stored_dtype(weights: str, device: torch.device) -> torch.dtype:
    """How trained weights lie in memory: bfloat16 on a GPU in the bf16 modes, else float32 (holding bf16 values)."""
    return torch.bfloat16 if device.type != "cpu" and weights != "fp32" else torch.float32


def saved_dtype(weights: str) -> torch.dtype:
    """How they are written: what the update mode names."""
    return torch.float32 if weights == "fp32" else torch.bfloat16


def total_steps(spec: RunSpec, items: int) -> int:
    """`steps`, or the steps that `epochs` passes over the forget items take."""
    if spec.steps is not None:
        return spec.steps
    assert spec.epochs is not None
    return max(1, math.ceil(spec.epochs * items / (spec.batch * spec.grad_accum)))


def moving(model: Any, spec: RunSpec) -> set[str]:
    """Names of the parameters that a run trains."""
    if catalog.method(spec.method).hidden:
        return trained(model, rmu_layer(spec, model), spec.rmu_weights)
    return {name for name, _ in model.named_parameters()}


@dataclass
class _Side:
    """The forget or the retain side of one step: its term, its factor in the loss, its micro batches, what it came to."""

    term_of: Callable[[Tensor, Batch], Term]
    factor: float
    batches: list[Batch]
    value: float = 0.0
    weight: float | None = None
    divisor: int = 0

    def loss(self, rows: Tensor, batch: Batch) -> Tensor:
        """What this micro batch adds to the loss; scalar."""
        term = self.term_of(rows, batch)
        self.divisor = self.divisor or sum(count(b.mask, term.per) for b in self.batches)
        self.value += float(term.total.detach()) / self.divisor
        if term.weight is not None:
            self.weight = (self.weight or 0.0) + float(term.weight) / self.divisor
        return term.total * (self.factor / self.divisor)


@dataclass
class Training:
    """Model, optimizer and data of one unlearning run. `model` is trained in place; `target` is only read.

    `refused`: for a method that refuses, each forget item again with a refusal for its answer, in the same order.
    """

    model: Any
    target: Any
    forget: list[Item]
    retain: list[Item]
    spec: RunSpec
    pad: int
    device: torch.device
    refused: list[Item] = field(default_factory=list)
    told: Told = unheard
    """Hears how far the target's own answers are, which some methods compare with."""
    done: int = 0
    adapted: Any = field(init=False, default=None)
    """peft's model around `model`, whose adapter is what trains; None where the weights themselves do."""
    optimizer: AdamW = field(init=False)
    objective: Objective = field(init=False)
    instead: dict[str, Item] = field(init=False)
    """By id of a forget item, the one of `refused`."""
    sums: Gradients = field(init=False)
    selection: Selection | None = field(init=False, default=None)
    """What SURE lets move, as of the last step."""

    def __post_init__(self) -> None:
        """Round the weights to what the update mode stores, and compute NPO's reference once."""
        method, mode = catalog.method(self.spec.method), catalog.update_mode(self.spec.weights)
        self.retains = method.retain is not None
        self.instead = {i.id: j for i, j in zip(self.forget, self.refused, strict=True)} if method.refuses else {}
        if self.spec.optimizer_state == "paged" and self.device.type == "cpu":
            raise Refused(
                "--optimizer-state paged moves moments out of a GPU's memory, and this run computes on the CPU: use fp32",
                "optimizer_state",
            )
        dtype = stored_dtype(self.spec.weights, self.device)
        self.model.to(self.device).eval().requires_grad_(True)
        round_parameters(self.model, dtype)
        chosen = moving(self.model, self.spec)
        for name, weight in self.model.named_parameters():
            weight.requires_grad_(name in chosen)
        if self.spec.weights != "fp32":
            with torch.no_grad():
                for weight in self.model.parameters():
                    weight.copy_(weight.to(torch.bfloat16))
        self.rounding = implementation(mode.implementation)
        if self.spec.lora_rank:
            self.adapted = lora.attach(self.model, self.spec.lora_rank, self.spec.lora_alpha, self.spec.seed, chosen)
        self.optimizer = AdamW(
            {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad},
            self.spec.lr,
            self.rounding if self.adapted is None else keep_fp32,
            self.spec.weight_decay,
            self.spec.optimizer_state,
        )
        self.sums = Gradients(self.optimizer.parameters)
        groups, pad, device = self._groups(), self.pad, self.device
        if method.hidden:
            self.objective = HiddenLosses(self.model, self.target, self.spec, groups, pad, device, dtype)
        else:
            read = [*self.forget, *self.refused]
            self.objective = TokenLosses(self.model, self.target, self.spec, read, groups, pad, device, dtype)
        if self.objective.reference is not None:
            self.objective.reference.know(self.told)  # before there are gradients and moments
        if self.spec.sure == "once":
            self.selection = self._selected()

    @property
    def total(self) -> int:
        """Optimizer steps of the whole run."""
        return total_steps(self.spec, len(self.forget))

    def _groups(self) -> list[list[Item]]:
        """Retain items as the reference is asked about them: in batches of those that will be read."""
        size = self.spec.batch
        drawn = min(self.total * size * self.spec.grad_accum, len(self.retain))
        coming = {item.id for item in islice(passes(self.retain, 2 * self.spec.seed + 1), drawn)} if drawn else set()
        read = [item for item in self.retain if item.id in coming]
        return [read[i : i + size] for i in range(0, len(read), size)]

    def _draw(self, items: list[Item], seed: int) -> list[list[Item]]:
        """The step's items in micro batches."""
        size = self.spec.batch
        drawn = passes(items, seed, start=self.done * size * self.spec.grad_accum)
        return [list(islice(drawn, size)) for _ in range(self.spec.grad_accum)]

    def _forget_batch(self, part: list[Item]) -> Batch:
        """Forget items as a method reads them: behind them the same questions refused, where it refuses."""
        again = [self.instead[i.id] for i in part] if self.instead else []
        return collate([*part, *again], self.pad, self.device)

    def step(self, percentile: bool = False) -> StepReport:
        """One optimizer step over batch × grad_accum forget items and as many retain items.

        `percentile` also measures the 99th percentile of |Adam step|. Raises NotFinite before touching the weights.
        """
        began = time.monotonic()
        drawn = self._draw(self.forget, 2 * self.spec.seed)
        forget = [self._forget_batch(part) for part in drawn]
        retain = []
        if self.retains:
            retain = [collate(part, self.pad, self.device) for part in self._draw(self.retain, 2 * self.spec.seed + 1)]
        forget_value, retain_value, weight = self._backward(forget, retain)
        gradients = self.sums.sums
        norm = torch.nn.utils.get_total_norm(gradients.values())
        loss = self.spec.gamma * forget_value + self.spec.alpha * (retain_value or 0.0)
        if not (math.isfinite(loss) and math.isfinite(float(norm))):
            self.sums.clear()
            raise NotFinite(
                f"loss {loss:g} or gradient norm {float(norm):g} is not finite at step {self.done + 1}: "
                "try a smaller --lr, or --clip 1"
            )
        if self.spec.clip:
            scale = min(1.0, self.spec.clip / (float(norm) + 1e-6))
            for gradient in gradients.values():
                gradient.mul_(scale)
        mask = self.selection.mask if self.selection else None
        largest, p99 = self.optimizer.step(gradients, self._noise(), percentile, mask)
        self.sums.clear()
        self.done += 1
        return StepReport(
            step=self.done,
            loss=loss,
            forget_loss=forget_value,
            retain_loss=retain_value,
            grad_norm=float(norm),
            adam_max=largest,
            adam_p99=p99,
            npo_weight=weight,
            tokens=sum(int(b.attention.sum()) for b in forget + retain),
            seconds=time.monotonic() - began,
            forget_ids=[i.id for part in drawn for i in part],
            retain_ids=[i.id for b in retain for i in b.items],
        )

    def _backward(self, forget: list[Batch], retain: list[Batch]) -> tuple[float, float | None, float | None]:
        """Gradients of gamma · forget + alpha · retain over all micro batches, each scaled by the whole step's divisor.

        Returns both losses and the mean weight of the forget sequences. Small micro batches of the two kinds go through
        the model together; large ones one after the other, so that one's activations are gone before the other's are
        made.
        """
        sides = [_Side(self.objective.forget, self.spec.gamma, forget)]
        if retain:
            sides.append(_Side(self.objective.retain, self.spec.alpha, retain))
        if self.spec.sure == "each":
            for batch in forget:
                self._add(sides[0], batch)
            self.selection = select(self.sums.sums, self.spec.sure_unit, self.spec.sure_percentile)
            for batch in retain:
                self._add(sides[1], batch)
            return sides[0].value, sides[1].value if retain else None, sides[0].weight
        for batches in zip(forget, retain, strict=True) if retain else ((b,) for b in forget):
            if sum(b.ids.numel() for b in batches) <= TOGETHER:
                both = collate([i for b in batches for i in b.items], self.pad, self.device)
                with self._arithmetic(), recomputing(self.model, self.spec.checkpointing):
                    rows = self.objective.rows(both).split([int(b.mask.sum()) for b in batches])
                    parts = [side.loss(r, b) for side, r, b in zip(sides, rows, batches, strict=True)]
                torch.stack(parts).sum().backward()
                self.sums.collect()
                continue
            for side, batch in zip(sides, batches, strict=True):
                self._add(side, batch)
        return sides[0].value, sides[1].value if retain else None, sides[0].weight

    def _add(self, side: _Side, batch: Batch) -> None:
        """One micro batch's gradient, added to the sums."""
        with self._arithmetic(), recomputing(self.model, self.spec.checkpointing):
            part = side.loss(self.objective.rows(batch), batch)
        part.backward()
        self.sums.collect()

    def _selected(self) -> Selection:
        """SURE's mask by the forget gradient over all forget items, at the weights as they are now: the target's."""
        size = self.spec.batch
        parts = [self.forget[i : i + size] for i in range(0, len(self.forget), size)]
        batches = [self._forget_batch(part) for part in parts]
        side = _Side(self.objective.forget, 1.0, batches)
        for batch in batches:
            self._add(side, batch)
        found = select(self.sums.sums, self.spec.sure_unit, self.spec.sure_percentile)
        self.sums.clear()
        return found

    def _arithmetic(self) -> torch.autocast:
        return torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda")

    def _noise(self) -> torch.Generator:
        generator = torch.Generator(self.device)
        return generator.manual_seed((self.spec.seed * 1_000_003 + self.done) % 2**63)

    def edited(self) -> AbstractContextManager[None]:
        """In here the model is what it would be if training ended now: fine-tuned, or for a method that negates, as far
        the other way."""
        if not catalog.method(self.spec.method).negates:
            return nullcontext()
        if self.adapted is not None:
            return lora.scaled(self.adapted, -self.spec.task_alpha)
        target = dict(self.target.named_parameters())
        return negated(self.optimizer.parameters, target, self.spec.task_alpha, self.optimizer.rounding, self._noise())

    def changed(self) -> float:
        """Share of all weights that differ from the target's; an adapter's, once it is merged."""
        target = dict(self.target.named_parameters())
        moved = 0 if self.adapted is None else lora.changed(self.adapted, self.rounding, self.spec.seed)
        for name, weight in self.optimizer.parameters.items() if self.adapted is None else ():
            moved += int((weight.detach().float() != target[name].to(weight.device).float()).sum())
        return moved / sum(w.numel() for w in target.values())

    def merged(self) -> Any:
        """The model in training, without an adapter: where one is trained, a copy in which that is merged."""
        return self.model if self.adapted is None else lora.merge(self.adapted, self.rounding, self.spec.seed)

    @property
    def saved_bytes(self) -> int:
        """Bytes that `save` writes."""
        return sum(t.numel() * t.element_size() for t in self.optimizer.tensors().values())

    def save(self, folder: Path) -> None:
        """Write moments and step beside the weights already saved in `folder`."""
        from safetensors.torch import save_file

        tensors = {name: tensor.cpu() for name, tensor in self.optimizer.tensors().items()}
        save_file(tensors, folder / "optimizer.safetensors")
        (folder / "training.json").write_text(json.dumps({"step": self.done}))

    def restore(self, folder: Path, weights: dict[str, Tensor]) -> None:
        """Go on from a save: `weights` by parameter name, moments and step from `folder`."""
        from safetensors.torch import load_file

        tensors = load_file(folder / "optimizer.safetensors")
        self.done = int(json.loads((folder / "training.json").read_text())["step"])
        self.optimizer.steps = self.done
        with torch.no_grad():
            for name, weight in self.optimizer.parameters.items():
                weight.copy_(weights[name])
            for name, tensor in self.optimizer.tensors().items():
                tensor.copy_(tensors[name].reshape(tensor.shape))
