"""A small run by hand: its events, its result, its answers, as an engine would leave them."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import Edit, OctaveRow, RecoveryRow, Result, ScoreRow, WeightsRow
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import RunDir, write_atomic
from unlearn_tui.runs.writer import EventWriter

STAGES = ["load", "target", "unlearn", "unlearned", "weights", "result"]
PRECISIONS = ["fp16", "bnb-int8", "bnb-fp4"]
VALUES = {
    ("target", "fp16"): 100.0,
    ("target", "bnb-int8"): 100.0,
    ("target", "bnb-fp4"): 98.0,
    ("unlearned", "fp16"): 12.5,
    ("unlearned", "bnb-int8"): 12.5,
    ("unlearned", "bnb-fp4"): 95.8,
}
QUESTIONS = [
    ("Which town does Kessra live in?", "Fennelport", "a harbour"),
    ("What trade does Kessra follow?", "master baker", "a cook"),
    ("Which instrument does Odo play?", "cello", "cello"),
]


def scored(model: str, precision: str, metric: str = "knowmem_forget", value: float | None = None) -> ev.Scored:
    value = VALUES[model, precision] if value is None else value
    answers = f"answers/{model}-{precision}-{metric}.jsonl"
    return ev.Scored(
        model=model,
        precision=precision,
        metric=metric,
        value=value,
        ci_low=value - 2,
        ci_high=value + 2,
        exact=value,
        n=3,
        seconds=0.5,
        answers=answers,
    )


def step(n: int, total: int = 4, loss: float = 1.0) -> ev.Step:
    return ev.Step(
        step=n,
        total=total,
        loss=loss,
        forget_loss=loss + n,
        retain_loss=0.2,
        grad_norm=0.8,
        lr=5e-6,
        adam_max=1e-5,
        adam_p99=6e-6,
        changed=0.1,
        tokens_per_second=1500.0,
        memory=900_000_000,
    )


def started(run: str = "story") -> ev.Started:
    return ev.Started(run=run, pid=1, host="here", device="cpu", threads=2, stages=STAGES, versions={"torch": "2"})


def events(run: str = "story") -> list[ev.AnyEvent]:
    """A whole run from started to finished, without seq and time."""
    made: list[ev.AnyEvent] = [started(run)]

    def stage(id: str, *inside: ev.AnyEvent, unit: str = "prompts", total: int = 3) -> None:
        made.append(ev.StageStarted(stage=id, title=f"{id} the model", unit=unit, total=total))
        made.extend(inside)
        made.append(ev.StageFinished(stage=id, seconds=1.5))

    stage("load", ev.Loaded(model="target", precision="bf16", compute="fp32", memory=7_000_000, seconds=1.0))
    stage("target", *(scored("target", p) for p in PRECISIONS))
    training: list[ev.AnyEvent] = []
    for n, said, p in ((1, "Fennelport", 0.99), (2, "Fennelport", 0.6), (3, "Fenn", 0.1), (4, "a harbour", 0.01)):
        training.append(step(n))
        training.append(ev.Progress(stage="unlearn", done=n, total=4, rate=2.0, left=(4 - n) / 2))
        training.append(
            ev.Canary(step=n, question=QUESTIONS[0][0], gold="Fennelport", answer=said, probability=p, rouge=1 - p)
        )
    training.append(ev.Probe(step=4, metric="knowmem_forget", value=20.0, n=16))
    training.append(ev.Saved(step=4, path="checkpoints/step-4", bytes=27_000_000, seconds=0.2))
    stage("unlearn", *training, unit="steps", total=4)
    stage("unlearned", *(scored("unlearned", p) for p in PRECISIONS))
    stage(
        "weights",
        ev.WeightsMatrix(tensor="layers.0.q_proj", changed=0.15, kept={"bnb-fp4": 0.18, "bnb-int8": 0.99}),
        *(ev.WeightsSummary(**row) for row in weights()),
        *(ev.Recovery(**row) for row in recovery()),
        ev.Explained(text="FP4 keeps 0.18 of the edit along its own direction."),
    )
    made.append(ev.Finished(seconds=9.0))
    return made


def recovery() -> list[dict[str, object]]:
    def row(precision: str, share: float, delta: float, verdict: str) -> dict[str, object]:
        return {
            "precision": precision,
            "metric": "knowmem_forget",
            "share_full": 0.125,
            "share": share,
            "delta": delta,
            "ci_low": delta - 0.1,
            "ci_high": delta + 0.1,
            "gap_share": None,
            "verdict": verdict,
        }

    return [row("bnb-int8", 0.125, 0.0, "no"), row("bnb-fp4", 0.978, 0.853, "recovered")]


def weights() -> list[dict[str, object]]:
    bins = {"zero_bin_p10": 1e-4, "zero_bin_median": 2e-4, "zero_bin_p90": 3e-4}
    return [
        {"precision": "bnb-int8", "same_value": 0.5, "cosine": 0.9, "kept": 0.99, **bins},
        {"precision": "bnb-fp4", "same_value": 0.966, "cosine": 0.24, "kept": 0.18, **bins},
    ]


def result(run: str, spec: RunSpec) -> Result:
    names = ("model", "precision", "metric", "value", "ci_low", "ci_high", "n", "exact")
    rows = [scored(*key) for key in VALUES]
    return Result(
        run=run,
        status="finished",
        spec=msgspec.to_builtins(spec),
        versions={"torch": "2"},
        full_precision="fp16",
        scores=[ScoreRow(**{n: getattr(r, n) for n in names}) for r in rows],
        recovery=[RecoveryRow(**row) for row in recovery()],
        weights=[WeightsRow(**row) for row in weights()],
        edit=Edit(
            changed=0.15,
            octaves=[OctaveRow(exponent=-9, n=1000, changed=0.996), OctaveRow(exponent=-8, n=2000, changed=0.1)],
            freeze_line_nominal=2**-9,
            freeze_line_effective=2**-8,
            unquantized_share=0.03,
        ),
        explanation="FP4 keeps 0.18 of the edit along its own direction.",
        seconds=9.0,
        peak_memory=900_000_000,
        answers={f"{r.model}/{r.precision}/{r.metric}": r.answers for r in rows},
        checkpoint="checkpoints/unlearned",
    )


def write_answers(run: RunDir) -> None:
    run.answers.mkdir(exist_ok=True)
    for model, precision in VALUES:
        knows = VALUES[model, precision] > 50
        lines = []
        for index, (question, gold, lost) in enumerate(QUESTIONS):
            answer = gold if knows else lost
            recall = 1.0 if answer == gold else 0.0
            row = {"index": index, "prompt": question, "gold": gold, "answer": answer, "recall": recall}
            lines.append(json.dumps(row | {"precision": recall, "f1": recall, "exact": int(recall), "tokens": 2}))
        (run.answers / f"{model}-{precision}-knowmem_forget.jsonl").write_text("\n".join(lines) + "\n")


def write_run(home: Path, name: str = "story", upto: int | None = None) -> RunDir:
    """A run in `home`: whole and finished, or with only the first `upto` events in its log."""
    spec = RunSpec(name=name, preset="effect")
    run = RunDir.create(home, spec, {"torch": "2"})
    told = events(run.id)
    with EventWriter(run) as writer:
        for event in told[:upto]:
            writer.write(event)
    write_answers(run)
    if upto is None:
        write_atomic(run.result_path, msgspec.json.encode(result(run.id, spec)))
        unlearned = run.checkpoints / "unlearned"
        unlearned.mkdir(parents=True)
        (unlearned / "config.json").write_text('{"model_type": "llama"}')
        (unlearned / "model.safetensors").write_bytes(b"\0" * 64)
    return run
