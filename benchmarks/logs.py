"""A log of a day's events, whole and damaged: how fast it is folded, in how much memory, and how far it opens.

    python benchmarks/logs.py [--events 1000000] [--damage 200] [--seed 0]

An engine says at most four events of a kind in a second, so that a day of training is some 700,000. The log is written by
the writer that engines use and read by the reader that every view uses, in its chunks. Then copies of a shorter log are
damaged (cut anywhere, a bit flipped, a line lost, a line twice, garbage, an event of a later version) and opened: what is
read must be the log's own beginning, but for a flipped bit that leaves a sound event, which is counted apart.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.log import LogReader
from unlearn_tui.runs.writer import EventWriter
from unlearn_tui.state.run import RunFold

KINDS = ("cut", "bit", "lost", "twice", "garbage", "later")


def write(run: RunDir, count: int) -> None:
    """A run that trains: steps, now and then a probe, progress and a line of text."""
    with EventWriter(run) as writer:
        writer.write(ev.Started(run=run.id, pid=1, host="h", device="cpu", threads=2, stages=["load", "unlearn"]))
        writer.write(ev.StageStarted(stage="unlearn", title="unlearn", unit="steps", total=count))
        for n in range(1, count - 2):
            if n % 50 == 0:
                writer.write(ev.Log(level="info", text=f"line {n}"))
            elif n % 20 == 0:
                writer.write(ev.Progress(stage="unlearn", done=n, total=count, rate=4.0, left=1.0, note="x"))
            else:
                writer.write(
                    ev.Step(
                        step=n, total=count, loss=1 / n, forget_loss=1.0, retain_loss=0.1, grad_norm=1.0, lr=7e-6,
                        adam_max=1e-5, adam_p99=6e-6, npo_weight=None, tokens_per_second=1000.0, memory=10**9,
                    )
                )  # fmt: skip
        writer.write(ev.Finished(seconds=1.0))


def memory() -> float:
    """MB of this process."""
    return float(psutil.Process().memory_info().rss / 1e6)


def fold(path: Path) -> None:
    """Read and fold all of it; print time and memory on the way."""
    began, seen, fold = time.monotonic(), 0, RunFold()
    print(f"at the start {memory():.0f} MB", flush=True)
    reader, tenth = LogReader(path), 0
    while batch := reader.read():
        fold.feed(batch)
        seen += len(batch)
        if seen * 4 // EVENTS[0] > tenth:
            tenth = seen * 4 // EVENTS[0]
            print(f"{seen:,} events {memory():.0f} MB", flush=True)
    state = fold.snapshot()
    size = path.stat().st_size / 1e6
    print(f"{seen:,} events ({size:,.0f} MB) folded in {time.monotonic() - began:.1f} s, at the end {memory():.0f} MB")
    assert state.status == "finished"


EVENTS = [0]


def damaged(lines: list[bytes], kind: str, draw: random.Random) -> bytes:
    """The log's bytes with one fault."""
    whole = b"".join(lines)
    at, line = draw.randrange(len(whole)), draw.randrange(len(lines))
    if kind == "cut":
        return whole[:at]
    if kind == "bit":
        flipped = bytearray(whole)
        flipped[at] ^= 1 << draw.randrange(8)
        return bytes(flipped)
    if kind == "lost":
        return b"".join(lines[:line] + lines[line + 1 :])
    if kind == "twice":
        return b"".join(lines[: line + 1] + lines[line:])
    more = (
        draw.randbytes(200)
        if kind == "garbage"
        else b'{"type":"thought","seq":%d,"text":"of a later version"}\n' % line
    )
    return b"".join(lines[:line]) + more + b"".join(lines[line:])


def main() -> int:
    """Print the figures; 0 where every damaged log opened as far as it was sound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--damage", type=int, default=200, help="damaged logs of each kind")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    EVENTS[0] = args.events
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        run = RunDir.create(home, RunSpec(name="long"), {})
        began = time.monotonic()
        write(run, args.events)
        print(f"{args.events:,} events written in {time.monotonic() - began:.0f} s")
        fold(run.events_path)
        short = RunDir.create(home, RunSpec(name="short"), {})
        write(short, 300)
        sound = [ev.encode(e) for e in short.events()]
        tried, found = Counter[str](), Counter[str]()
        for kind in KINDS:
            for number in range(args.damage):
                short.events_path.write_bytes(damaged(sound, kind, random.Random(f"{args.seed}:{kind}:{number}")))
                tried[kind] += 1
                read = [ev.encode(e) for e in short.events()]
                RunFold().feed(short.events()).snapshot()
                if read == sound[: len(read)]:
                    found["its own beginning"] += 1
                elif kind == "bit" and sum(a != b for a, b in zip(read, sound, strict=False)) == 1:
                    found["a sound event with another value"] += 1
                else:
                    found[f"WRONG: {kind} {number}"] += 1
        print(
            f"{sum(tried.values()):,} damaged logs opened: " + ", ".join(f"{n:,} {what}" for what, n in found.items())
        )
    return 1 if any(what.startswith("WRONG") for what in found) else 0


if __name__ == "__main__":
    sys.exit(main())
