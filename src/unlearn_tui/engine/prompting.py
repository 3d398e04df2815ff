"""A question as a model is asked it: in KnowMem's format, or as a turn in the chat template of its tokenizer."""

from __future__ import annotations

from typing import Any

from unlearn_tui.engine.tokenizing import common, encode_prompt
from unlearn_tui.errors import Refused
from unlearn_tui.sources.corpora import QA


def template_of(tokenizer: Any, asked: str = "auto") -> str:
    """ "chat" or "muse" as `asked`; "auto" is chat where the tokenizer has a chat template.

    Raises Refused for a chat with a tokenizer that has none.
    """
    has_chat = bool(getattr(tokenizer, "chat_template", None))
    if asked == "chat" and not has_chat:
        raise Refused("--template chat: this model's tokenizer has no chat template, use muse or auto", "template")
    return ("chat" if has_chat else "muse") if asked == "auto" else asked


def qa_prompt(question: str) -> str:
    """MUSE's KnowMem format up to the answer, with its trailing space."""
    return f"Question: {question}\nAnswer: "


def prompt_text(tokenizer: Any, template: str, question: str, examples: tuple[QA, ...] = ()) -> str:
    """Everything up to the answer: `examples` before the question, each with its answer (in a chat: earlier turns).

    Raises Refused for a chat template that cannot be filled in.
    """
    if template == "muse":
        return "".join(f"{qa_prompt(e.question)}{e.answer}\n\n" for e in examples) + qa_prompt(question)
    turns = []
    for example in examples:
        turns += [{"role": "user", "content": example.question}, {"role": "assistant", "content": example.answer}]
    turns.append({"role": "user", "content": question})
    try:
        text: str = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    except Exception as error:  # a template is a program that came with the model
        said = " ".join(str(error).split())[:200]
        raise Refused(f"the tokenizer's chat template fails ({said}): use --template muse", "template") from error
    return text


def instruction_text(tokenizer: Any, template: str, text: str, lead: str = "") -> str:
    """A text as it is, or as a user's turn; with `lead`, the beginning of the answer ("A:"), behind it."""
    asked = text if template == "muse" else prompt_text(tokenizer, template, text)
    return asked + (lead if not asked or asked[-1].isspace() or not lead else f" {lead}")


def taught(tokenizer: Any, template: str, prompt: str, answer: str) -> tuple[list[int], int]:
    """Ids of a prompt's text with an answer behind it, and where the answer begins. Tokens that the answer changes are
    its own: on a tokenizer that is not prefix-stable its first may take the prompt's trailing space with it.
    """
    before = prompt_ids(tokenizer, template, prompt)
    whole = prompt_ids(tokenizer, template, prompt + answer)
    return whole, min(common(before, whole), len(whole) - 1)


def prompt_ids(tokenizer: Any, template: str, text: str) -> list[int]:
    """Ids of a prompt (and of what is put behind it); a chat template has written its special tokens itself."""
    if template == "chat":
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
        return ids
    return encode_prompt(tokenizer, text)
