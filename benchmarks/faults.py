"""Engines killed with SIGKILL at seeded random moments: does `resume` end as if nothing had happened?

    python benchmarks/faults.py [--kills 100] [--seed 0] [--each 2] [--method ga_klr] [--home DIR]

Each try is a real run of seconds on the pocket checkpoint (all stages, saves, a cache of scores). Its engine is killed
`--each` times, the moments drawn from the time that an unbroken run takes, and resumed every time. It survives if the last
resume finishes, answers, scores, weights analysis and checkpoint are byte for byte those of the unbroken run, every event
that was there to be seen before a kill is still there, every step, probe and score is drawn once, and no file under its
final name was ever half-written. With --home, tries that are done are kept there, and the same command goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "faults"))

from prepared import Prepared
from unharmed import corpus, drawn_once, equal, seen, small, whole_now

from unlearn_tui import catalog
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.versions import versions

END = "after the end"


def one(engines: Prepared, home: Path, spec: RunSpec, whole: RunDir, seconds: float, moments: list[float]) -> list[str]:
    """A try; returns the stages in which it was killed, END where it had ended before. Raises AssertionError for what did
    not survive.
    """
    run = RunDir.create(home, spec, versions())
    shown: list[bytes] = []
    stages = []
    for moment in moments:
        pid = engines.start(run.path)
        time.sleep(moment * seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        code = engines.wait()
        assert code in (0, -signal.SIGKILL), f"ended with {code}: {run.log_path.read_text()[-500:]}"
        now = seen(run)
        assert now[: len(shown)] == shown, "an event that was shown is missing"
        shown = now
        whole_now(run)
        last = json.loads(now[-1]) if now else {}
        stages.append(END if code == 0 else str(last.get("stage") or last.get("event") or "before the first"))
    code = engines.run(run.path)
    assert code == 0, f"resume ended with {code}: {run.log_path.read_text()[-500:]}"
    assert seen(run)[: len(shown)] == shown, "an event that was shown is missing"
    drawn_once(run)
    equal(run, whole)
    whole_now(run)
    return stages


def main() -> int:
    """Print how many were killed and survived; 0 where all did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="kills, over all tries")
    parser.add_argument("--each", type=int, default=2, help="kills of one run before it may finish")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--method", default=RunSpec().method, help="how each run unlearns")
    parser.add_argument("--home", type=Path, default=None, help="keep what is done here, and go on from it")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, Prepared() as engines:
        base = args.home or Path(temporary)
        base.mkdir(parents=True, exist_ok=True)
        questions = corpus(base / "corpus", 4, 1)
        spec = small(questions, method=args.method, **catalog.METHODS[args.method].values)
        kept = base / f"tries-{args.method}-{args.seed}-{args.each}.jsonl"
        done = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
        shutil.rmtree(base / "whole", ignore_errors=True)
        whole = RunDir.create(base / "whole", spec, versions())
        began = time.monotonic()
        assert engines.run(whole.path) == 0, whole.log_path.read_text()[-2000:]
        seconds = time.monotonic() - began
        print(f"an unbroken run takes {seconds:.1f} s", flush=True)
        while sum(d["kills"] for d in done) < args.kills:
            number = len(done)
            draw = random.Random(f"{args.seed}:{number}")
            # a later kill comes into a resumed run, which has less to do
            moments = [draw.random() * (1.0 if i == 0 else 0.6) for i in range(args.each)]
            home = base / f"try-{number}"
            shutil.rmtree(home, ignore_errors=True)
            try:
                found = {"stages": one(engines, home, spec, whole, seconds, moments), "fault": ""}
            except AssertionError:
                found = {"stages": [], "fault": traceback.format_exc()[-1500:]}
                print(f"try {number}: {found['fault']}", flush=True)
            else:
                shutil.rmtree(home)
            # a moment after the end killed nobody
            done.append(found | {"kills": sum(s != END for s in found["stages"]) if not found["fault"] else args.each})
            with kept.open("a") as file:
                file.write(json.dumps(done[-1]) + "\n")
            if number % 10 == 9:
                faults = sum(bool(d["fault"]) for d in done)
                print(f"{sum(d['kills'] for d in done)} kills, {faults} faults", flush=True)
    killed = sum(d["kills"] for d in done)
    lost = sum(d["kills"] for d in done if d["fault"])
    stages = [s for d in done for s in d["stages"]]
    print("killed in: " + ", ".join(f"{s} {stages.count(s)}" for s in sorted(set(stages))))
    print(f"tried {killed}, survived {killed - lost}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
