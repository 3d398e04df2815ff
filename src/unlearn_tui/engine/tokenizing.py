"""Text to ids for prompts."""

from __future__ import annotations

from typing import Any


def encode_prompt(tokenizer: Any, text: str) -> list[int]:
    """Ids of a text to be continued, as the tokenizer begins it (BOS), without an EOS that it may put behind."""
    ids: list[int] = tokenizer.encode(text)
    if len(ids) > 1 and ids[-1] == tokenizer.eos_token_id and not text.endswith(tokenizer.eos_token or "\0"):
        ids.pop()
    return ids
