"""How quickly the inspector answers: from Enter to the first token, at every column of a question.

    python benchmarks/inspector.py [--run RUN_DIR] [--questions N] [--precision LIST] [--threads N]

--run: a finished run, whose target and unlearned model are asked; without it the shipped target and retrained models,
which are of the same size. Questions are the pocket corpus's own, each once, gold answers taught too. Nothing else should
run on the machine. Exits 1 where the limit does not hold; nothing here is a test.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from unlearn_tui.protocol.inspect import Ask, Done, ModelRef, Refusal, Reply, Resident, Said
from unlearn_tui.runs.directory import usable_cores
from unlearn_tui.runs.inspecting import Inspector, subjects
from unlearn_tui.sources.assets import asset
from unlearn_tui.sources.corpora import load

LIMIT_MS = 300.0
"""Milliseconds from Enter to the first token, 95th percentile, every column resident."""


class Clock:
    """Hears replies; knows when the first token and the last reply of the newest request came."""

    def __init__(self) -> None:
        self.first = self.last = 0.0
        self.ended = threading.Event()
        self.reply: Reply | None = None

    def heard(self, reply: Reply) -> None:
        now = time.perf_counter()
        if isinstance(reply, Said) and not self.first:
            self.first = now
        if isinstance(reply, (Done, Refusal, Resident)):
            self.last, self.reply = now, reply
            self.ended.set()


def ask(inspector: Inspector, clock: Clock, request: Ask, cancel_at: float = 0.0) -> tuple[float, float]:
    """Milliseconds until the first token, and until the last reply (or from cancelling to it)."""
    clock.first = 0.0
    clock.ended.clear()
    began = time.perf_counter()
    inspector.ask(request)
    if cancel_at:
        clock.ended.wait(cancel_at)
        began = time.perf_counter()
        inspector.cancel(request.id)
    clock.ended.wait()
    if isinstance(clock.reply, Refusal):
        sys.exit(f"refused: {clock.reply.message}")
    return 1000 * (clock.first - began), 1000 * (clock.last - began)


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> int:
    """Print the figures; 0 where the limit holds."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--run", type=Path)
    options.add_argument("--questions", type=int, default=100)
    options.add_argument("--precision", default="fp16,bnb-int8,bnb-fp4")
    options.add_argument("--threads", type=int, default=0)
    given = options.parse_args()
    precisions = given.precision.split(",")
    corpus = load("pocket")
    questions = [pair.question for pair in (*corpus.forget_qa, *corpus.retain_qa)]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if given.run:
            models = subjects(str(given.run), home)[0]
        else:
            pocket = asset("pocket")
            models = [ModelRef("target", str(pocket / "target")), ModelRef("unlearned", str(pocket / "retrain"))]
        clock = Clock()
        inspector = Inspector(home, clock.heard)

        def request(question: str, **more: object) -> Ask:
            return Ask(
                id=inspector.next_id(), models=models, precisions=precisions, question=question,
                threads=given.threads, **more,  # type: ignore[arg-type]
            )  # fmt: skip

        columns = len(models) * len(precisions)
        print(
            f"{columns} columns ({' × '.join(m.label for m in models[:2])}; {given.precision}), {usable_cores()} cores"
        )
        first, whole = ask(inspector, clock, request(questions[-1]))
        print(
            f"no process yet    first token {first:7.0f} ms   all answers {whole:7.0f} ms   (torch, models, quantizing)"
        )
        first, whole = ask(inspector, clock, request(questions[-2]))
        print(f"second question   first token {first:7.1f} ms   all answers {whole:7.0f} ms")
        times = [ask(inspector, clock, request(question)) for question in questions[: given.questions]]
        firsts, wholes = [t[0] for t in times], [t[1] for t in times]
        p95 = percentile(firsts, 0.95)
        slow = percentile(wholes, 0.95)
        print(
            f"{len(times)} questions     first token p50 {statistics.median(firsts):.1f} ms, p95 {p95:.1f} ms, most "
            f"{max(firsts):.1f} ms   all answers p50 {statistics.median(wholes):.0f} ms, p95 {slow:.0f} ms"
        )
        cancelled = [
            ask(inspector, clock, request(q, template="free", max_new_tokens=512), cancel_at=0.2)[1]
            for q in questions[:10]
        ]
        print(f"cancelled         until it is over, most of 10: {max(cancelled):.1f} ms")
        clock.ended.clear()
        inspector.status()
        clock.ended.wait(10)
        if isinstance(clock.reply, Resident):
            said = clock.reply
            print(
                f"resident          {len(said.models)} models, {said.used / 1e6:.0f} MB of a budget of "
                f"{said.budget / 1e6:,.0f} MB"
            )
        inspector.close()
    held = p95 < LIMIT_MS
    print(f"first token < {LIMIT_MS:.0f} ms p95: {'holds' if held else 'DOES NOT HOLD'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
