"""An unlearning step against its reference form: time and peak memory, equal loss.

    python benchmarks/training.py [--case pocket|answers|wide|large|all] [--method npo_klr] [--steps 20] [--device cpu]
                                  [--checkpointing] [--optimizer-state 8bit]

The reference form is what the released code does with the losses put right: the frozen target stays in memory and is run on
every batch, losses are taken from float32 logits of whole batches, torch.optim.AdamW steps. Both forms read the same items
in the same order from the same weights, each in a process of its own, in turn; their losses are compared step by step.
Memory is the process's peak (GPU: torch's peak) over what it held before the models were made. What ours does once before
the first step, asking the target about every item, is shared out among RUN steps. Reach: 1.5 times as fast, 0.6 of the
memory.

Cases: pocket, the shipped target on its questions (batch 10 + 10); answers, an untrained Llama with SmolLM2's vocabulary and
width on questions of 256 tokens whose last 16 count (batch 4 + 4); wide, the same model on raw text (batch 2 + 2 of 512
tokens, each counted), where logits are most of the memory; large, SmolLM2's whole size (135 million
parameters, 1,024 tokens), for a GPU.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from unlearn_tui.engine.checkpoints import load_model, load_tokenizer
from unlearn_tui.engine.unlearning.data import Item, collate, passes, qa_items
from unlearn_tui.engine.unlearning.training import Training
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.sources.assets import asset
from unlearn_tui.sources.corpora import load

LAYERS = {"answers": 4, "wide": 4, "large": 30}
LENGTH = {"answers": 256, "wide": 512, "large": 1024}
COUNTED = {"answers": 16, "wide": 512, "large": 1024}
"""Tokens of an item that a loss counts, its last ones."""
RUN = 250
"""Steps of a run as the presets have them."""


def case(name: str) -> tuple[Any, list[Item], list[Item], dict[str, Any]]:
    """Target, forget and retain items, and the sizes that a spec names."""
    if name == "pocket":
        path = asset("pocket", "target")
        tokenizer, corpus = load_tokenizer(path), load("pocket")
        forget = qa_items(tokenizer, corpus.forget_qa, 2048, "forget")
        return load_model(path).float(), forget, qa_items(tokenizer, corpus.retain_qa, 2048, "retain"), {"batch": 10}
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152, hidden_size=576, num_hidden_layers=LAYERS[name], num_attention_heads=9,
        num_key_value_heads=3, intermediate_size=1536, tie_word_embeddings=True,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(1)
    counted = [False] * (LENGTH[name] - COUNTED[name]) + [True] * COUNTED[name]
    items = [
        Item(f"{i}", torch.randint(0, 49152, (LENGTH[name],), generator=generator).tolist(), counted) for i in range(12)
    ]
    sizes = {"batch": 4 if name == "answers" else 2}
    return LlamaForCausalLM(config).eval().requires_grad_(False), items[:6], items[6:], sizes


def reference_steps(model: Any, target: Any, forget: list[Item], retain: list[Item], spec: RunSpec, device: Any) -> Any:
    """The plain form, a step at a time: (loss, seconds)."""
    model.to(device).requires_grad_(True)
    frozen = target.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=spec.lr, weight_decay=0.0)
    draws = passes(forget, 2 * spec.seed), passes(retain, 2 * spec.seed + 1)

    def logits_of(one: Any, batch: Any) -> torch.Tensor:
        with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
            return one(input_ids=batch.ids, attention_mask=batch.attention, use_cache=False).logits.float()

    def sequence(logits: torch.Tensor, batch: Any) -> torch.Tensor:
        logp = -F.cross_entropy(logits[:, :-1].transpose(1, 2), batch.ids[:, 1:], reduction="none")
        return torch.where(batch.mask, logp, 0.0).sum(1), logp

    while True:
        began = time.perf_counter()
        f, r = (collate(list(islice(d, spec.batch)), 0, device) for d in draws)
        sums, logp = sequence(logits_of(model, f), f)
        if spec.method.startswith("npo"):
            with torch.no_grad():
                anchor = sequence(logits_of(frozen, f), f)[0]
            loss = -(2 / spec.beta) * F.logsigmoid(-spec.beta * (sums - anchor)).mean()
        else:
            loss = logp[f.mask].mean()
        if spec.method.endswith("klr"):
            ours = F.log_softmax(logits_of(model, r), -1)
            with torch.no_grad():
                theirs = F.log_softmax(logits_of(frozen, r), -1)
            each = F.kl_div(ours, theirs, reduction="none", log_target=True).sum(-1)[:, :-1]
            loss = loss + spec.alpha * each[r.mask].mean()
        elif spec.method.endswith("gdr"):
            loss = loss - spec.alpha * sequence(logits_of(model, r), r)[1][r.mask].mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        yield float(loss.detach()), time.perf_counter() - began


def peak(device: Any) -> int:
    """Bytes at the peak so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def libraries(device: Any) -> None:
    """Load what any form needs, so that its memory does not count."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    tiny = LlamaForCausalLM(LlamaConfig(vocab_size=64, **sizes)).to(device)
    tiny(input_ids=torch.zeros(1, 8, dtype=torch.long, device=device)).logits.sum().backward()


def worker(form: str, name: str, method: str, steps: int, where: str, more: dict[str, Any]) -> None:
    """One form in this process; prints JSON."""
    device = torch.device(where)
    torch.set_num_threads(2)
    libraries(device)
    before = peak(device)
    target, forget, retain, sizes = case(name)
    spec = RunSpec(method=method, weights="fp32", lr=1e-6, steps=steps, **sizes, **more)
    import copy

    model, ready = copy.deepcopy(target), 0.0
    if form == "reference":
        made = reference_steps(model, target, forget, retain, spec, device)
        said = [next(made) for _ in range(steps)]
    else:
        began = time.perf_counter()
        training = Training(model, target, forget, retain, spec, 0, device)
        ready = time.perf_counter() - began
        del target
        training.target = None
        said = []
        for _ in range(steps):
            report = training.step()
            said.append((report.loss, report.seconds))
    losses, seconds = ([s[i] for s in said] for i in (0, 1))
    print(json.dumps({"losses": losses, "seconds": seconds, "ready": ready, "memory": peak(device) - before}))


def main() -> int:
    """Print a line a case; 0 where the reach is reached everywhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", default="all", choices=("pocket", "answers", "wide", "large", "all"))
    parser.add_argument("--method", default="npo_klr")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--checkpointing", action="store_true", help="ours computes layers again")
    parser.add_argument("--optimizer-state", default="fp32", help="how ours keeps moments")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        more = {"checkpointing": args.checkpointing, "optimizer_state": args.optimizer_state}
        worker(args.worker, args.case, args.method, args.steps, args.device, more)
        return 0
    held = True
    print(
        "case    method     step: ours   reference    faster   before the first   memory: ours   reference   share   "
        "largest loss apart"
    )
    for name in ("pocket", "answers", "wide") if args.case == "all" else (args.case,):
        found = {}
        for form in ("reference", "ours"):
            flags = ["--case", name, "--method", args.method, "--steps", str(args.steps), "--device", args.device]
            flags += ["--optimizer-state", args.optimizer_state] + ["--checkpointing"] * args.checkpointing
            done = subprocess.run(
                [sys.executable, str(Path(__file__)), "--worker", form, *flags], stdout=subprocess.PIPE, check=True
            )
            found[form] = json.loads(done.stdout)
        ours, theirs = found["ours"], found["reference"]
        fast = [statistics.median(x["seconds"][len(x["seconds"]) // 4 :]) for x in (ours, theirs)]
        apart = max(abs(a - b) / max(abs(b), 1e-3) for a, b in zip(ours["losses"], theirs["losses"], strict=True))
        times = fast[1] / (fast[0] + ours["ready"] / RUN)
        share = ours["memory"] / theirs["memory"]
        print(
            f"{name:7} {args.method:10} {1000 * fast[0]:8.0f} ms {1000 * fast[1]:9.0f} ms {times:7.2f} x "
            f"{ours['ready']:15.1f} s "
            f"{ours['memory'] / 1e6:11,.0f} MB {theirs['memory'] / 1e6:8,.0f} MB {share:7.2f}   {apart:.1e} of it",
            flush=True,
        )
        held = held and times >= 1.5 and share <= 0.6 and apart < 1e-3
    print(f"1.5 x as fast, 0.6 of the memory, losses 0.1 % apart at most: {'holds' if held else 'DOES NOT HOLD'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
