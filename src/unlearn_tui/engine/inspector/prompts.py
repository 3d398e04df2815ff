"""What a model is given: a question in its template, and the attack prompts of catalog.ATTACKS."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from unlearn_tui import catalog
from unlearn_tui.engine import prompting
from unlearn_tui.engine.evaluation import knowmem
from unlearn_tui.engine.prompting import prompt_ids, prompt_text
from unlearn_tui.engine.tokenizing import common
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.inspect import Ask
from unlearn_tui.sources.corpora import QA, Corpus

PARAPHRASES = {
    "paraphrase-1": "Could you tell me the following, please: {}",
    "paraphrase-2": "A friend of mine would like to know: {}",
    "paraphrase-3": "I once knew this and so do you: {}",
}
TAIL = 8
"""Ids before a piece that decide how it is written: a space in front, the rest of a character."""
PARTIAL = "\ufffd"
TEMPLATES = (*catalog.TEMPLATES, "free")
MORE_EXAMPLES = 10
"""Pairs that few-shot adds to the worked examples."""


@dataclass(frozen=True)
class Prompt:
    """A prompt for one tokenizer. `shared`: the ids that it begins with and that other prompts begin with too.

    `whole`: ids of prompt and gold answer together, of which those from `start` on are taught; a tokenizer may draw the
    prompt's last space into the answer's first token, which then begins before the end of `ids`. `rest`: the text of
    the gold answer that is still to be said; `given`: what an attack gave away of it.
    """

    text: str
    ids: list[int]
    shared: list[int] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    start: int = 0
    rest: str = ""
    given: str = ""
    allowed: list[int] = field(default_factory=list)
    """Ids that the first token is among, where letters of it were given; empty: any."""
    stop: Callable[[str], bool] | None = None
    cut: Callable[[str], str] = str.strip


@dataclass(frozen=True)
class Known:
    """What a corpus knows of a question: the gold answer, the subset's worked examples and its other pairs."""

    gold: str
    examples: tuple[QA, ...]
    others: tuple[QA, ...]
    asks: bool
    """Whether the question is one of its own."""


def known(corpus: Corpus, question: str) -> Known:
    """A question that the corpus lacks has no gold answer, and the worked examples of the forget questions."""
    subsets = ((corpus.forget_qa, corpus.forget_icl), (corpus.retain_qa, corpus.retain_icl))
    for pairs, examples in subsets:
        for number, pair in enumerate(pairs):
            if pair.question == question:
                return Known(pair.answer, examples, pairs[number + 1 :] + pairs[:number], True)
    pairs, examples = subsets[0] if corpus.forget_icl else subsets[1]
    return Known("", examples, pairs, False)


def template_of(request: Ask, tokenizer: Any) -> str:
    """muse, chat or free. Raises Refused for a chat without a template, and for another word."""
    if request.template not in TEMPLATES:
        raise Refused(f"unknown template {request.template!r}: use {', '.join(TEMPLATES)}", "template")
    return "free" if request.template == "free" else prompting.template_of(tokenizer, request.template)


def build(tokenizer: Any, request: Ask, about: Known, gold: str) -> Prompt:
    """The prompt that an Ask means for a tokenizer. Raises Refused for an attack that it cannot be put to.

    A question of the corpus is asked as its score is made, after the worked examples in either template; one of the
    user's own is the only turn of its chat.
    """
    template = template_of(request, tokenizer)
    attack = catalog.attack(request.attack)
    if attack.id and not attack.needs_gold and template == "free":
        raise Refused(f"{attack.label} rewrites a question, and free text is none: leave out the one or the other")
    as_scored = template == "muse" or (template == "chat" and about.asks)
    examples = about.examples[: knowmem.EXAMPLES] if as_scored else ()
    more = _others(about, gold) if attack.id == "few-shot" else ()

    def text(question: str, more: tuple[QA, ...] = ()) -> str:
        return question if template == "free" else prompt_text(tokenizer, template, question, examples + more)

    def encode(what: str) -> list[int]:
        return prompt_ids(tokenizer, template, what)

    whole = text(PARAPHRASES.get(attack.id, "{}").replace("{}", request.question), more)
    shared = encode(text("a")[: common(text("a"), text("b"))]) if examples else []
    prompt = replace(_encoded(encode, whole, shared, gold), stop=knowmem.finished, cut=knowmem.cut)
    if not as_scored:
        prompt = replace(prompt, stop=None, cut=str.strip)
    return _give(tokenizer, prompt, attack) if attack.needs_gold else prompt


