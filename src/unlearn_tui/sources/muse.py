"""Read a corpus in the layout of MUSE (Shi et al. 2024): pocket, MUSE-News, MUSE-Books or a user's own folder.

    raw/{forget,retain1,retain2,holdout}.txt or .json      documents
    knowmem/{forget,retain}_qa.json, ..._qa_icl.json       [{"question", "answer"}]: asked, and the worked examples
    verbmem/forget.json                                    [{"prompt", "gt"}]: a passage and how it goes on
    privleak/{forget,retain,holdout}.json                  texts for membership inference
    privleak/retrain.json                                  {"Min-40%": 0.4772}: AUC of a retrained model, if known

A list of texts is a JSON list of strings or of objects with a "text". Faults count items from 1. The hub's copies keep
each list as Parquet (knowmem/forget_qa-00000-of-00001.parquet), which is read where it is there: the .json files beside
it in the hub's MUSE-News are older.
"""

from __future__ import annotations

import re
from pathlib import Path

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.sources.corpus import QA, Corpus, Passage
from unlearn_tui.sources.reading import Reader, Row, kind, pick
from unlearn_tui.sources.wording import shown

_BLANK_LINES = re.compile(r"(?:\n|\r\n)(?:\r?\n)+")
HUB_SUFFIX = "-00000-of-00001.parquet"

NEEDS = (
    ("forget_docs", ("raw/forget.txt", "raw/forget.json"), "the documents to forget"),
    ("retain_docs", ("raw/retain1.txt", "raw/retain1.json"), "the documents to keep"),
    ("forget_qa", ("knowmem/forget_qa.json",), "the questions of KnowMem forget"),
    ("forget_qa", ("knowmem/forget_qa_icl.json",), "the worked examples of KnowMem forget"),
    ("retain_qa", ("knowmem/retain_qa.json",), "the questions of KnowMem retain"),
    ("retain_qa", ("knowmem/retain_qa_icl.json",), "the worked examples of KnowMem retain"),
    ("verbmem", ("verbmem/forget.json",), "the passages of VerbMem forget"),
    ("privleak_forget", ("privleak/forget.json",), "the texts to be forgotten"),
    ("privleak_holdout", ("privleak/holdout.json",), "texts that the target never saw"),
)
"""What a run may need: the part, the files of which one must be there, and what they hold."""
TRAINED = ("forget_qa", "retain_qa")
"""Parts that training may read as well as metrics: leaving a metric out need not help."""


def is_layout(folder: Path) -> bool:
    """Whether a folder has a file of the layout."""
    reader = Reader(folder)
    return any(_has(reader, name) for _, names, _ in NEEDS for name in names)


def check_needs(folder: Path, need: set[str], field: str = "corpus", name: str = "") -> None:
    """Raise Refused for a needed file that is missing, or a folder that has no file of the layout."""
    reader = Reader(folder, field, name)
    if not is_layout(folder):
        raise Refused(
            f"{shown(folder)} is no corpus: it has none of raw/forget.txt, knowmem/forget_qa.json, "
            "verbmem/forget.json; lay it out as MUSE does",
            field,
        )
    for part, names, what in NEEDS:
        if part in need and not any(_has(reader, name) for name in names):
            metrics = [m.id for m in catalog.METRICS.values() if part in m.parts and part not in TRAINED]
            or_else = f" or leave out {', '.join(metrics)}" if metrics else ""
            raise reader.refusal(f"{' or '.join(names)} is missing, {what}: add it{or_else}")


def read(reader: Reader) -> Corpus:
    """Every file that is there, whole: the fingerprint does not depend on what a run needs."""
    forget_docs, forget_text = _documents(reader, "raw/forget")
    retain_docs, retain_text = _documents(reader, "raw/retain1")
    return Corpus(
        name=reader.name,
        path=reader.folder,
        layout="muse",
        forget_docs=forget_docs,
        forget_text=forget_text,
        retain_docs=retain_docs,
        retain_text=retain_text,
        retain2_docs=_documents(reader, "raw/retain2")[0],
        holdout_docs=_documents(reader, "raw/holdout")[0],
        forget_qa=_questions(reader, "knowmem/forget_qa"),
        forget_icl=_questions(reader, "knowmem/forget_qa_icl"),
        retain_qa=_questions(reader, "knowmem/retain_qa"),
        retain_icl=_questions(reader, "knowmem/retain_qa_icl"),
        verbmem=_passages(reader, "verbmem/forget"),
        privleak_forget=_texts(reader, "privleak/forget"),
        privleak_retain=_texts(reader, "privleak/retain"),
        privleak_holdout=_texts(reader, "privleak/holdout"),
        privleak_retrain=_aucs(reader, "privleak/retrain.json"),
        files=tuple(reader.files),
    )


def _has(reader: Reader, name: str) -> bool:
    return reader.has(name) or reader.has(name.rpartition(".")[0] + HUB_SUFFIX)


def _rows(reader: Reader, name: str) -> tuple[str, list[Row]]:
    """The file that has a list, and its items."""
    if reader.has(name + HUB_SUFFIX):
        return name + HUB_SUFFIX, reader.rows(name + HUB_SUFFIX)
    return f"{name}.json", reader.items(f"{name}.json")


def _documents(reader: Reader, name: str) -> tuple[tuple[str, ...], str]:
    """Documents without the blank ones, and the whole text; empty where no file is there.

    The list says where a document ends, the .txt what the whole text is; either stands in for the other, since MUSE
    joins documents by a blank line.
    """
    as_text = f"{name}.txt"
    # MUSE-News has an article without text
    listed = _texts(reader, name, may_be_blank=True)
    whole = (reader.text(as_text) or "") if reader.has(as_text) else "\n\n".join(listed)
    documents = tuple(text for text in listed or _BLANK_LINES.split(whole) if text.strip())
    if not documents and (listed or (reader.has(as_text) and not reader.count)):
        reader.fault(f"{name}.json" if listed else as_text, "has zero documents: add some, or remove the file")
    return documents, whole


def _questions(reader: Reader, name: str) -> tuple[QA, ...]:
    file, rows = _rows(reader, name)
    return tuple(QA(*entry) for entry in pick([reader.entry(file, row, QA._fields) for row in rows]))


def _passages(reader: Reader, name: str) -> tuple[Passage, ...]:
    file, rows = _rows(reader, name)
    return tuple(Passage(*entry) for entry in pick([reader.entry(file, row, Passage._fields) for row in rows]))


def _texts(reader: Reader, name: str, may_be_blank: bool = False) -> tuple[str, ...]:
    file, rows = _rows(reader, name)
    as_objects = [Row(r.where, r.number, {"text": r.value} if isinstance(r.value, str) else r.value) for r in rows]
    return tuple(e[0] for e in pick([reader.entry(file, row, ("text",), may_be_blank) for row in as_objects]))


def _aucs(reader: Reader, name: str) -> tuple[tuple[str, float], ...]:
    """AUCs by column (catalog.MEMBERSHIP), in the order of the file; none where it is absent."""
    table = reader.value(name)
    if table is None:
        return ()
    if not isinstance(table, dict):
        reader.fault(name, f'is {kind(table)}, expected an object such as {{"Min-40%": 0.48}}: correct it', 1)
        return ()
    found = []
    for column, value in table.items():
        if column not in catalog.MEMBERSHIP:
            known = catalog.nearest(column, [*catalog.MEMBERSHIP])
            reader.fault(name, f"has an unknown column {shown(column)}: {known}", 1)
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
            reader.fault(name, f"{column} is no AUC: give a number above 0 and at most 1", 1)
        else:
            found.append((column, float(value)))
    return tuple(found)
