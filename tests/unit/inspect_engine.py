"""Stands in for unlearn_tui.engine.inspector in tests: the real connections, answers at once and without a model; the
question says how it goes.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from unlearn_tui.engine.inspector import __main__ as real
from unlearn_tui.engine.inspector.server import Server, listen
from unlearn_tui.protocol import inspect as ins
from unlearn_tui.protocol.inspect import Ask, Piece, Reply


def answer(request: Ask, say: Callable[[Reply], None], cancelled: Callable[[], bool]) -> None:
    question = request.question
    if "die" in question:
        os._exit(3)
    if "refuse" in question:
        say(ins.Refusal(request.id, "the question is not to be asked: ask another"))
        return
    columns = [(model.label, precision) for model in request.models for precision in request.precisions]
    say(ins.Progress(request.id, f"load {columns[0][0]}"))
    gold = request.gold or "Fennelport"
    given = gold[:1] if request.attack == "prefix-1" else ""
    say(ins.Began(id=request.id, columns=columns, prompt=f"Question: {question}\nAnswer: ", gold=gold, given=given))
    while "wait" in question and not cancelled():
        time.sleep(0.01)
    if cancelled():
        say(ins.Done(id=request.id, cancelled=True))
        return
    for number, (label, precision) in enumerate(columns):
        if "fail" in question and number == 0:
            say(ins.ColumnFailed(request.id, number, "does not fit\x1b[31m"))
            continue
        known = label != "unlearned" or precision == "bnb-fp4" or request.attack == "prefix-1"
        text = gold.removeprefix(given) if known else "a harbour"
        piece = Piece(text, 0.878 if known else 0.00078, 1 if known else 471, [])
        say(ins.Said(request.id, number, piece))
        taught = Piece(gold, piece.probability, piece.rank, [])
        say(ins.Taught(id=request.id, column=number, pieces=[taught], product=piece.probability, mean_log=-0.13))
        recall = float(known)
        say(ins.Answered(id=request.id, column=number, answer=text, recall=recall, f1=recall, exact=recall))
    say(ins.Done(id=request.id, first_token=0.01, seconds=0.02))


def status(id: int) -> Reply:
    return ins.Resident(id=id, models=[], used=0, budget=0, free=0, pid=os.getpid())


def main(path: Path) -> int:
    if os.environ.get("INSPECTOR_FAILS"):
        print("Killed by the test")
        return 1
    lock = real.taken(path.with_suffix(".lock"))
    if lock is not None:
        listening = listen(str(path))
        Server(listening, 20.0, status).serve(answer)
        real.leave(path, listening, lock)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
