"""How often a run reads a checkpoint's weights, however many precisions it scores.

    python benchmarks/reads.py [--model pocket-target] [--precisions fp16,bnb-int8,bnb-fp4,bnb-nf4]

A real run (check: the target against itself, the forget questions) in this process, in a home of its own, without cached
scores; counted is every time that transformers loads weights. Target and unlearned are two models here: reach is one read
of each.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM

from unlearn_tui.engine.__main__ import main as engine
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.sources.checkpoints import resolve
from unlearn_tui.versions import versions


def main() -> int:
    """Print a line a checkpoint; 0 where each was read once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-target")
    parser.add_argument("--unlearned", default="pocket-retrain")
    parser.add_argument("--precisions", default="fp16,bnb-int8,bnb-fp4,bnb-nf4")
    args = parser.parse_args()
    reads: Counter[str] = Counter()
    load: Any = AutoModelForCausalLM.from_pretrained

    def counted(path: Any, *more: Any, **named: Any) -> Any:
        reads[str(Path(path).resolve())] += 1
        return load(path, *more, **named)

    AutoModelForCausalLM.from_pretrained = counted
    precisions = args.precisions.split(",")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        names = {str(resolve(n, home, True).path.resolve()): n for n in (args.model, args.unlearned)}  # type: ignore[union-attr]
        spec = RunSpec(
            task="check", model=args.model, unlearned=args.unlearned, precision=precisions, metric=["knowmem_forget"],
            cache=False, device="cpu",
        )  # fmt: skip
        with Path(os.devnull).open("w") as quiet, contextlib.redirect_stdout(quiet):
            code = engine(str(RunDir.create(home, spec, versions()).path))
    if code:
        return code
    for path, name in names.items():
        print(f"{name}: {len(precisions)} precisions scored, weights read {reads[path]} time{'s' * (reads[path] != 1)}")
    return 0 if set(reads.values()) == {1} else 1


if __name__ == "__main__":
    sys.exit(main())
