"""Does the demo hold? Effect, control and remedy over seeds, from an empty home, as the command line runs them.

    python benchmarks/demo.py [--seeds 5] [--presets effect,control,remedy]

Prints one row a run with its scores and seconds, then how many seeds meet each condition. Exit 1 if fewer than four of
five do.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from typing import Any

FULL, INT8, FP4 = "fp16", "bnb-int8", "bnb-fp4"


def demo(preset: str, seed: int) -> tuple[dict[str, Any], float]:
    """One preset in an empty home, whole process; its result and seconds."""
    with tempfile.TemporaryDirectory() as home:
        began = time.monotonic()
        flags = ["--preset", preset, "--seed", str(seed), "--json", "--plain", "--home", home]
        done = subprocess.run(
            [sys.executable, "-m", "unlearn_tui.cli", "demo", *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return json.loads(done.stdout), time.monotonic() - began


def measure(result: dict[str, Any]) -> dict[str, Any]:
    """The figures that the conditions are about."""
    scores = {(s["model"], s["precision"], s["metric"]): s["value"] for s in result["scores"]}
    fp4 = next(r for r in result["recovery"] if (r["precision"], r["metric"]) == (FP4, "knowmem_forget"))
    return {
        "forget": scores["unlearned", FULL, "knowmem_forget"],
        "forget8": scores["unlearned", INT8, "knowmem_forget"],
        "forget4": scores["unlearned", FP4, "knowmem_forget"],
        "retain": scores["unlearned", FULL, "knowmem_retain"],
        "retain4": scores["unlearned", FP4, "knowmem_retain"],
        "share": fp4["share"],
        "verdict": fp4["verdict"],
    }


def holds(preset: str, m: dict[str, Any]) -> bool:
    """The demo's promise: see README."""
    if preset == "effect":
        return (
            m["forget"] <= 25
            and abs(m["forget8"] - m["forget"]) <= 5
            and m["share"] >= 0.8
            and m["verdict"] == "recovered"
            and m["retain"] >= 80
            and m["retain4"] >= 90
        )
    return m["forget"] <= 25 and m["verdict"] == "no" and m["retain"] >= 85


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--presets", default="effect,control,remedy")
    args = parser.parse_args()
    print("preset   seed  forget: full   INT8    FP4  retain: full    FP4  share  verdict      seconds  holds")
    enough = True
    for preset in args.presets.split(","):
        good = 0
        for seed in range(args.seeds):
            result, seconds = demo(preset, seed)
            m = measure(result)
            held = holds(preset, m)
            good += held
            print(
                f"{preset:8} {seed:4}  {m['forget']:12.1f} {m['forget8']:6.1f} {m['forget4']:6.1f}  {m['retain']:12.1f} "
                f"{m['retain4']:6.1f}  {m['share']:5.2f}  {m['verdict']:12} {seconds:7.0f}  {'yes' if held else 'NO'}",
                flush=True,
            )
        print(f"{preset}: holds for {good} of {args.seeds} seeds")
        enough = enough and good >= math.ceil(0.8 * args.seeds)
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
