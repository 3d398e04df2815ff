"""One column: a model at a precision continues a prompt a token at a time, and is taught the gold answer."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from unlearn_tui.engine.evaluation.generation import SHORTEST_PREFIX, Generator
from unlearn_tui.engine.inspector.pool import Held
from unlearn_tui.engine.inspector.prompts import Prompt, piece_texts
from unlearn_tui.engine.numerics import NotFinite
from unlearn_tui.engine.tokenizing import common
from unlearn_tui.protocol.inspect import Choice, Piece

CHOICES = 5
"""Alternatives told for each token."""
CACHES = 2
"""Beginnings of prompts that a model keeps: the worked examples of the forget and of the retain questions."""


@dataclass(frozen=True)
class Draw:
    """How the next token is chosen: the likeliest at temperature 0, else drawn by seed and place."""

    temperature: float = 0.0
    seed: int = 0

    def token(self, logits: Tensor, place: int) -> int:
        """The Gumbel-max trick: argmax(logits / T + noise) is a draw from softmax(logits / T).

        The noise depends on seed and place alone, so columns that think alike say the same.
        """
        if not self.temperature:
            return int(logits.argmax())
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + place) % 2**63)
        uniform = torch.rand(logits.shape[-1], generator=generator, dtype=torch.float64)
        noise = -torch.log(-torch.log(uniform.clamp(1e-300, 1 - 1e-16)))
        return int((logits.double().cpu() / self.temperature + noise).argmax())


@dataclass
class Column:
    """A model with a prompt before it. `grown`: bytes that its cached beginnings took since it was made."""

    held: Held
    prompt: Prompt
    device: torch.device
    draw: Draw
    limit: int
    new: list[int] = field(default_factory=list)
    ended: str = ""
    """"end", "length" or "cut" once the answer is whole."""
    grown: int = 0

    def __post_init__(self) -> None:
        """Raises Refused for a prompt that is longer than the model's positions."""
        self._generator = Generator(self.held.model, self.held.tokenizer, self.device, 1)
        self._longest = max(len(self.prompt.ids) + self.limit, len(self.prompt.whole))
        self._generator.check_length(self._longest)
        self._ends = self._generator.ends()
        self._past: Any = None
        self._logits: Tensor | None = None

    @torch.no_grad()
    def step(self) -> Piece | None:
        """The next token; None where the answer is whole (`ended` says why). Raises NotFinite."""
        if self._logits is None:
            out = self._read(self.prompt.ids, 1)
        else:
            ids = torch.tensor([self.new[-1:]], device=self.device)
            at = torch.tensor([[len(self.prompt.ids) + len(self.new) - 1]], device=self.device)
            out = self._generator.forward(input_ids=ids, position_ids=at, past_key_values=self._past, use_cache=True)
        self._past, self._logits = out.past_key_values, self._allowed(out.logits[0, -1], len(self.new))
        token = self.draw.token(self._logits, len(self.new))
        if token in self._ends:
            self.ended = "end"
            return None
        piece = self._piece(self.prompt.ids + self.new, token, self._logits)
        self.new.append(token)
        if self.prompt.stop is not None and self.prompt.stop(self.said):
            self.ended = "cut"
        elif len(self.new) >= self.limit:
            self.ended = "length"
        return piece

    @property
    def said(self) -> str:
        """The answer so far, as it was said; without the letters that were given of its first token."""
        text: str = self.held.tokenizer.decode(self.new, skip_special_tokens=True)
        return text.lstrip().removeprefix(self.prompt.given) if self.prompt.allowed else text

    @torch.no_grad()
    def teach(self) -> tuple[list[Piece], float, float]:
        """Pieces of the gold answer, the product of their probabilities and their mean log-probability in nats."""
        whole, start = self.prompt.whole, self.prompt.start
        count = len(whole) - start
        logits = self._read(whole, count + 1).logits[0, -count - 1 : -1]
        gold = torch.tensor(whole[start:], device=logits.device)
        logits = torch.stack([self._allowed(row, place) for place, row in enumerate(logits)])
        logs = logits.double().log_softmax(-1).gather(1, gold[:, None])[:, 0]
        pieces = [self._piece(whole[: start + i], whole[start + i], logits[i]) for i in range(count)]
        return pieces, math.exp(float(logs.sum())), float(logs.mean())

    def _read(self, ids: list[int], keep: int) -> Any:
        """The model on a whole prompt, whose beginning may be known; logits of its last `keep` places."""
        shared, past = self._beginning(ids[: len(ids) - keep])
        rest = torch.tensor([ids[shared:]], device=self.device)
        at = torch.arange(shared, len(ids), device=self.device)[None]
        return self._generator.forward(
            keep, input_ids=rest, position_ids=at, past_key_values=copy.deepcopy(past), use_cache=True
        )

    def _beginning(self, ids: list[int]) -> tuple[int, Any]:
        """Keys and values of the prompt's shared beginning, computed once a model, and its length; (0, None) without."""
        shared = self.prompt.shared[: common(self.prompt.shared, ids)]
        if len(shared) < SHORTEST_PREFIX or self._generator.window_is_passed(self._longest):
            return 0, None
        caches, key = self.held.caches, tuple(shared)
        if key not in caches:
            while len(caches) >= CACHES:
                self.grown -= _bytes(caches.pop(next(iter(caches))))
            out = self._generator.forward(input_ids=torch.tensor([shared], device=self.device), use_cache=True)
            caches[key] = out.past_key_values
            self.grown += _bytes(caches[key])
        caches[key] = caches.pop(key)
        return len(shared), caches[key]

    def _allowed(self, logits: Tensor, place: int) -> Tensor:
        """Logits of a place in the answer, of which all but the allowed ones are out of the question."""
        if place or not self.prompt.allowed:
            return logits
        only = torch.full_like(logits, -torch.inf)
        only[self.prompt.allowed] = logits[self.prompt.allowed]
        return only

    def _piece(self, before: list[int], token: int, logits: Tensor) -> Piece:
        """One token with its probability, its rank and the likeliest instead. Raises NotFinite."""
        p = logits.double().softmax(-1)
        if torch.isnan(p).any():
            raise NotFinite("the model's logits are infinite: they overflow at this precision; try bf16 or fp32")
        top = p.topk(min(CHOICES, p.shape[-1]))
        rank = 1 + int((p > p[token]).sum())
        likely = zip(top.indices.tolist(), top.values.tolist(), strict=True)
        choices = [Choice(self._text(before, id), value) for id, value in likely if value > 0]
        return Piece(self._text(before, token), float(p[token]), rank, choices)

    def _text(self, before: list[int], token: int) -> str:
        text = piece_texts(self.held.tokenizer, before, [token])[0]
        given = self.prompt.given if self.prompt.allowed and len(before) == len(self.prompt.ids) else ""
        return text.lstrip().removeprefix(given) if given else text


def _bytes(cache: Any) -> int:
    """Bytes of a cache's tensors."""
    total, todo, seen = 0, [cache], set()
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            total += value.numel() * value.element_size()
        elif isinstance(value, (list, tuple)):
            todo += value
        elif hasattr(value, "__dict__"):
            todo += vars(value).values()
    return total
