"""What is expected before training against what is measured after it: real pocket runs over learning rates and update modes.

    python benchmarks/prediction.py [--lr 3.5e-6,7e-6,1.4e-5,2.8e-5] [--weights bf16,bf16-stochastic,fp32] [--method ga_klr]
                                    [--home DIR] [-- --steps 250 …]

Every run is the effect preset but for these. Prints a row a run and quantizer, and counts right, wrong, undecided (the
prediction said unsure) and not to be told (the run did not unlearn, or its verdict is open). A home that is kept is used
again: runs that are in it already are not made anew.
"""

from __future__ import annotations

import argparse
import collections
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from unlearn_tui.protocol.result import Result
from unlearn_tui.state.labels import foreseen

PRECISIONS = "fp16,bnb-int8,bnb-fp4,bnb-nf4,quanto-int8,rtn-int4,rtn-int4-g128"


def run(lr: str, weights: str, method: str, home: str, flags: list[str]) -> dict[str, Any]:
    """One whole run from the command line, or the one that is in the home already; its result."""
    name = f"{method}-{weights}-{lr}".replace(".", "_")
    there = sorted(Path(home, "runs").glob(f"{name}-*/result.json"))
    if there:
        found: dict[str, Any] = json.loads(there[-1].read_text())
        return found
    asked = ["--lr", lr, "--weights", weights, "--method", method, "--name", name, "--home", home]
    asked += ["--precision", PRECISIONS, "--metric", "knowmem_forget", "--canary-every", "0", "--probe-every", "0"]
    done = subprocess.run(
        [sys.executable, "-m", "unlearn_tui.cli", "run", *asked, "--save-every", "0", "--json", "--plain", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lr", default="3.5e-6,7e-6,1.4e-5,2.8e-5")
    parser.add_argument("--weights", default="bf16,bf16-stochastic,fp32")
    parser.add_argument("--method", default="ga_klr")
    parser.add_argument("--home", default="")
    parser.add_argument("flags", nargs="*", help="flags of the run, after --")
    args = parser.parse_args()
    counts: collections.Counter[str] = collections.Counter()
    print("| weights | lr | precision | forget fp16 | here | keeps: expected | measured | expected | verdict | |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        for weights in args.weights.split(","):
            for lr in args.lr.split(","):
                found = run(lr, weights, args.method, args.home or temporary, args.flags)
                result = msgspec.convert(found, Result)
                scores = {(s.model, s.precision): s.value for s in result.scores}
                kept = {w.precision: w.kept for w in result.weights}
                verdict = {r.precision: r.verdict for r in result.recovery}
                for p in result.predictions:
                    how = foreseen(p.says, verdict[p.precision])
                    counts[how] += 1
                    print(
                        f"| {weights} | {lr} | {p.precision} | {scores['unlearned', result.full_precision]:.1f} | "
                        f"{scores['unlearned', p.precision]:.1f} | {p.kept or 0:.2f} | {kept[p.precision] or 0:.2f} | "
                        f"{p.says} | {verdict[p.precision]} | {how} |",
                        flush=True,
                    )
    print(", ".join(f"{how}: {counts[how]}" for how in ("right", "wrong", "undecided", "cannot tell")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
