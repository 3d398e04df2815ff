"""Stands in for unlearn_tui.engine.ask in tests: answers at once, without a model; the question says how it goes."""

from __future__ import annotations

import json
import sys
import time


def say(**line: object) -> None:
    print(json.dumps(line), flush=True)


request = json.load(sys.stdin)
question = request["question"]
if "die" in question:
    sys.exit("Killed by the test")
for model in request["models"]:
    say(type="progress", text=f"load {model['label']}")
    if "wait" in question:
        time.sleep(60)
    for precision in request["precisions"]:
        answer = "a harbour" if model["label"] == "unlearned" and precision == "fp16" else "Fennelport"
        say(type="answer", label=model["label"], precision=precision, answer=answer, gold="Fennelport", seconds=0.1)
if "fail" in question:
    say(type="error", message="no memory left: ask for fewer precisions")
    sys.exit(1)
say(type="done")
