"""KnowMem batched with a shared prefix against a one-at-a-time loop, in one run on the same model and prompts.

    python benchmarks/knowmem.py [--device cuda] [--precision fp32] [--questions 60] [--batch 64] [--model M --corpus C]

The loop is what MUSE's code does: one prompt, transformers' `generate`, 32 new tokens. Both answer the same questions and
the answers are compared: with float32 all must agree, half precisions on a GPU may part where two tokens are about as
likely. The ratio is of seconds an answer. The second loop may stop as soon as MUSE's cuts leave nothing more, as ours does:
the rest of the ratio is batching and the prefix that is computed once. Exit 1 below --reach.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from unlearn_tui.engine.checkpoints import load_model, load_tokenizer
from unlearn_tui.engine.evaluation import knowmem
from unlearn_tui.engine.evaluation.answers import Question, ask
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.prompting import template_of
from unlearn_tui.engine.quantization.prepare import prepare
from unlearn_tui.sources.assets import asset
from unlearn_tui.sources.corpora import load


class Finished(StoppingCriteria):
    """True once MUSE's cuts remove whatever follows."""

    def __init__(self, tokenizer: Any, start: int) -> None:
        self.tokenizer, self.start = tokenizer, start

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> torch.Tensor:
        """One row."""
        text = self.tokenizer.decode(input_ids[0, self.start :], skip_special_tokens=True)
        return torch.tensor([knowmem.finished(text)], device=input_ids.device)


@torch.no_grad()
def one_at_a_time(model: Any, tokenizer: Any, device: torch.device, ids: list[int], stop: bool) -> str:
    """MUSE's way: transformers' own generate on a single prompt."""
    row = torch.tensor([ids], device=device)
    out = model.generate(
        input_ids=row,
        attention_mask=torch.ones_like(row),
        max_new_tokens=knowmem.MAX_NEW_TOKENS,
        do_sample=False,
        temperature=None,
        top_p=None,
        pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
        stopping_criteria=StoppingCriteriaList([Finished(tokenizer, len(ids))] if stop else []),
    )
    return knowmem.cut(tokenizer.decode(out[0, len(ids) :], skip_special_tokens=True))


def timed(device: torch.device, work: Callable[[], list[str]]) -> tuple[float, list[str]]:
    """Seconds an answer, and the answers."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.monotonic()
    answers = work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.monotonic() - began) / len(answers), answers


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--model", type=Path, default=None, help="a folder; default: pocket's target")
    parser.add_argument("--corpus", default="pocket")
    parser.add_argument("--reach", type=float, default=None, help="default: 10 on a GPU, 8 on a CPU")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device, path = torch.device(args.device), args.model or asset("pocket", "target")
    corpus, tokenizer = load(args.corpus), load_tokenizer(path)
    model = prepare(load_model(path), args.precision, device).model
    asked = knowmem.questions(tokenizer, corpus.retain_qa, corpus.retain_icl, template_of(tokenizer))[: args.questions]

    def ours(questions: list[Question]) -> list[str]:
        generator = Generator(model, tokenizer, device, args.batch)
        found = ask(generator, questions, knowmem.MAX_NEW_TOKENS, knowmem.finished, knowmem.cut)
        return [a.answer for a in found]

    def loop(stop: bool) -> list[str]:
        return [one_at_a_time(model, tokenizer, device, q.ids, stop) for q in asked]

    one_at_a_time(model, tokenizer, device, asked[0].ids, stop=False)  # warm up
    ours(asked[: args.batch])
    alone, said = timed(device, lambda: loop(stop=False))
    stopped, also = timed(device, lambda: loop(stop=True))
    batched, found = timed(device, lambda: ours(asked))
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{args.threads} threads"
    equal = sum(a == b for a, b in zip(said, found, strict=True))
    print(f"{path.name}, {args.precision}, {where}, {len(asked)} questions of {len(asked[0].ids)} tokens or so")
    print(f"one at a time, 32 tokens:    {1000 * alone:8.2f} ms an answer   {alone / batched:6.1f}x")
    print(f"one at a time, early stop:   {1000 * stopped:8.2f} ms an answer   {stopped / batched:6.1f}x")
    print(f"batches of {args.batch:<4} (ours):     {1000 * batched:8.2f} ms an answer")
    print(
        f"answers equal: {equal} of {len(asked)} (early stop: {sum(a == b for a, b in zip(said, also, strict=True))})"
    )
    reach = args.reach if args.reach is not None else 10 if device.type == "cuda" else 8
    alike = equal == len(asked) or args.precision != "fp32"
    return 0 if alone / batched >= reach and alike else 1


if __name__ == "__main__":
    sys.exit(main())
