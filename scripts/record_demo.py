"""Make the shipped recorded run, assets/recorded/demo, from a finished run of the effect preset on the pocket model.

    unlearn-tui demo --preset effect && python scripts/record_demo.py RUN_DIRECTORY

Leaves out checkpoints, engine.log and what names the machine; everything else is what the engine wrote.
"""

from __future__ import annotations

import argparse
import getpass
import json
import shutil
import socket
import sys
from pathlib import Path

from unlearn_tui.protocol import events as ev
from unlearn_tui.runs.directory import RunDir

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "assets" / "recorded" / "demo"
LIMIT = 1_500_000
"""Bytes that every installation carries along."""


def main() -> None:
    """Copy, clean, check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    record(RunDir(asked.run.resolve()), asked.out)


def record(run: RunDir, out: Path) -> None:
    """Write `out` anew from `run`. Exits where the run is not finished, or something in it names the machine."""
    events = list(run.events())
    if not events or not isinstance(events[-1], ev.Finished) or events[0].host == "":
        sys.exit(f"{run.path} is no finished run of this machine")
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(run.answers, out / "answers")
    for name in ("spec.toml", "items.jsonl", "weights.jsonl"):
        shutil.copy(run.path / name, out / name)
    for event in events:
        if isinstance(event, ev.Started):
            event.run, event.pid, event.host = out.name, 0, ""
    (out / "events.jsonl").write_bytes(b"".join(map(ev.encode, events)))
    result = json.loads(run.result_path.read_text(encoding="utf-8"))
    result["run"], result["checkpoint"] = out.name, None
    (out / "result.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    check(out, run)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {len(events)} events, {size / 1e3:.0f} kB")
    if size > LIMIT:
        sys.exit(f"larger than {LIMIT / 1e6} MB")


def check(out: Path, run: RunDir) -> None:
    """Exit if a file names this machine, its user, or a place on its disk."""
    names = {run.id, str(run.home), str(ROOT), str(Path.home()), "/tmp/", "\\u001b"}
    if len(socket.gethostname()) > 2:
        names.add(socket.gethostname())
    if getpass.getuser() != "root":
        names.add(getpass.getuser())
    for path in sorted(out.rglob("*")):
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        found = [name for name in names if name in text]
        if found:
            sys.exit(f"{path} names {', '.join(found)}")


if __name__ == "__main__":
    main()
