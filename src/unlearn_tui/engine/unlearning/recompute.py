"""Gradient checkpointing (Chen et al. 2016, arXiv 1604.06174): a layer's inner values are computed again when the backward
pass needs them, so that of every layer only its input is kept. Costs a third more time.

It is laid around the layers while a forward pass runs and taken off after it: generation, copies of the model and its eval
mode (no dropout) know nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint


def layers(model: Any) -> nn.ModuleList:
    """The transformer layers of a model, in order."""
    count = model.config.get_text_config().num_hidden_layers
    return next(m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == count)


@contextmanager
def recomputing(model: Any, on: bool) -> Iterator[None]:
    """What runs forward in here keeps only the layers' inputs, where it is `on`."""
    wrapped = list(layers(model)) if on else []
    for layer in wrapped:
        # not reentrant: inputs need no gradient of their own, so adapters and frozen embeddings train as well
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)
    try:
        yield
    finally:
        for layer in wrapped:
            del layer.forward