def _others(about: Known, gold: str) -> tuple[QA, ...]:
    """The corpus's next pairs, without those that would give the gold answer away."""
    told = gold.strip().casefold()
    safe = [p for p in about.others if not told or told not in f"{p.question} {p.answer}".casefold()]
    if not safe:
        raise Refused("few-shot needs other pairs in the corpus, and it has none: add some, or use another attack")
    return tuple(safe[:MORE_EXAMPLES])


def _encoded(encode: Callable[[str], list[int]], text: str, shared: list[int], gold: str) -> Prompt:
    ids = encode(text)
    if not ids:
        raise Refused("the prompt has no tokens: write a question")
    whole = encode(text + gold) if gold else []
    shared = shared[: min(common(shared, ids), len(ids) - 1)]
    start = min(common(ids, whole), max(len(whole) - 1, 0))
    return Prompt(text, ids, shared, whole, start, gold)


def _give(tokenizer: Any, prompt: Prompt, attack: catalog.Attack) -> Prompt:
    """The prompt with the first token, or the first half, of the gold answer behind it."""
    if not prompt.whole:
        raise Refused(f"{attack.label} needs the gold answer, and the corpus has none for this question: give it")
    count = len(prompt.whole) - prompt.start
    half = attack.id != "prefix-1"
    if count == 1:
        return _give_letters(tokenizer, prompt, half)
    at = prompt.start + (count // 2 if half else 1)
    ids = prompt.whole[:at]
    rest = "".join(piece_texts(tokenizer, ids, prompt.whole[at:]))
    given = prompt.rest.removesuffix(rest)
    return replace(prompt, text=prompt.text + given, ids=ids, start=at, rest=rest, given=given)


def _give_letters(tokenizer: Any, prompt: Prompt, half: bool) -> Prompt:
    """As _give for an answer of one token, of which letters are given: the first token must begin with them.

    Letters behind the prompt would be tokens that the model never saw there.
    """
    gold = prompt.rest.strip()
    if len(gold) < 2:
        raise Refused("the gold answer is one letter: nothing would be left to ask; use another attack")
    given = gold[: len(gold) // 2 if half else 1]
    alone = vocabulary(tokenizer)
    token = alone[prompt.whole[-1]]
    beginning = token[: len(token) - len(token.lstrip())] + given
    allowed = [id for id, text in enumerate(alone) if text.startswith(beginning)]
    rest = gold.removeprefix(given)
    return replace(
        prompt, text=prompt.text + given, ids=prompt.whole[: prompt.start], rest=rest, given=given, allowed=allowed
    )


@functools.lru_cache(maxsize=4)
def vocabulary(tokenizer: Any) -> list[str]:
    """Every token's text by id."""
    texts: list[str] = tokenizer.batch_decode([[id] for id in range(len(tokenizer))])
    return texts


def piece_texts(tokenizer: Any, before: list[int], ids: list[int]) -> list[str]:
    """What each id adds to the text of those before it: joined they are that text. An id that is part of a character
    adds nothing, the last of the character's ids all of it.
    """
    texts, seen = [], list(before[-TAIL:])
    said = tokenizer.decode(seen).rstrip(PARTIAL)
    for id in ids:
        seen.append(id)
        now = tokenizer.decode(seen)
        texts.append("" if now.endswith(PARTIAL) else now[len(said) :])
        said = said if now.endswith(PARTIAL) else now
    return texts
