"""Read a corpus in the layout of MUSE (Shi et al. 2024): pocket, MUSE-News, MUSE-Books or a user's own folder.

    raw/{forget,retain1,retain2,holdout}.txt or .json      documents
    knowmem/{forget,retain}_qa.json, ..._qa_icl.json       [{"question", "answer"}]: asked, and the worked examples
    verbmem/forget.json                                    [{"prompt", "gt"}]: a passage and how it goes on
    privleak/{forget,retain,holdout}.json                  texts for membership inference
    privleak/retrain.json                                  {"Min-40%": 0.4772}: AUC of a retrained model, if known

A list of texts is a JSON list of strings or of objects with a "text". Faults count items from 1.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.files import read_limited
from unlearn_tui.sources.assets import asset
from unlearn_tui.sources.wording import shown

LARGEST = 1 << 30
"""Bytes of one file of a corpus."""
_BLANK_LINES = re.compile(r"(?:\r?\n){2,}")
_SURROGATE = re.compile("[\ud800-\udfff]")


class QA(NamedTuple):
    """A KnowMem question and its gold answer."""

    question: str
    answer: str


class Passage(NamedTuple):
    """A VerbMem prompt and the gold continuation; the prompt's trailing space is part of it."""

    prompt: str
    gt: str


@dataclass(frozen=True)
class Corpus:
    """The parsed content of a corpus; an absent part is empty."""

    name: str
    path: Path
    forget_docs: tuple[str, ...] = ()
    forget_text: str = ""
    """raw/forget.txt as it is: MUSE cuts its training chunks from the whole text."""
    retain_docs: tuple[str, ...] = ()
    """raw/retain1: what GDR and KLR may read."""
    retain_text: str = ""
    retain2_docs: tuple[str, ...] = ()
    holdout_docs: tuple[str, ...] = ()
    forget_qa: tuple[QA, ...] = ()
    forget_icl: tuple[QA, ...] = ()
    retain_qa: tuple[QA, ...] = ()
    retain_icl: tuple[QA, ...] = ()
    verbmem: tuple[Passage, ...] = ()
    privleak_forget: tuple[str, ...] = ()
    privleak_retain: tuple[str, ...] = ()
    privleak_holdout: tuple[str, ...] = ()
    privleak_retrain: tuple[tuple[str, float], ...] = ()
    """AUC of a retrained model by column ("Min-40%"), forget against holdout, 0-1, where the corpus tells it."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the parsed content; name and place do not count."""
        content = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("name", "path")}
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


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
"""Parts of NEEDS that training may read as well as metrics: leaving a metric out need not help."""


def load(ref: str, need: set[str] | None = None, field: str = "corpus") -> Corpus:
    """The corpus that `ref` names: a shipped one (catalog.CORPORA), or a folder in the layout above.

    `need` names parts of NEEDS; the files of a needed part must be there. Every file that is there is read whole, so a
    fault in any of them is found, and the fingerprint does not depend on `need`. Raises Refused naming the file, the
    item or line, and the fault.
    """
    folder = asset(ref, "corpus") if ref in catalog.CORPORA else _folder(ref, field)
    reader = _Reader(folder, field)
    need = need or set()
    if unknown := need - {part for part, _, _ in NEEDS}:
        raise ValueError(f"no such parts: {unknown}")
    reader.check_layout(need)
    forget_docs, forget_text = reader.documents("raw/forget")
    retain_docs, retain_text = reader.documents("raw/retain1")
    return Corpus(
        name=ref if ref in catalog.CORPORA else folder.name,
        path=folder,
        forget_docs=forget_docs,
        forget_text=forget_text,
        retain_docs=retain_docs,
        retain_text=retain_text,
        retain2_docs=reader.documents("raw/retain2")[0],
        holdout_docs=reader.documents("raw/holdout")[0],
        forget_qa=reader.questions("knowmem/forget_qa.json"),
        forget_icl=reader.questions("knowmem/forget_qa_icl.json"),
        retain_qa=reader.questions("knowmem/retain_qa.json"),
        retain_icl=reader.questions("knowmem/retain_qa_icl.json"),
        verbmem=reader.passages("verbmem/forget.json"),
        privleak_forget=reader.texts("privleak/forget.json"),
        privleak_retain=reader.texts("privleak/retain.json"),
        privleak_holdout=reader.texts("privleak/holdout.json"),
        privleak_retrain=reader.aucs("privleak/retrain.json"),
    )


def require(corpus: Corpus, need: set[str], field: str = "corpus") -> None:
    """Raise Refused where the files of a needed part of NEEDS are not there, as `load` does."""
    _Reader(corpus.path, field).check_layout(need)


def _folder(ref: str, field: str) -> Path:
    try:
        folder = Path(ref).expanduser()
        if ref.strip() and folder.is_dir():
            return folder.resolve()
        is_file = folder.is_file()
    except (OSError, RuntimeError, ValueError):
        is_file = False
    if is_file:
        raise Refused(f"corpus {shown(ref)} is a file: give the folder that holds raw/ and knowmem/", field)
    hint = catalog.nearest(ref, list(catalog.CORPORA))
    stop = "" if hint.endswith("?") else ";"
    raise Refused(f"there is no corpus {shown(ref)}: {hint}{stop} or give a folder in MUSE's layout", field)


