"""Batched generation, greedy or sampled: left padding, sorted by length, the prefix that all prompts share computed once."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from unlearn_tui.engine.evaluation.sampling import Sampling
from unlearn_tui.engine.numerics import NotFinite, is_out_of_memory
from unlearn_tui.engine.tokenizing import common
from unlearn_tui.errors import Refused

T = TypeVar("T")
Stop = Callable[[str], bool]
Chooser = Callable[[Tensor, int], Tensor]
"""(B,) ids of the next tokens, from (B, V) logits and how many were chosen before."""
SHORTEST_PREFIX = 16
"""Tokens below which a shared prefix is not worth a cache of its own."""


@dataclass
class Generator:
    """Answers from one model. `batch` is halved, and stays halved, when memory runs out (`halved` tells). `seed` is of
    metrics that sample.
    """

    model: Any
    tokenizer: Any
    device: torch.device
    batch: int
    halved: bool = False
    seed: int = 0

    def answers(
        self,
        prompts: list[list[int]],
        max_new_tokens: int,
        stop: Stop | None = None,
        shared: bool = True,
        sampling: Sampling | None = None,
    ) -> Iterator[tuple[list[int], list[list[int]]]]:
        """Continue each prompt (token ids, BOS included), greedily or by `sampling`; yields (prompt indices, their new token
        ids) a batch at a time.

        A row ends at EOS, when `stop` holds for its decoded text, or after max_new_tokens; ids behind the end are cut.
        Order of batches is by length, longest first, so that memory runs out at the start or never.
        """
        longest = max((len(p) for p in prompts), default=0) + max_new_tokens
        self.check_length(longest)
        prefix = shared_prefix(prompts) if shared and not self.window_is_passed(longest) else []
        cache = self._prefix_cache(prefix)

        def continued(part: list[int]) -> list[list[int]]:
            rest = [prompts[i][len(prefix) :] for i in part]
            return self._generate(rest, prefix, cache, max_new_tokens, stop, _chooser(sampling, part))

        yield from self.in_batches(prompts, continued)

    def in_batches(
        self, rows: list[list[int]], run: Callable[[list[int]], list[T]]
    ) -> Iterator[tuple[list[int], list[T]]]:
        """Yields (row indices, what `run` makes of them) a batch at a time, longest rows first; halves the batch, for good,
        when memory runs out.
        """
        order = sorted(range(len(rows)), key=lambda i: (-len(rows[i]), i))
        start = 0
        while start < len(order):
            part = order[start : start + self.batch]
            found = None
            try:
                found = run(part)
            except (RuntimeError, MemoryError) as error:
                if len(part) == 1 or not is_out_of_memory(error):
                    raise
            if found is None:  # out of the except block: in there the error holds what did not fit
                self.halve(len(part))
                continue
            yield part, found
            start += len(part)

    def halve(self, rows: int) -> None:
        """From now on at most half of `rows`, which did not fit together."""
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.batch, self.halved = max(1, min(self.batch, rows // 2)), True

    @torch.no_grad()
    def _prefix_cache(self, prefix: list[int]) -> Any:
        if not prefix:
            return None
        return self.forward(input_ids=torch.tensor([prefix], device=self.device), use_cache=True).past_key_values

    def forward(self, keep: int = 1, **inputs: Any) -> Any:
        """The model on what its forward takes; logits of the last `keep` positions where it can, for large vocabularies."""
        accepted = inspect.signature(self.model.forward).parameters
        if "position_ids" not in accepted:
            inputs.pop("position_ids", None)
        if "logits_to_keep" in accepted:
            inputs["logits_to_keep"] = keep
        out = self.model(**inputs)
        if torch.isnan(out.logits[:, -keep:]).any():
            raise NotFinite(
                "the model's logits are not numbers: its weights blew up, or overflow at this precision; "
                "try bf16 or fp32 instead of fp16, or a smaller --lr"
            )
        return out

    def check_length(self, longest: int) -> None:
        """Refuse prompts that run past a table of learned positions, where indexing would fail."""
        limit = getattr(self.model.config, "max_position_embeddings", None)
        words = self.model.get_input_embeddings()
        tables = [m for m in self.model.modules() if isinstance(m, nn.Embedding) and m is not words]
        if limit and longest > limit and any(limit <= m.num_embeddings <= limit + 2 for m in tables):
            raise Refused(
                f"a prompt and its answer take {longest} tokens, and this model has {limit} positions: "
                "use a corpus of shorter texts, or leave out that metric",
                "metric",
            )

    def window_is_passed(self, longest: int) -> bool:
        """Padding behind a shared prefix would use up a sliding attention window."""
        config = self.model.config
        text = config.get_text_config() if hasattr(config, "get_text_config") else config
        window = getattr(text, "sliding_window", None)
        return window is not None and longest > window > 0

    @torch.no_grad()
    def _generate(
        self,
        prompts: list[list[int]],
        prefix: list[int],
        prefix_cache: Any,
        max_new_tokens: int,
        stop: Stop | None,
        choose: Chooser,
    ) -> list[list[int]]:
        ids, attention = left_pad(prompts, self.pad(), self.device)
        rows, base = len(prompts), len(prefix)
        positions = base + (attention.cumsum(1) - 1).clamp(min=0)
        cache = None
        if prefix:
            attention = torch.cat([torch.ones(rows, base, dtype=torch.long, device=self.device), attention], 1)
            cache = copy.deepcopy(prefix_cache)
            cache.batch_repeat_interleave(rows)
        out = self.forward(
            input_ids=ids, attention_mask=attention, position_ids=positions, past_key_values=cache, use_cache=True
        )
        ends = self.ends()
        new: list[list[int]] = [[] for _ in range(rows)]
        open_rows = set(range(rows))
        last = positions[:, -1:]
        for step in range(max_new_tokens):
            chosen = choose(out.logits[:, -1], step)
            for row, token in enumerate(chosen.tolist()):
                if row in open_rows:
                    if token in ends:
                        open_rows.discard(row)
                        continue
                    new[row].append(token)
                    if stop is not None and stop(self.tokenizer.decode(new[row], skip_special_tokens=True)):
                        open_rows.discard(row)
            if not open_rows or step == max_new_tokens - 1:
                break
            attention = torch.cat([attention, attention.new_ones(rows, 1)], 1)
            last = last + 1
            out = self.forward(
                input_ids=chosen[:, None],
                attention_mask=attention,
                position_ids=last,
                past_key_values=out.past_key_values,
                use_cache=True,
            )
        return new

    def pad(self) -> int:
        """The id that fills up short rows."""
        pad = self.tokenizer.pad_token_id
        return int(pad if pad is not None else self.tokenizer.eos_token_id or 0)

    def ends(self) -> set[int]:
        """Ids of the tokens that end an answer."""
        config = getattr(self.model, "generation_config", None)
        found = getattr(config, "eos_token_id", None)
        found = found if found is not None else self.tokenizer.eos_token_id
        if found is None:
            return set()
        return set(found) if isinstance(found, list) else {int(found)}


def _chooser(sampling: Sampling | None, prompts: list[int]) -> Chooser:
    if sampling is None:
        return lambda logits, place: logits.argmax(-1)
    return lambda logits, place: sampling.tokens(logits, prompts, place)


def shared_prefix(prompts: list[list[int]]) -> list[int]:
    """The longest beginning that all prompts share, leaving each at least one token; [] when it is not worth it."""
    if len(prompts) < 2:
        return []
    first, last = min(prompts), max(prompts)
    length = min(common(first, last), min(len(p) for p in prompts) - 1)
    return first[:length] if length >= SHORTEST_PREFIX else []


def left_pad(rows: list[list[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(B, T) ids with padding in front, and the (B, T) attention mask."""
    longest = max(len(row) for row in rows)
    ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows], device=device)
    attention = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, attention
