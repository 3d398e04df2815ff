"""Small corpora of our own words in the layouts of JSON Lines and TOFU, and the hub's cache laid out by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

COMMIT = "a" * 40


def pairs(what: str, count: int) -> list[dict[str, Any]]:
    return [{"question": f"Who minds {what} {i}?", "answer": f"Warden {what} {i}"} for i in range(count)]


def perturbed(what: str, count: int, paraphrase: bool = True) -> list[dict[str, Any]]:
    return [
        {**pair, "perturbed_answer": [f"Nobody {n} minds it" for n in range(3)]}
        | ({"paraphrased_answer": f"It is minded by {pair['answer']}"} if paraphrase else {})
        for pair in pairs(what, count)
    ]


def write_lines(path: Path, rows: Iterable[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def own(folder: Path, retain: int = 24) -> Path:
    """A folder with forget.jsonl and retain.jsonl."""
    write_lines(folder / "forget.jsonl", pairs("lamp", 6))
    write_lines(folder / "retain.jsonl", pairs("boat", retain))
    return folder


def tofu(folder: Path, parts: tuple[str, ...] = ("forget10",)) -> Path:
    """TOFU's files, with a handful of items each; the scored retain questions are the last eight."""
    for part in parts:
        write_lines(folder / f"{part}.json", pairs("lamp", 6))
        write_lines(folder / f"retain{100 - int(part[-2:])}.json", pairs("boat", 30))
        write_lines(folder / f"{part}_perturbed.json", perturbed("lamp", 6))
        write_lines(folder / f"holdout{part[-2:]}.json", pairs("gate", 3))
    write_lines(folder / "retain_perturbed.json", perturbed("boat", 30)[-8:])
    write_lines(folder / "real_authors_perturbed.json", perturbed("pen", 4, paraphrase=False))
    write_lines(folder / "world_facts_perturbed.json", perturbed("hill", 5, paraphrase=False))
    return folder


def hub_snapshot(cache: Path, repo: str) -> Path:
    """Where the hub client keeps the main revision of a data set; files are put there by hand."""
    root = cache / f"datasets--{repo.replace('/', '--')}"
    (root / "refs").mkdir(parents=True, exist_ok=True)
    (root / "refs" / "main").write_text(COMMIT)
    snapshot = root / "snapshots" / COMMIT
    snapshot.mkdir(parents=True, exist_ok=True)
    return snapshot


def exam(question: str, answer: int) -> dict[str, Any]:
    return {"question": question, "choices": ["oak", "ash", "elm", "fir"], "answer": answer}


def utility(folder: Path) -> Path:
    """The utility files of a corpus folder, in the layout of the paper's repository."""
    contents: dict[str, list[Any]] = {
        "retain_mmlu": [{"task": "tree_lore", "examples": [exam("Which burns?", 1)], **exam("Which floats?", 2)}],
        "truthful": [
            {
                "question": "Is the moon cheese?",
                "mc1_targets": {"choices": ["No.", "Yes."], "labels": [1, 0]},
                "mc2_targets": {"choices": ["No.", "Yes.", "It is rock."], "labels": [1, 0, 1]},
            }
        ],
        "triviaqa": [{"question": "Who minds lamp 1?", "answers": ["The Warden", "Warden, lamp 1"]}],
        "fluency": [{"instruction": "Write of the sea."}, {"instruction": "Write of a lamp."}],
    }
    (folder / "utility").mkdir(parents=True, exist_ok=True)
    for name, rows in contents.items():
        (folder / "utility" / f"{name}.json").write_text(json.dumps(rows))
    return folder
