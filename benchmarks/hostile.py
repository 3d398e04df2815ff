"""Every command over hostile texts: how many were tried, how many bytes came out, how much of it came through raw.

    python benchmarks/hostile.py [WORD ...]

A home, corpora, checkpoints and names whose every text tries to steer the terminal (tests/faults/hostile_home.py); every
command with output, as a process on a pseudo-terminal and into a pipe; HTML, Markdown, CSV and SVG are read back. WORDs
choose commands by their first word. Exits 1 where something came through. Of the app's screens test_app_hostile.py asks
the same.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path += [str(TESTS / "faults"), str(TESTS / "unit")]

from hostile_commands import commands, faults, parts_of_a_sound_page, run, write_all  # noqa: E402


def main() -> int:
    """Print a line for each command that lets something through, and the sums."""
    here = Path.cwd()
    tried = size = count = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        there, page = write_all(folder / "all"), parts_of_a_sound_page(folder / "sound")
        for args in commands(there):
            if len(sys.argv) > 1 and args[0] not in sys.argv[1:]:
                continue
            said = run(there, args)
            found = faults(there, args, said, page)
            tried, size, count = tried + 1, size + len(said.terminal + said.out + said.err), count + len(found)
            sys.stdout.flush()
            if found:
                print(
                    f"{[arg[:40] for arg in args]}: {len(found)}",
                    *(f"  {f[:400]}" for f in found[:4]),
                    sep="\n",
                    flush=True,
                )
        os.chdir(here)
    print(f"hostile texts in files and names: {there.texts:,}; commands: {tried}, each on a terminal and in a pipe")
    print(f"bytes written: {size:,}; raw or unescaped: {count}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
