"""Read questions and answers of one's own: JSON Lines, a JSON list or Parquet.

    forget.jsonl, retain.jsonl            a folder; retain may be absent
    examples.jsonl                        worked examples for KnowMem, where there are some
    anything.jsonl                        or one file, each item with "set" (or "split"): forget, retain or examples

An item has a question and an answer, or a "text" (a document, for unlearning on raw text), or all three. Without worked
examples the first retain items serve as them, ten or half of what there is, and are not scored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from unlearn_tui.sources.corpus import QA, Corpus
from unlearn_tui.sources.reading import Reader, Row, kind
from unlearn_tui.sources.wording import shown

SETS = ("forget", "retain", "examples")
ENDINGS = (".jsonl", ".json", ".parquet")
EXAMPLES = 10


@dataclass
class _Sets:
    pairs: dict[str, list[QA]] = field(default_factory=lambda: {name: [] for name in SETS})
    docs: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in SETS})


def file_of(folder: Path, name: str) -> str:
    """The file of a set in whichever format it is; "" where there is none."""
    reader = Reader(folder)
    return next((name + ending for ending in ENDINGS if reader.has(name + ending)), "")


def is_layout(path: Path) -> bool:
    """Whether a folder has a forget file, or a file is in one of the formats."""
    return bool(file_of(path, "forget")) if path.is_dir() else path.suffix in ENDINGS


def read(reader: Reader, file: str = "") -> Corpus:
    """The folder of `reader`, or one `file` in it that says the set of every item."""
    found = _Sets()
    if file:
        for row in reader.rows(file):
            _take(reader, file, row, _set_of(reader, file, row), found)
        if not reader.count and not found.pairs["forget"] and not found.docs["forget"]:
            reader.fault(file, 'has nothing to forget: write "set": "forget" in some items')
    else:
        for name in SETS:
            if file_of(reader.folder, name):
                for row in reader.rows(file_of(reader.folder, name)):
                    _take(reader, file_of(reader.folder, name), row, name, found)
    forget, retain, examples = (tuple(found.pairs[name]) for name in SETS)
    examples, scored, more, notes = with_examples(examples, retain)
    forget_docs, retain_docs = (tuple(found.docs[name]) for name in SETS[:2])
    return Corpus(
        name=reader.name,
        path=reader.folder / file if file else reader.folder,
        layout="lines",
        notes=notes,
        files=tuple(reader.files),
        forget_docs=forget_docs,
        forget_text="\n\n".join(forget_docs),
        retain_docs=retain_docs,
        retain_text="\n\n".join(retain_docs),
        forget_qa=forget,
        forget_icl=examples,
        retain_qa=scored,
        retain_icl=examples,
        retain_more=more,
    )


def with_examples(
    examples: tuple[QA, ...], retain: tuple[QA, ...]
) -> tuple[tuple[QA, ...], tuple[QA, ...], tuple[QA, ...], tuple[str, ...]]:
    """Worked examples, scored and unscored retain items, and what is to be said: where there are no examples, the first
    retain items are taken for them, and are not scored.
    """
    if examples:
        return examples, retain, (), ()
    count = min(EXAMPLES, len(retain) // 2)
    if count:
        said = f"the first {count} retain questions serve as KnowMem's worked examples and are not scored"
    else:
        said = "KnowMem asks without worked examples: there are too few retain questions to take some from"
    return retain[:count], retain[count:], retain[:count], (said,)


def _set_of(reader: Reader, file: str, row: Row) -> str:
    """The set that an item names; "" after a fault."""
    if not isinstance(row.value, dict):
        reader.bad(file, row, f" is {kind(row.value)}, expected an object: correct or remove the item")
        return ""
    name = next((row.value[key] for key in ("set", "split") if key in row.value), None)
    if name in SETS:
        return str(name)
    if name is None:
        reader.bad(file, row, ' has no set: add "set": "forget" or "retain"')
    else:
        reader.bad(file, row, f": set {shown(name, 40)} is not known: write forget, retain or examples")
    return ""


def _take(reader: Reader, file: str, row: Row, name: str, found: _Sets) -> None:
    """One item into its set."""
    if not name:
        return
    item = row.value
    only_text = isinstance(item, dict) and "text" in item and not {"question", "answer"} & item.keys()
    if not only_text:
        entry = reader.entry(file, row, QA._fields)
        if entry is None:
            return
        found.pairs[name].append(QA(*entry))
    if isinstance(item, dict) and item.get("text") is not None:
        text = reader.entry(file, row, ("text",))
        if text is not None:
            found.docs[name].append(text[0])
