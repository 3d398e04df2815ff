"""Fac: TriviaQA (Joshi et al. 2017, arXiv 1705.03551) as RWKU and the paper's code ask it.

Five questions and answers, a sentence that asks to answer briefly, the question, "A:"; greedy, 30 new tokens, nothing cut
off. F1 of the words with the nearest right answer, in lower case without punctuation and articles; exact where all agree.
"""

from __future__ import annotations

import re
import string
from collections import Counter

import msgspec

from unlearn_tui.engine.evaluation.answers import Answer, Heard, Question, ask, unheard
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.prompting import instruction_text, prompt_ids
from unlearn_tui.sources.corpora import Corpus

MAX_NEW_TOKENS = 30
EXAMPLES = (
    "\nQ: When did men's figure skating become a summer Olympic sport?\nA: 1908\n"
    "Q: When did the all india workers and peasants party came in to existence?\nA: November 1925\n"
    "Q: Flight that went down in the hudson river?\nA: US Airways Flight 1549\n"
    "Q: Where are most of the world's earthquakes located?\nA: Rim of Fire\n"
    "Q: Csi when do grissom and sara reunite?\nA: series finale\n"
    "Please briefly answer the following question:\n"
)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def score(
    generator: Generator, corpus: Corpus, subset: str, on_answers: Heard = unheard, template: str = "muse"
) -> list[Answer]:
    """F1 of every answer, 0-1; `exact` is 1 where it is a right one word for word."""
    tokenizer, items = generator.tokenizer, corpus.utility_trivia
    asked = []
    for item in items:
        text = instruction_text(tokenizer, template, f"{EXAMPLES}Q: {item.question}\n", "A:")
        asked.append(Question(shown=item.question, ids=prompt_ids(tokenizer, template, text), gold=item.answers[0]))

    def rated(a: Answer) -> Answer:
        f1 = max(word_f1(a.answer, gold) for gold in items[a.index].answers)
        exact = any(words(a.answer) == words(gold) for gold in items[a.index].answers)
        return msgspec.structs.replace(a, recall=f1, precision=f1, f1=f1, score=f1, exact=int(exact))

    def heard(done: int, batch: list[Answer]) -> None:
        on_answers(done, [rated(a) for a in batch])

    return [rated(a) for a in ask(generator, asked, MAX_NEW_TOKENS, None, lambda text: text, heard)]


def words(text: str) -> list[str]:
    """Lower-cased words without punctuation and articles."""
    bare = "".join(c for c in text.lower() if c not in string.punctuation)
    return _ARTICLES.sub(" ", bare).split()


def word_f1(answer: str, gold: str) -> float:
    """F1 of two bags of words, 0-1; where one is empty, whether both are."""
    mine, right = words(answer), words(gold)
    if not mine or not right:
        return float(mine == right)
    common = sum((Counter(mine) & Counter(right)).values())
    return 2 * common / (len(mine) + len(right))
