"""Text to ids for prompts, and what two of them begin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def encode_prompt(tokenizer: Any, text: str) -> list[int]:
    """Ids of a text to be continued, as the tokenizer begins it (BOS), without an EOS that it may put behind."""
    ids: list[int] = tokenizer.encode(text)
    if len(ids) > 1 and ids[-1] == tokenizer.eos_token_id and not text.endswith(tokenizer.eos_token or "\0"):
        ids.pop()
    return ids


def common(first: Sequence[Any], second: Sequence[Any]) -> int:
    """How many ids or characters two begin with in common."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))
