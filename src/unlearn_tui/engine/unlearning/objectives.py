"""What a step's loss is made of, seen from the training loop: rows of a batch, and the two terms from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from unlearn_tui import catalog
from unlearn_tui.engine.quantization.prepare import implementation
from unlearn_tui.engine.unlearning.data import Batch, Item
from unlearn_tui.engine.unlearning.heads import Head, in_chunks
from unlearn_tui.engine.unlearning.klr import divergence
from unlearn_tui.engine.unlearning.recompute import layers
from unlearn_tui.engine.unlearning.reference import Reference
from unlearn_tui.engine.unlearning.rmu import Layer, control_vector
from unlearn_tui.engine.unlearning.terms import Term
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.spec import RunSpec


class Objective(Protocol):
    """A loss of the model that it was made with."""

    reference: Reference | None
    forget_loss: Any
    """The function behind the forget term."""

    def rows(self, batch: Batch) -> Tensor:
        """(N, H) what the terms read, at the N counted positions of a batch, row-major. Differentiable."""

    def forget(self, rows: Tensor, batch: Batch) -> Term:
        """The forget term of a micro batch."""

    def retain(self, rows: Tensor, batch: Batch) -> Term:
        """The retain term of a micro batch."""


class TokenLosses:
    """Losses of the tokens' log-probabilities: every method whose terms do not read hidden states.

    `groups`: the retain items as the reference is asked about them.
    """

    def __init__(
        self,
        model: Any,
        target: Any,
        spec: RunSpec,
        forget: Sequence[Item],
        groups: list[list[Item]],
        pad: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        method = catalog.method(spec.method)
        self.spec, self.device = spec, device
        self.forget_loss: Any = implementation(method.forget)
        self.retain_loss: Any = implementation(method.retain) if method.retain else None
        self.reference: Reference | None = None
        self.said: dict[str, float] = {}
        """By item, the target's log-probability of what counts in it."""
        if method.needs_reference or method.kl:
            self.reference = Reference(target, device, dtype, pad, groups)
        if method.needs_reference and self.reference is not None:
            self.said = self.reference.sequence(forget, spec.npo_length, spec.batch)
            if not method.kl:
                self.reference = None  # only the numbers are needed
        self.head = Head(model)

    def rows(self, batch: Batch) -> Tensor:
        """Hidden states before the output layer."""
        return self.head.rows(batch)

    def forget(self, rows: Tensor, batch: Batch) -> Term:
        """As the method's record says."""
        spec = self.spec
        known = [self.said[i.id] for i in batch.items] if self.said else []
        term: Term = self.forget_loss(
            self.head.logprobs(rows, batch),
            batch.mask,
            reference=torch.tensor(known, device=self.device),
            beta=spec.beta,
            delta=spec.delta,
            length=spec.npo_length,
        )
        return term

    def retain(self, rows: Tensor, batch: Batch) -> Term:
        """As the method's record says."""
        known, term = self.reference, None
        if known is None:
            term = self.retain_loss(self.head.logprobs(rows, batch), batch.mask)
        else:

            def part(ours: Tensor, theirs: Tensor) -> Tensor:
                return divergence(self.head.logits(ours), known.head.logits(theirs))

            parts = in_chunks(part, self.head.width, rows, known.rows(batch))
            term = self.retain_loss(None, batch.mask, divergence=torch.stack(parts).sum())
        assert isinstance(term, Term)
        return term


class HiddenLosses:
    """Losses of one layer's hidden states: RMU's."""

    def __init__(
        self,
        model: Any,
        target: Any,
        spec: RunSpec,
        groups: list[list[Item]],
        pad: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        method = catalog.method(spec.method)
        assert method.retain is not None
        layer = rmu_layer(spec, model)
        self.forget_loss: Any = implementation(method.forget)
        self.retain_loss: Any = implementation(method.retain)
        self.reference: Reference | None = Reference(target, device, dtype, pad, groups, layer)
        self.reader = Layer(model, layer)
        width = model.config.get_text_config().hidden_size
        self.control = control_vector(width, spec.rmu_coefficient, spec.seed).to(device)

    def rows(self, batch: Batch) -> Tensor:
        """What the layer hands on."""
        return self.reader.rows(batch)

    def forget(self, rows: Tensor, batch: Batch) -> Term:
        """Towards the control vector."""
        term: Term = self.forget_loss(rows, control=self.control)
        return term

    def retain(self, rows: Tensor, batch: Batch) -> Term:
        """Towards the target."""
        assert self.reference is not None
        term: Term = self.retain_loss(rows, frozen=self.reference.rows(batch))
        return term


def rmu_layer(spec: RunSpec, model: Any) -> int:
    """The layer that RMU reads: the spec's, or where that was written before the model was here, the catalog's."""
    count = len(layers(model))
    layer = catalog.rmu_layer(count) if spec.rmu_layer is None else spec.rmu_layer
    if layer >= count:
        raise Refused(f"--rmu-layer {layer} is out of range: the model has layers 0 to {count - 1}", "rmu_layer")
    return layer
