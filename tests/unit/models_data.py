"""Rows and runs for the tests of the Models screen and of the runs screen."""

from __future__ import annotations

from typing import Any

from unlearn_tui.sources.fits import Room
from unlearn_tui.state.models import Models, Row, Score, refreshed
from unlearn_tui.state.runs import Run

NOW = 1_000_000.0
ROOM = Room(free=40_000_000, total=64_000_000, gpu=False, name="main memory")
HOLDING = {"fp32": 28_000_000, "fp16": 14_000_000, "bnb-int8": 5_000_000, "bnb-fp4": 3_000_000}
UNLEARNING = {"bf16": 80_000_000, "bf16-stochastic": 80_000_000, "fp32": 80_000_000}
HOSTILE = "\x1b[31mred\x1b[0m \u202eback\u202c 好好好 e\u0301\u0301 [b]bold[/b] \ud800"


def target(name: str = "target", **more: Any) -> Row:
    facts: dict[str, Any] = {
        **{"id": f"shipped:{name}", "name": name, "kind": "shipped", "status": "scored", "ref": name},
        **{"path": f"/models/{name}", "modified": NOW - 86_400 * 3, "size": 7_000_000, "parameters": 3_400_000},
        **{"family": "llama", "dtype": "bf16", "shards": 1, "layers": 4, "hidden": 256, "full": "fp16"},
        **{"forget": 100.0, "retain": 99.0, "holding": HOLDING, "unlearning": UNLEARNING},
    }
    return Row(**{**facts, **more})


def unlearned(name: str, forget: float, back: float, verdict: str = "recovered", **more: Any) -> list[Row]:
    """A run's row and those of its precisions."""
    scores = (
        Score("fp16", forget, 92.0),
        Score("bnb-int8", forget, 92.0, "no"),
        Score("bnb-fp4", back, 98.0, verdict),
    )
    facts: dict[str, Any] = {
        **{"id": f"run:{name}", "name": name, "kind": "unlearned", "status": "scored", "ref": name, "run": name},
        **{"path": f"/home/runs/{name}", "parent": "shipped:target", "method": "ga_klr", "step": 250},
        **{"modified": NOW - 3600, "size": 7_000_000, "parameters": 3_400_000, "full": "fp16"},
        **{"forget": forget, "retain": 92.0, "scores": scores, "holding": HOLDING, "unlearning": UNLEARNING},
    }
    row = Row(**{**facts, **more})
    inner = [
        Row(
            **{"id": f"{row.id}:{s.precision}", "name": s.precision, "kind": "quantized", "status": "quantized"},
            **{"parent": row.id, "run": name, "method": "ga_klr", "modified": row.modified},
            **{"size": HOLDING[s.precision], "full": s.precision, "forget": s.forget, "scores": (s,)},
        )
        for s in scores[1:]
    ]
    return [row, *inner]


def failed(name: str = "broken", reason: str = "CUDA out of memory", **more: Any) -> Row:
    facts: dict[str, Any] = {
        **{"id": f"run:{name}", "name": name, "kind": "unlearned", "status": "failed", "run": name, "method": "npo"},
        **{"parent": "shipped:target", "reason": reason, "modified": NOW - 60},
    }
    return Row(**{**facts, **more})


def family() -> Models:
    """A target, two runs of it, one that failed."""
    rows = [target(), *unlearned("effect", 12.5, 97.0), *unlearned("control", 10.0, 11.0, "no", modified=NOW - 7200)]
    return refreshed(Models(), [*rows, failed()])


def run(id: str, status: str = "finished", **more: Any) -> Run:
    facts: dict[str, Any] = {
        **{"id": id, "path": f"/home/runs/{id}", "status": status, "method": "ga_klr", "weights": "bf16"},
        **{"model": "pocket-target", "corpus": "pocket", "created": NOW - 3600, "size": 7_600_000},
    }
    if status == "finished":
        facts |= {"full": "fp16", "target": 100.0, "forget": 12.5, "four": "bnb-fp4", "back": 97.0}
        facts |= {"verdict": "recovered", "explanation": "FP4 keeps 0.18 of the edit.", "seconds": 65.0}
    return Run(**{**facts, **more})
