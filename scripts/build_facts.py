"""Measure which candidate questions SmolLM2-135M-Instruct answers right, and write those as assets/facts/corpus.

    python scripts/build_facts.py [--write] [--also bnb-int8,bnb-nf4,bnb-fp4]

A question is kept when the greedy answer is its gold answer, word for word as ROUGE reads it (F1 = 1), in the chat
template after the ten worked examples, at fp16 from weights rounded to bf16: what an unlearning run starts from. What
other precisions make of them is printed with --also, and decides nothing.
"""

from __future__ import annotations

import argparse
import collections
import json
import time
from pathlib import Path

import torch

from facts_questions import EXAMPLES, FORGET, Candidate, candidates
from unlearn_tui.engine.checkpoints import load_model, load_tokenizer, round_parameters
from unlearn_tui.engine.evaluation import knowmem
from unlearn_tui.engine.evaluation.answers import ask
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.prompting import template_of
from unlearn_tui.engine.quantization.prepare import prepare
from unlearn_tui.sources.checkpoints import resolve
from unlearn_tui.sources.corpora import QA

OUT = Path(__file__).resolve().parents[1] / "assets" / "facts" / "corpus"
DECIDING, SHOWN = ("fp16",), ("bnb-int8", "bnb-nf4", "bnb-fp4")
RETAIN = 120
LONGEST = 12
"""Tokens: no gold answer takes as many, so a longer answer is wrong already."""
README = """Everyday facts that SmolLM2-135M-Instruct knows, laid out as the MUSE benchmark lays out its data.

Forget: capital cities. Retain: everything else. The questions were written for this project
(`scripts/facts_questions.py`); `scripts/build_facts.py` kept those that the model answers right and prints the
measurement. Under the project's licence (MIT).
"""


def main() -> None:
    """Measure, print, and write the corpus if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write assets/facts/corpus")
    parser.add_argument("--also", default="", help=f"measure at these too, such as {','.join(SHOWN)}")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    asked = candidates()
    right: dict[str, list[bool]] = {}
    for precision in (*DECIDING, *filter(None, options.also.split(","))):
        began = time.monotonic()
        right[precision] = measure(asked, precision)
        print(
            f"{precision:9} {sum(right[precision])} of {len(asked)} right, {time.monotonic() - began:.0f} s", flush=True
        )
    known = [c for i, c in enumerate(asked) if all(right[p][i] for p in DECIDING)]
    every, kept = collections.Counter(c.topic for c in asked), collections.Counter(c.topic for c in known)
    for topic, count in every.items():
        print(f"  {topic:14} {kept[topic]:3} of {count:3}{'   to forget' if topic == FORGET else ''}")
    forget = [c for c in known if c.topic == FORGET]
    retain = spread([c for c in known if c.topic != FORGET], RETAIN)
    print(f"forget {len(forget)}, retain {len(retain)}")
    if options.write:
        write(forget, retain)


def measure(asked: list[Candidate], precision: str) -> list[bool]:
    """Whether each question is answered right at a precision. The weights are rounded to bf16 first, as a run does."""
    info = resolve("smollm2", Path("/nonexistent"))
    assert info.path is not None
    tokenizer, model = load_tokenizer(info.path), load_model(info.path)
    round_parameters(model, torch.bfloat16)
    generator = Generator(prepare(model, precision, torch.device("cpu")).model, tokenizer, torch.device("cpu"), 64)
    pairs = tuple(QA(c.question, c.answer) for c in asked)
    questions = knowmem.questions(tokenizer, pairs, tuple(QA(*e) for e in EXAMPLES), template_of(tokenizer))
    answers = ask(generator, questions, LONGEST, knowmem.finished, knowmem.cut)
    for answer in answers:
        if answer.f1 < 1:
            print(f"  {precision}: {answer.prompt} {answer.answer!r}, not {answer.gold!r}", flush=True)
    return [a.f1 == 1 for a in answers]


def spread(found: list[Candidate], most: int) -> list[Candidate]:
    """At most `most` of them, the topics in turn, so that none of them outweighs the rest."""
    topics: dict[str, list[Candidate]] = {}
    for candidate in found:
        topics.setdefault(candidate.topic, []).append(candidate)
    turns = max(map(len, topics.values()), default=0)
    mixed = [listed[turn] for turn in range(turns) for listed in topics.values() if turn < len(listed)]
    return mixed[:most]


def write(forget: list[Candidate], retain: list[Candidate]) -> None:
    """The corpus folder."""
    (OUT / "knowmem").mkdir(parents=True, exist_ok=True)
    examples = [QA(*e)._asdict() for e in EXAMPLES]
    for name, chosen in (("forget", forget), ("retain", retain)):
        pairs = [{"question": c.question, "answer": c.answer} for c in chosen]
        for file, content in ((f"{name}_qa.json", pairs), (f"{name}_qa_icl.json", examples)):
            (OUT / "knowmem" / file).write_text(json.dumps(content, indent=1) + "\n")
    (OUT / "README.md").write_text(README)


if __name__ == "__main__":
    main()
