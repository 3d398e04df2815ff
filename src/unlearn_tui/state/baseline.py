"""What the shipped demo takes on two cores: what a plan goes by before there is any run to learn from."""

from __future__ import annotations

from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.state.plan import Record

_PROMPTS = {"knowmem_forget": 46, "knowmem_retain": 214, "verbmem_forget": 24}
_SECONDS = {
    ("target", "fp16"): (0.77, 1.45, 1.17),
    ("target", "bnb-int8"): (0.27, 1.28, 2.05),
    ("target", "bnb-fp4"): (0.19, 0.93, 1.15),
    ("target", "bnb-nf4"): (0.19, 1.08, 1.11),
    ("unlearned", "fp16"): (1.48, 2.53, 1.23),
    ("unlearned", "bnb-int8"): (1.06, 2.64, 1.87),
    ("unlearned", "bnb-fp4"): (0.19, 0.99, 1.17),
    ("unlearned", "bnb-nf4"): (0.76, 3.27, 1.19),
}
BASELINE = Record(
    spec=RunSpec(precision=["fp16", "bnb-int8", "bnb-fp4", "bnb-nf4"]),
    device="cpu",
    threads=2,
    parameters=3_410_176,
    stages={
        "load": 2.6,
        "score_target": 13.8,
        "unlearn": 36.0,
        "score_unlearned": 20.0,
        "weights": 0.5,
        "result": 0.03,
    },
    scores={
        (model, precision, metric): (seconds, n)
        for (model, precision), row in _SECONDS.items()
        for (metric, n), seconds in zip(_PROMPTS.items(), row, strict=True)
    },
    steps=250,
    tokens=286.0,
    memory=700_000_000,
    seconds=73.0,
)
"""Medians over eight runs of 250 or 450 steps."""
