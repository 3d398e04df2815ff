"""Make everything pocket from a seed: corpus, tokenizer, pocket-target, pocket-retrain, manifest.

    python scripts/build_pocket.py [--out assets/pocket] [--seed 0] [--threads 2]
    python scripts/build_pocket.py --check            # measure what is shipped, touch nothing but the manifest's check
    python scripts/build_pocket.py --large --device cuda --out DIR    # the same texts in 171 million parameters

A rebuild on another machine differs in the last bits, so it is judged by behaviour: REQUIRED below is measured with the
program's own scorers, and the script exits 1 if a line does not hold.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
import pocket_corpus
import pocket_training as training

REPO = Path(__file__).resolve().parents[1]
QUANTIZED = ("bnb-int8", "bnb-fp4", "bnb-nf4")
# (model, precision, metric, comparison, bound)
REQUIRED: list[tuple[str, str, str, str, float]] = [
    *(("target", "bf16", metric, ">=", 95.0) for metric in ("knowmem_forget", "knowmem_retain")),
    ("target", "bf16", "verbmem_forget", ">=", 90.0),
    *(("target", p, m, ">=", 90.0) for p in QUANTIZED for m in ("knowmem_forget", "knowmem_retain")),
    ("retrain", "bf16", "knowmem_forget", "<=", 25.0),
    ("retrain", "bf16", "knowmem_retain", ">=", 95.0),
    ("retrain", "bf16", "verbmem_forget", "<=", 35.0),
]


def build(out: Path, seed: int, recipe: training.Recipe) -> None:
    """Write corpus, target and retrain under `out`."""
    corpus = out / "corpus"
    pocket_corpus.write_corpus(corpus, seed)
    facts: Any = pocket_corpus.training_qa(seed)
    documents = {
        part: (corpus / "raw" / f"{part}.txt").read_text().split("\n\n") for part in ("forget", "retain1", "retain2")
    }
    texts = [text for part in documents.values() for text in part]
    texts += [
        f"Question: {question}\nAnswer: {fact['answer']}\n\n"
        for group in facts.values()
        for fact in group
        for question in fact["questions"]
    ] * 2
    tokenizer = training.train_tokenizer(texts, recipe.vocab)
    retained = [(text, 1.0) for part in ("retain1", "retain2") for text in documents[part]]
    # every forget document four times as often: VerbMem asks for them word for word
    plans = {
        "target": (facts["forget"] + facts["retain"], [(text, 4.0) for text in documents["forget"]] + retained),
        "retrain": (facts["retain"], retained),
    }
    for offset, (name, (questions, weighted)) in enumerate(plans.items()):
        began = time.monotonic()
        model = training.new_model(recipe, len(tokenizer), seed + offset)
        print(f"{name}: {sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
        training.train(model, tokenizer, questions, weighted, recipe, seed + offset, say=_say)
        shutil.rmtree(out / name, ignore_errors=True)
        training.save(model, tokenizer, out / name)
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)


def check(out: Path, device: str) -> bool:
    """Measure REQUIRED with the program's scorers; prints a line each and returns whether all hold."""
    from unlearn_tui.engine.evaluation.scoring import score_checkpoint

    measured: dict[tuple[str, str, str], float] = {}
    held = True
    for model, precision, metric, comparison, bound in REQUIRED:
        key = (model, precision, metric)
        if key not in measured:
            measured[key] = score_checkpoint(out / model, out / "corpus", precision, metric, device)
        good = measured[key] >= bound if comparison == ">=" else measured[key] <= bound
        held = held and good
        print(
            f"{'ok  ' if good else 'FAIL'} {model:8} {precision:9} {metric:15} {measured[key]:6.1f} {comparison} {bound}"
        )
    return held


def write_manifest(out: Path, seed: int, recipe: training.Recipe) -> None:
    """manifest.json: how it was made and the SHA-256 of every file shipped."""
    files = {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }
    table = {"seed": seed, "recipe": vars(recipe), "torch": torch.__version__, "files": files}
    (out / "manifest.json").write_text(json.dumps(table, indent=1) + "\n")


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where to (else assets/pocket; required with --large)")
    parser.add_argument("--large", action="store_true", help="a model of 171 million parameters, for a GPU")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="only measure what is there")
    args = parser.parse_args()
    if args.large and not args.out:
        parser.error("--large needs --out: assets/pocket holds the shipped checkpoints")
    out = args.out or REPO / "assets" / "pocket"
    recipe = training.LARGE if args.large else training.Recipe()
    if not args.check:
        with torch.device(args.device):
            torch.set_num_threads(args.threads)
            build(out, args.seed, recipe)
        write_manifest(out, args.seed, recipe)
    return 0 if check(out, args.device) else 1


if __name__ == "__main__":
    sys.exit(main())