class _Reader:
    """Reads one folder's files, saying in every fault which file, which item and what."""

    def __init__(self, folder: Path, field: str) -> None:
        self.folder = folder
        self.field = field

    def fault(self, text: str) -> Refused:
        return Refused(f"corpus {shown(self.folder.name)}: {text}", self.field)

    def has(self, name: str) -> bool:
        try:
            return (self.folder / name).exists()
        except OSError:
            # reading it will say what is wrong
            return True

    def check_layout(self, need: set[str]) -> None:
        """Raise Refused for a needed file that is missing, or a folder that has no file of the layout."""
        if not any(self.has(name) for _, names, _ in NEEDS for name in names):
            raise Refused(
                f"{shown(self.folder)} is no corpus: it has none of raw/forget.txt, knowmem/forget_qa.json, "
                "verbmem/forget.json; lay it out as MUSE does",
                self.field,
            )
        for part, names, what in NEEDS:
            if part in need and not any(self.has(name) for name in names):
                metrics = [m.id for m in catalog.METRICS.values() if part in m.parts and part not in TRAINED]
                or_else = f" or leave out {', '.join(metrics)}" if metrics else ""
                raise self.fault(f"{' or '.join(names)} is missing, {what}: add it{or_else}")

    def text(self, name: str) -> str:
        """A whole file as text; a byte-order mark is dropped."""
        try:
            data = read_limited(self.folder / name, LARGEST)
        except OSError as error:
            raise self.fault(f"{name} cannot be read: {error.strerror or error}; copy it again") from None
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self.fault(f"{name} line {line} is not UTF-8: save the file as UTF-8") from None

    def documents(self, name: str) -> tuple[tuple[str, ...], str]:
        """Documents without the blank ones, and the whole text; empty where both files are absent.

        The .json says where a document ends, the .txt what the whole text is; either stands in for the other, since
        MUSE joins documents by a blank line.
        """
        as_json, as_text = f"{name}.json", f"{name}.txt"
        if not self.has(as_json) and not self.has(as_text):
            return (), ""
        # MUSE-News has an article without text
        listed = self.texts(as_json, may_be_blank=True)
        whole = self.text(as_text) if self.has(as_text) else "\n\n".join(listed)
        documents = tuple(text for text in listed or _BLANK_LINES.split(whole) if text.strip())
        if not documents:
            raise self.fault(f"{as_json if listed else as_text} has zero documents: add some, or remove the file")
        return documents, whole

    def questions(self, name: str) -> tuple[QA, ...]:
        return tuple(QA(*self.entry(name, n, item, QA._fields)) for n, item in self.items(name))

    def passages(self, name: str) -> tuple[Passage, ...]:
        return tuple(Passage(*self.entry(name, n, item, Passage._fields)) for n, item in self.items(name))

    def texts(self, name: str, may_be_blank: bool = False) -> tuple[str, ...]:
        return tuple(
            self.entry(name, n, {"text": item} if isinstance(item, str) else item, ("text",), may_be_blank)[0]
            for n, item in self.items(name)
        )

    def aucs(self, name: str) -> tuple[tuple[str, float], ...]:
        """AUCs by column, in the order of the file; none where it is absent."""
        if not self.has(name):
            return ()
        table = self.json(name)
        if not isinstance(table, dict):
            raise self.fault(f'{name} is {_kind(table)}, expected an object such as {{"Min-40%": 0.48}}')
        for column, value in table.items():
            if column not in catalog.MEMBERSHIP:
                raise self.fault(
                    f"{name}: {catalog.nearest(column, list(catalog.MEMBERSHIP))}; correct {shown(column)}"
                )
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 < value <= 1:
                raise self.fault(f"{name}: {column} must be an AUC, more than 0 and at most 1: correct it")
        return tuple((column, float(value)) for column, value in table.items())

    def json(self, name: str) -> Any:
        """The parsed content of a file."""
        try:
            return json.loads(self.text(name))
        except json.JSONDecodeError as error:
            raise self.fault(f"{name} line {error.lineno} is bad JSON: {error.msg}; correct it there") from None
        except (ValueError, RecursionError):
            raise self.fault(f"{name} is bad JSON: a number too long or lists too deep; correct it") from None

    def items(self, name: str) -> Iterator[tuple[int, Any]]:
        """Number and value of each item of a JSON list, from 1; none where the file is absent."""
        if not self.has(name):
            return
        table = self.json(name)
        if not isinstance(table, list):
            raise self.fault(f"{name} is {_kind(table)}, expected a list: lay it out as MUSE does")
        if not table:
            raise self.fault(f"{name} has zero items: add some, or remove the file")
        yield from enumerate(table, 1)

    def entry(self, name: str, number: int, item: Any, keys: tuple[str, ...], may_be_blank: bool = False) -> list[str]:
        """The texts under `keys` of one item."""
        where = f"{name} item {number}"
        if not isinstance(item, dict):
            expected = "text" if keys == ("text",) else f"an object with {' and '.join(keys)}"
            raise self.fault(f"{where} is {_kind(item)}, expected {expected}: correct or remove the item")
        for key in keys:
            value = item.get(key)
            if key not in item:
                raise self.fault(f"{where} has no {key}: add it or remove the item")
            if not isinstance(value, str):
                raise self.fault(f"{where}: {key} is {_kind(value)}, expected text: correct or remove the item")
            if not value.strip() and not may_be_blank:
                raise self.fault(f"{where}: {key} is empty: write some text or remove the item")
            if _SURROGATE.search(value):
                raise self.fault(f"{where}: {key} holds half a surrogate pair, which no tokenizer reads: fix the text")
        return [item[key] for key in keys]


def _kind(value: Any) -> str:
    kinds = {str: "text", bool: "true or false", int: "a number", float: "a number", dict: "an object", list: "a list"}
    return kinds.get(type(value), "null")
