"""The paper's three tables and the recovery map for pocket, as Markdown, each with its command and what it took.

    python benchmarks/pocket_tables.py [--home DIR] [--svg FILE] > tables.md

What a home has already is not run again, so a kill costs nothing: the same command goes on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from unlearn_tui.runs.directory import RunDir
from unlearn_tui.state.labels import foreseen

MAP = Path(__file__).with_name("recovery_map.toml")


def command(home: str, *args: str) -> tuple[str, float]:
    """What `unlearn-tui ARGS` prints, and the seconds it took; progress goes to stderr. Raises where it fails."""
    started = time.monotonic()
    asked = [sys.executable, "-m", "unlearn_tui.cli", *args, "--home", home, "--plain"]
    done = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout, time.monotonic() - started


def predictions(home: Path) -> str:
    """How often what was expected before training came true, over every finished run and quantizer of a home."""
    found: dict[str, Counter[str]] = {}
    runs = 0
    for path in sorted((home / "runs").iterdir()):
        result = RunDir(path).result()
        if result is None:
            continue
        runs += 1
        verdict = {r.precision: r.verdict for r in result.recovery if r.metric == "knowmem_forget"}
        for row in result.predictions:
            found.setdefault(row.precision, Counter())[foreseen(row.says, verdict[row.precision])] += 1
    kinds = ("right", "wrong", "undecided", "cannot tell")
    lines = [f"| precision | {' | '.join(kinds)} |", "| --- |" + " --: |" * len(kinds)]
    lines += [f"| {p} | {' | '.join(str(count[k]) for k in kinds)} |" for p, count in found.items()]
    total = sum(found.values(), Counter[str]())
    lines.append(f"| all | {' | '.join(str(total[k]) for k in kinds)} |")
    return f"Expected before training against the verdict on KnowMem forget, {runs} runs:\n\n" + "\n".join(lines) + "\n"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", default=None, help="keep the runs here")
    parser.add_argument("--svg", default=None, help="write the recovery map as a picture here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = args.home or temporary
        for number in "123":
            text, seconds = command(home, "table", number, "--run", "--markdown")
            print(f"`unlearn-tui table {number} --run --markdown` ({seconds / 60:.0f} min)\n\n{text}", flush=True)
        text, seconds = command(home, "sweep", str(MAP))
        print(f"`unlearn-tui sweep benchmarks/{MAP.name}` ({seconds / 60:.0f} min)\n\n```\n{text}```\n")
        text, _ = command(home, "map", str(MAP))
        print(f"`unlearn-tui map benchmarks/{MAP.name}`\n\n```\n{text}```")
        print(predictions(Path(home)))
        if args.svg:
            command(home, "map", str(MAP), "--svg", args.svg)
    return 0


if __name__ == "__main__":
    sys.exit(main())
