"""A home in which every text tries to steer the terminal: control sequences, bidi, markup, odd widths, endless words."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

sys.path.append(str(Path(__file__).parents[1] / "unit"))

import story
from fake_checkpoints import make_checkpoint

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import Result
from unlearn_tui.protocol.spec import RunSpec, to_toml
from unlearn_tui.runs.directory import RunDir

ATTACKS = (
    "\x1b[66;6Hcsi\x1b[4;213m",
    "\x1b]52;c;cHduZWQ=\x07",
    "\x1b]8;;http://pwn.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]0;pwned\x07\x1b]2;pwned\x1b\\",
    "\x1bP+q544e\x1b\\\x1b_apc\x1b\\\x1b^pm\x1b\\\x1bc",
    "\x9b66;6H\x9d0;pwned\x9c\x90q\x9c\x84\x85",
    "\r\n\x0b\x0c\x08\x08\x07\x0e\x0f\x7f\t",
    "\u202egnp.exe\u202c\u2066x\u2069\u200f\u061c\u2028\u2029\ufeff\U000e0041",
    "[red]red[/] [@click=app.quit]q[/] [link=http://pwn.example]l[/link] [/] \\[b] $x ⟦spoof⟧",
    "你好ｶﾞ한 e\u0301\u0302\u0303 क्षि ที่ שלום مرحبا می\u200cخواهم",
    "👩\u200d👩\u200d👧 ❤\ufe0f 👍🏽 🇩🇪 1\ufe0f\u20e3 🏴",
    "w" * 400,
)
TEXT = " ".join(ATTACKS)
"""All of them in one."""
FORBIDDEN = (
    *(
        "\x1b[66;6H",
        "\x1b[4;213m",
        "\x1b]52;c;cHduZWQ=",
        "\x1b]0;",
        "\x1b]2;",
        "\x1b]8",
        "\x1bP",
        "\x1b_",
        "\x1b^",
        "\x1bc",
    ),
    *(chr(code) for code in (*range(0x00, 0x07), *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F, *range(0x80, 0xA0))),
    *(
        chr(code)
        for code in (0x0B, 0x0C, 0x61C, 0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2060, 0x2070))
    ),
    *("\ufeff", "\ufff9", "\U000e0041"),
)
"""What no byte of must reach a terminal; the app itself writes none of it."""


def evil(text: object = "", limit: int = 0) -> str:
    """`text` and everything bad; at most `limit` characters of it."""
    made = f"{text}{TEXT}"
    return made[:limit] if limit else made


def evil_name(number: int) -> str:
    """A file's name of at most 255 bytes: what of an attack a file system takes."""
    made = f"{number}{ATTACKS[number % len(ATTACKS)]}".replace("/", "|").replace("\0", "")
    return made.encode()[:200].decode("utf-8", "ignore")


