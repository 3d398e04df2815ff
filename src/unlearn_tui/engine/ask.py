"""`python -m unlearn_tui.engine.ask`: one question to several models at several precisions, for `unlearn-tui ask`.

Reads one JSON request on stdin: {"models": [{"label", "path"}], "corpus", "question", "precisions", "device", "threads",
"max_new_tokens"}. Writes JSON lines: {"type": "progress", "text"}, {"type": "answer", "label", "precision", "answer",
"gold", "seconds"}, {"type": "error", "message"}, {"type": "done"}.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch

from unlearn_tui.engine.__main__ import device_of
from unlearn_tui.engine.checkpoints import first_line, load_model, load_tokenizer
from unlearn_tui.engine.evaluation import knowmem
from unlearn_tui.engine.evaluation.answers import ask
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.quantization.prepare import prepare, release
from unlearn_tui.errors import Refused
from unlearn_tui.sources import corpora
from unlearn_tui.sources.corpora import QA


def examples_for(corpus: corpora.Corpus, question: str) -> tuple[str | None, tuple[QA, ...]]:
    """The gold answer, where the corpus has this question, and the worked examples to put before it."""
    for pairs, examples in ((corpus.forget_qa, corpus.forget_icl), (corpus.retain_qa, corpus.retain_icl)):
        for pair in pairs:
            if pair.question == question:
                return pair.answer, examples
    return None, corpus.forget_icl or corpus.retain_icl


def answer(request: dict[str, Any]) -> None:
    """Ask everything, one model and one precision in memory at a time."""
    torch.set_num_threads(request.get("threads") or os.cpu_count() or 1)
    device = device_of(request.get("device") or "auto")
    corpus = corpora.load(request["corpus"])
    gold, examples = examples_for(corpus, request["question"])
    limit = int(request.get("max_new_tokens") or knowmem.MAX_NEW_TOKENS)
    for entry in request["models"]:
        path = Path(entry["path"])
        say(type="progress", text=f"load {entry['label']}")
        model, tokenizer = load_model(path), load_tokenizer(path)
        item = knowmem.questions(tokenizer, (QA(request["question"], gold or ""),), examples)
        for precision in request["precisions"]:
            say(type="progress", text=f"{entry['label']} at {precision}")
            began = time.monotonic()
            prepared = prepare(model, precision, device)
            generator = Generator(prepared.model, tokenizer, device, 1)
            found = ask(generator, item, limit, knowmem.finished, knowmem.cut)[0]
            say(
                type="answer",
                label=entry["label"],
                precision=precision,
                answer=found.answer,
                gold=gold,
                seconds=time.monotonic() - began,
            )
            release(prepared)


def say(**line: object) -> None:
    """One JSON line, at once."""
    print(json.dumps(line), flush=True)


def main() -> int:
    """0 answered, 2 refused, 1 anything else; the reason is an error line."""
    try:
        answer(json.load(sys.stdin))
    except Refused as refused:
        say(type="error", message=str(refused))
        return 2
    except (torch.OutOfMemoryError, MemoryError):
        say(type="error", message="no memory left: ask for fewer precisions, or --device cpu")
        return 1
    except Exception as error:
        say(type="error", message=f"{type(error).__name__}: {first_line(error)}")
        return 1
    say(type="done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
