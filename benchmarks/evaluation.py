"""KnowMem batched with a shared prefix against a one-at-a-time loop, in one run on the same model and prompts.

    python benchmarks/evaluation.py [--threads 2] [--questions 60]

The loop is what MUSE's code does: one prompt, `model.generate`, 32 new tokens. Answers are compared; the ratio is of
seconds per answer. Also prints the ratio with MUSE's early stop given to the loop as well.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import torch

from unlearn_tui.engine.checkpoints import load_model, load_tokenizer
from unlearn_tui.engine.evaluation import knowmem
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.quantization.prepare import prepare
from unlearn_tui.sources.assets import asset
from unlearn_tui.sources.corpora import load


@torch.no_grad()
def one_at_a_time(model: Any, tokenizer: Any, ids: list[int]) -> str:
    """MUSE's way: transformers' own generate on a single prompt."""
    row = torch.tensor([ids])
    out = model.generate(
        input_ids=row,
        attention_mask=torch.ones_like(row),
        max_new_tokens=knowmem.MAX_NEW_TOKENS,
        do_sample=False,
        pad_token_id=tokenizer.pad_token_id,
    )
    return knowmem.cut(tokenizer.decode(out[0, len(ids) :], skip_special_tokens=True))


def main() -> int:
    """Command line; exit 1 below 8× or if an answer differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--questions", type=int, default=60)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    path, corpus, device = asset("pocket", "target"), load("pocket"), torch.device("cpu")
    tokenizer = load_tokenizer(path)
    model = prepare(load_model(path), "fp32", device).model
    asked = knowmem.questions(tokenizer, corpus.retain_qa, corpus.retain_icl)
    one_at_a_time(model, tokenizer, asked[0].ids)  # warm up
    began = time.monotonic()
    alone = [one_at_a_time(model, tokenizer, q.ids) for q in asked[: args.questions]]
    loop = (time.monotonic() - began) / len(alone)
    knowmem.score(Generator(model, tokenizer, device, 64), corpus, "forget")
    began = time.monotonic()
    batched = knowmem.score(Generator(model, tokenizer, device, 64), corpus, "retain")
    ours = (time.monotonic() - began) / len(batched)
    same = sum(a.answer == b for a, b in zip(batched, alone, strict=False))
    print(f"one at a time: {1000 * loop:.1f} ms an answer (n = {len(alone)})")
    print(f"batched:       {1000 * ours:.2f} ms an answer (n = {len(batched)})")
    print(f"ratio:         {loop / ours:.1f}x; {same} of {len(alone)} answers equal")
    return 0 if loop / ours >= 8 and same == len(alone) else 1


if __name__ == "__main__":
    sys.exit(main())
