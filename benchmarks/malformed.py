"""Malformed files by the thousand: each is refused in one line or opens; anything else is a fault.

    python benchmarks/malformed.py [--examples 10000] [--seed 0] [--kind KIND ...]

A line a kind: how many were tried, refused, opened, and how many are faults. What an example is depends on its kind and
its number alone (tests/faults/spoiling.py), numbers run from SEED on; --seed NUMBER --examples 1 --kind KIND makes one
again. Everything that can stand in a file's place (a pipe, a folder, a terabyte of nothing) is tried as well. Exits 1 if
there is a fault.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.append(str(Path(__file__).parents[1] / "tests" / "faults"))

from malformed_files import KINDS, SPECIAL, Bench, Trial

SHOWN = 5
"""Faults of one kind that are printed."""


def main() -> int:
    """Try everything and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=10_000, metavar="N", help="Of every kind.")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="The first number.")
    parser.add_argument("--kind", action="append", choices=list(KINDS), metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--quick", action="store_true", help="Leave out what goes through torch.")
    args = parser.parse_args()
    total = dict.fromkeys(("refused", "opened", "fault"), 0)
    print(f"{'kind':<26}{'tried':>8}{'refused':>9}{'opened':>8}{'faults':>8}{'seconds':>9}")
    for name in args.kind or [n for n, k in KINDS.items() if not (args.quick and k.slow)]:
        counts, faults, began = dict.fromkeys(total, 0), [], time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(name, Path(folder) / "bench")

            def count(trial: Trial, where: str, counts: dict[str, int] = counts, faults: list[str] = faults) -> None:
                counts[trial.outcome] += 1
                if trial.outcome == "fault":
                    faults.append(f"{where}: {trial.said}")

            if args.examples > 1:
                for file in bench.kind.files:
                    for special in SPECIAL:
                        count(bench.special(special, file), f"{special} as {file}")
            for number in range(args.seed, args.seed + args.examples):
                count(bench.trial(number), f"--kind {name!r} --seed {number} --examples 1")
        tried, spent = sum(counts.values()), time.monotonic() - began
        print(
            f"{name:<26}{tried:>8,}{counts['refused']:>9,}{counts['opened']:>8,}{counts['fault']:>8,}{spent:>9.0f}",
            flush=True,
        )
        for said in faults[:SHOWN]:
            print("  " + said.strip().replace("\n", "\n  "), flush=True)
        for outcome, n in counts.items():
            total[outcome] += n
    print(f"{'all':<26}{sum(total.values()):>8,}{total['refused']:>9,}{total['opened']:>8,}{total['fault']:>8,}")
    return 1 if total["fault"] else 0


if __name__ == "__main__":
    sys.exit(main())
