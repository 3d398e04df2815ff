"""From hidden states to log-probabilities without the logits of a whole batch: positions that count, in chunks.

A batch of 2,048 tokens over 49,152 words has 0.4 GB of float32 logits, and a plain loss holds three or four tensors of that
size. Here only positions that a loss counts go through the output layer, a chunk at a time, and the backward pass computes
each chunk's logits again (torch.utils.checkpoint) rather than keep them: torchtune's chunked cross-entropy, for any loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from unlearn_tui.engine.unlearning.data import Batch

CHUNK = 1 << 24
"""Logits in a chunk: 64 MB of float32."""


class Head:
    """A model as body and output layer. `rows` are hidden states at the counted positions, `logits` makes logits of them.

    A model whose logits are more than output layer of last hidden state (a soft cap, a scale) is not taken apart: its
    rows are logits already. Which it is, is measured.
    """

    def __init__(self, model: Any) -> None:
        """Try the model on a few ids."""
        self.model = model
        self.output: Any = model.get_output_embeddings() if comes_apart(model) else None

    @property
    def apart(self) -> bool:
        """Whether rows that are known need no more of the model than its output layer."""
        return self.output is not None

    def rows(self, batch: Batch) -> Tensor:
        """(N, H) hidden states, or (N, V) logits, at the N true positions of the batch's mask, row-major."""
        inputs = {"input_ids": batch.ids, "attention_mask": batch.attention, "use_cache": False}
        if self.output is None:
            whole: Tensor = self.model(**inputs).logits
        else:
            whole = self.model.base_model(**inputs).last_hidden_state
        return whole[:, :-1][batch.mask]

    def logits(self, rows: Tensor) -> Tensor:
        """(N, V) float32 logits of rows."""
        made: Tensor = rows if self.output is None else self.output(rows)
        return made.float()

    @property
    def width(self) -> int:
        """V, the words that a logit is for."""
        return int(self.model.config.get_text_config().vocab_size if self.output is None else self.output.out_features)

    def logprobs(self, rows: Tensor, batch: Batch) -> Tensor:
        """(B, T-1) float32 log p of each counted next token, nats; 0 where nothing counts. Differentiable."""

        def chosen(part: Tensor, ids: Tensor) -> Tensor:
            logits = self.logits(part)
            return logits.gather(-1, ids[:, None]).squeeze(-1) - logits.logsumexp(-1)

        counted = in_chunks(chosen, self.width, rows, batch.ids[:, 1:][batch.mask])
        found = torch.zeros(batch.mask.shape, dtype=torch.float32, device=rows.device)
        return found.masked_scatter(batch.mask, torch.cat(counted))


def in_chunks(part_of: Callable[..., Tensor], width: int, *rows: Tensor) -> list[Tensor]:
    """`part_of` of so many rows at a time that their logits, `width` wide, stay below CHUNK; where there are several
    chunks and gradients are wanted, each is computed again in the backward pass instead of being kept.
    """
    size = max(1, CHUNK // width)
    if len(rows[0]) <= size or not torch.is_grad_enabled():
        return [part_of(*part) for part in zip(*(r.split(size) for r in rows), strict=True)]
    return [
        checkpoint(part_of, *part, use_reentrant=False, preserve_rng_state=False)
        for part in zip(*(r.split(size) for r in rows), strict=True)
    ]


@torch.no_grad()
def comes_apart(model: Any) -> bool:
    """Whether the output layer on the last hidden state gives the model's own logits, measured on eight ids."""
    if not hasattr(model, "get_output_embeddings"):  # two models that answer together
        return False
    output = model.get_output_embeddings()
    if not isinstance(output, torch.nn.Linear) or model.base_model is model:
        return False
    ids = torch.arange(8, device=output.weight.device)[None] % output.out_features
    try:
        whole = model(input_ids=ids, use_cache=False).logits.float()
        apart = output(model.base_model(input_ids=ids, use_cache=False).last_hidden_state).float()
    except (AttributeError, TypeError, ValueError):
        return False
    return whole.shape == apart.shape and torch.allclose(whole, apart, rtol=1e-3, atol=1e-3)
