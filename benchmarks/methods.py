"""All six methods on pocket, as the README's table: what each gives at full precision, INT8, FP4 and NF4.

    python benchmarks/methods.py [--home DIR] [--methods ga,npo] [-- --weights fp32 …]

Every run is the demo's but for the method. Prints a Markdown table: KnowMem forget (retain), the verdict at FP4, what FP4
keeps of the edit, VerbMem forget at full precision, seconds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from typing import Any

from unlearn_tui import catalog

PRECISIONS = ("fp16", "bnb-int8", "bnb-fp4", "bnb-nf4")


def run(method: str, home: str, flags: list[str]) -> dict[str, Any]:
    """One whole run from the command line; its result."""
    asked = ["--method", method, "--precision", ",".join(PRECISIONS), "--home", home, "--json", "--plain"]
    done = subprocess.run(
        [sys.executable, "-m", "unlearn_tui.cli", "run", *asked, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def row(method: str, result: dict[str, Any]) -> str:
    """One Markdown row."""
    if result["status"] != "finished":
        return f"| {method} | {result['status']}: {result['error']} |"
    value = {(s["model"], s["precision"], s["metric"]): s["value"] for s in result["scores"]}
    cells = [
        f"{value['unlearned', p, 'knowmem_forget']:.1f} ({value['unlearned', p, 'knowmem_retain']:.1f})"
        for p in PRECISIONS
    ]
    verdict = {r["precision"]: r["verdict"] for r in result["recovery"] if r["metric"] == "knowmem_forget"}
    kept = {w["precision"]: w["kept"] for w in result["weights"]}
    verbatim = value["unlearned", "fp16", "verbmem_forget"]
    return (
        f"| {method} | {' | '.join(cells)} | {verdict['bnb-fp4']} | {kept['bnb-fp4']:.2f} | {verbatim:.1f} "
        f"| {result['seconds']:.0f} |"
    )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", default=None, help="keep the runs here")
    parser.add_argument("--methods", default=",".join(catalog.METHODS))
    parser.add_argument("rest", nargs="*", help="flags for every run, after --")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        print("| method | fp16 | bnb-int8 | bnb-fp4 | bnb-nf4 | verdict at FP4 | FP4 keeps | VerbMem fp16 | seconds |")
        print("|---|---|---|---|---|---|---|---|---|")
        for method in args.methods.split(","):
            print(row(method, run(method, args.home or temporary, args.rest)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
