"""A list of one's own questions as a corpus folder in MUSE's layout, to be scored like any other."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from unlearn_tui.errors import Refused
from unlearn_tui.protocol.inspect import ModelRef
from unlearn_tui.runs.directory import write_atomic
from unlearn_tui.runs.home import reason

FORGET = "knowmem/forget_qa.json"
EXAMPLES = "knowmem/forget_qa_icl.json"


def save(folder: Path, pairs: Sequence[tuple[str, str]], corpus: str) -> Path:
    """Write questions and right answers to `folder`, with the worked examples of `corpus`; returns its absolute path.

    Questions that the folder has already stay, those asked again get their new answer. Raises Refused where there is
    nothing to write, the folder holds something else, the corpus has no worked examples, or the place cannot be written.
    """
    from unlearn_tui.sources import corpora

    if not pairs:
        raise Refused("no question of yours has a right answer yet: ask one and give its answer with G", "question")
    source = corpora.load(corpus)
    examples = source.forget_icl or source.retain_icl
    if not examples:
        raise Refused(f"corpus {source.name!r} has no worked examples to put before your questions", "corpus")
    shown = repr(str(folder))
    try:
        folder = folder.expanduser().absolute()
        known: dict[str, str] = {}
        if os.path.lexists(folder):
            if not folder.is_dir() or (any(folder.iterdir()) and not (folder / FORGET).is_file()):
                raise Refused(f"{shown} holds something else: name a new folder", "path")
            if (folder / FORGET).is_file():
                known = dict(corpora.load(str(folder)).forget_qa)
        merged = known | dict(pairs)
        (folder / "knowmem").mkdir(parents=True, exist_ok=True)
        write_atomic(folder / FORGET, _json(list(merged.items())), 0o666)
        if not (folder / EXAMPLES).exists():
            write_atomic(folder / EXAMPLES, _json(examples), 0o666)
    except (OSError, ValueError, RuntimeError) as error:  # NUL in a name; ~ of an unknown user
        raise Refused(f"{shown} cannot be written: {reason(error)}; choose another place", "path") from error
    return folder


def _json(pairs: Sequence[tuple[str, str]]) -> bytes:
    listed = [{"question": question, "answer": answer} for question, answer in pairs]
    return json.dumps(listed, ensure_ascii=False, indent=1).encode() + b"\n"


def command(folder: Path, models: Sequence[ModelRef], precisions: Sequence[str]) -> str:
    """The command that scores the questions of a saved folder on these models, quoted for a shell."""
    paths = {model.label: model.path for model in models}
    target = paths.get("target", next(iter(paths.values()), "TARGET"))
    words = ["unlearn-tui", "check", "--target", target, "--unlearned", paths.get("unlearned", "UNLEARNED")]
    words += ["--corpus", str(folder), "--metric", "knowmem_forget", "--precision", ",".join(precisions)]
    return shlex.join(words)