def spoiled(value: Any, ids: bool) -> Any:
    """A plain structure with every text in it made evil; `ids`: those too that name a model, a stage, a precision."""
    keep = () if ids else ("event", "model", "precision", "metric", "stage", "stages", "verdict", "status", "kind")
    keep = (*keep, "event", "answers", "level") if not ids else ("event", "answers")

    def walk(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {(evil(k, 2000) if ids and key in ("kept", "versions") else k): walk(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [walk(v, key) for v in value]
        return evil(value) if isinstance(value, str) and key not in keep else value

    return walk(value)


def write_events(run: RunDir, events: list[ev.AnyEvent], ids: bool) -> None:
    lines = []
    for seq, event in enumerate(events):
        plain = spoiled(msgspec.to_builtins(event), ids)
        lines.append(json.dumps({**plain, "seq": seq, "time": 1.7e9 + seq, "mono": float(seq)}))
    run.events_path.write_text("\n".join(lines) + "\n")


def write_answers(run: RunDir, result: Result) -> None:
    run.answers.mkdir(exist_ok=True)
    for key in sorted(set(result.answers.values())):
        rows = []
        for index, attack in enumerate((*ATTACKS, TEXT)):
            knows = "target" in key or "fp4" in key
            row = {"index": index, "prompt": f"{attack}?", "gold": f"gold {attack}", "answer": f"gold {attack}"}
            row |= {} if knows else {"answer": f"{attack} lost"}
            score = 1.0 if knows else 0.0
            rows.append(json.dumps(row | {"recall": score, "precision": score, "f1": score, "exact": 0, "tokens": 2}))
        (run.path / key).parent.mkdir(exist_ok=True)
        (run.path / key).write_text("\n".join(rows) + "\n")


def write_weights(run: RunDir, ids: bool) -> None:
    rows = []
    for layer in range(3):
        for attack in ATTACKS[:8]:
            name = f"model.layers.{layer}.{attack}.weight"
            kept = {
                evil(p) if ids else p: {"kept": 0.2, "cosine": 0.3, "same_value": 0.9} for p in story.PRECISIONS[1:]
            }
            row = {"tensor": name[:900], "shape": [4, 4], "changed": 0.5, "edit_norm": 1.0, "target_norm": 9.0}
            rows.append(json.dumps(row | {"octaves": [{"exponent": -8, "n": 16, "changed": 0.5}], "precisions": kept}))
    (run.path / "weights.jsonl").write_text("\n".join(rows) + "\n")


def write_run(home: Path, name: str, ids: bool, events: list[ev.AnyEvent], done: bool = True) -> RunDir:
    run = RunDir(home / "runs" / name)
    run.path.mkdir(parents=True)
    spec = RunSpec(name=evil(), preset=evil(), model=evil("org/"), corpus=evil("/c/"), canary=evil())
    if ids:
        spec = msgspec.structs.replace(spec, method=evil(), weights=evil(), precision=[evil("fp16"), evil("fp4")])
    run.spec_path.write_text(to_toml(spec, {evil(): evil()}))
    write_events(run, events, ids)
    result = story.result(name, spec)
    plain = spoiled(msgspec.to_builtins(result), ids)
    plain["run"], plain["status"], plain["answers"] = evil(), "finished", dict(result.answers)
    if ids:
        plain["answers"] = {
            "/".join((evil(model), evil(precision), evil(metric))): path
            for (model, precision, metric), path in ((k.split("/"), v) for k, v in result.answers.items())
        }
    if done:
        run.result_path.write_text(json.dumps(plain))
    write_answers(run, result)
    write_weights(run, ids)
    run.log_path.write_bytes(b"\n".join(a.encode() + b"\xff\xfe\x00" for a in (*ATTACKS, TEXT)) + b"\n")
    unlearned = run.checkpoints / "unlearned"
    unlearned.mkdir(parents=True)
    (unlearned / "config.json").write_text(json.dumps({"model_type": evil()}))
    return run


def write_home(home: Path) -> list[RunDir]:
    """Runs, checkpoints, folders and settings whose every text is evil; the run ids are too."""
    told = story.events()
    failed = ev.Failed(kind=evil(), message=evil("it failed: "), stage=evil())
    warned = [ev.Log(level="warning", text=evil()), ev.Log(level="info", text=evil())]
    runs = [
        write_run(home, evil_name(0) + "\udcff", False, [*told[:-1], *warned, told[-1]]),
        write_run(home, evil_name(1), True, told),
        write_run(home, evil_name(6), False, [*told[:12], *warned, failed], done=False),
        write_run(home, evil_name(8), True, [*told[:12], *warned, failed], done=False),
        write_run(home, evil_name(9), False, [*told[:12], *warned], done=False),
    ]
    for number, run in enumerate(runs):  # the last is the newest
        os.utime(run.spec_path, (time.time() - 100 + number,) * 2)
    folders = []
    for number in (2, 3, 4, 5, 7, 10, 11):
        folders.append(str(make_checkpoint(home.parent / evil_name(number), model_type=evil())))
    settings = {
        "theme": evil(),
        "folders": [*folders, evil("/gone"), evil("org/name")],
        "choices": {"compare_sort": evil(), "weights_quantizer": evil(), "models_sort": evil(), "compare_pane": evil()},
    }
    (home / "app.json").write_text(json.dumps(settings))
    return runs
