"""Reading the files of a corpus: JSON lists, JSON Lines, Parquet and text, saying in every fault which file, where and what.

A reader either refuses at the first fault, or keeps them all and leaves the faulty item out (`corpora check`).
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from unlearn_tui.errors import Refused
from unlearn_tui.files import read_limited
from unlearn_tui.sources.wording import plain, shown

LARGEST = 1 << 30
"""Bytes of one file of a corpus."""
MOST_FAULTS = 20
"""Faults of one file that are kept; more are only counted."""
PARQUET = "pip install 'unlearn-tui[hub]'"
_SURROGATE = re.compile("[\ud800-\udfff]")
_BETWEEN = re.compile(r"[\s,]*")


class Fault(NamedTuple):
    """One thing wrong: the file (relative to the corpus), its line from 1 (0: the format has none), and what."""

    file: str
    line: int
    what: str


class Row(NamedTuple):
    """One item of a file: what it is called in a fault ("item 3" of a list, "line 3", "row 3"), and its value."""

    where: str
    number: int
    value: Any


class Reader:
    """Reads one folder's files. Faults raise Refused, or go to `faults` where `keeping`."""

    def __init__(self, folder: Path, field: str = "corpus", name: str = "", keeping: bool = False) -> None:
        self.folder = folder
        self.field = field
        self.name = name or folder.name
        self.keeping = keeping
        self.faults: list[Fault] = []
        self.count = 0
        """Of all faults, those not kept included."""
        self.files: list[Path] = []

    def refusal(self, text: str) -> Refused:
        """A refusal that names the corpus."""
        return Refused(f"corpus {shown(self.name)}: {text}", self.field)

    def fault(self, file: str, what: str, line: int = 0) -> None:
        """Something is wrong with a file. Raises Refused unless faults are kept."""
        if not self.keeping:
            raise self.refusal(f"{plain(file)} {what}")
        self.count += 1
        if sum(f.file == file for f in self.faults) < MOST_FAULTS:
            self.faults.append(Fault(file, line, what))

    def has(self, name: str) -> bool:
        """Whether a file is there, readable or not."""
        try:
            return (self.folder / name).exists()
        except OSError:
            # reading it will say what is wrong
            return True

    def bytes(self, name: str) -> bytes | None:
        """A whole file; None after a fault."""
        if (self.folder / name) not in self.files:
            self.files.append(self.folder / name)
        try:
            return read_limited(self.folder / name, LARGEST)
        except OSError as error:
            self.fault(name, f"cannot be read: {error.strerror or error}; copy it again")
            return None

    def text(self, name: str) -> str | None:
        """A whole file as text without its byte-order mark; None after a fault."""
        data = self.bytes(name)
        try:
            return None if data is None else data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            assert data is not None
            line = data.count(b"\n", 0, error.start) + 1
            self.fault(name, f"line {line} is not UTF-8: save the file as UTF-8", line)
            return None

    def items(self, name: str) -> list[Row]:
        """The items of a JSON list, numbered from 1; none where the file is absent or broken."""
        text = self.text(name) if self.has(name) else None
        if text is None:
            return []
        table = self._json(name, text, 0)
        if table is not None and not isinstance(table[0], list):
            self.fault(name, f"is {kind(table[0])}, expected a list: lay it out as MUSE does", 1)
        elif table is not None and not table[0]:
            self.fault(name, "has zero items: add some, or remove the file", 1)
        elif table is not None:
            return [Row(f"item {n}", n, value) for n, value in enumerate(table[0], 1)]
        return []

    def value(self, name: str) -> Any:
        """The value of a JSON file; None where it is absent, null or broken."""
        text = self.text(name) if self.has(name) else None
        found = None if text is None else self._json(name, text, 0)
        return found[0] if found is not None else None

    def lines(self, name: str) -> list[Row]:
        """The objects of a JSON Lines file, numbered by line; blank lines are passed over."""
        text = self.text(name) if self.has(name) else None
        if text is None:
            return []
        numbered = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
        if not numbered:
            self.fault(name, "has zero lines: add some, or remove the file")
        rows = []
        for number, line in numbered:
            found = self._json(name, line, number)
            if found is not None:
                rows.append(Row(f"line {number}", number, found[0]))
        return rows

    def rows(self, name: str) -> list[Row]:
        """The items of a file in whichever of the formats: by its ending, and for .json by its first character."""
        if name.endswith(".parquet"):
            return self._parquet(name)
        if name.endswith(".json") and self.has(name):
            data = self.bytes(name)
            if data is not None and data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"[":
                return self.items(name)
        return self.lines(name)

    def entry(self, name: str, row: Row, keys: tuple[str, ...], may_be_blank: bool = False) -> list[str] | None:
        """The texts under `keys` of one item; None after a fault."""
        item = row.value
        if not isinstance(item, dict):
            expected = "text" if keys == ("text",) else f"an object with {' and '.join(keys)}"
            self.bad(name, row, f" is {kind(item)}, expected {expected}: correct or remove the item")
            return None
        for key in keys:
            if key not in item:
                self.bad(name, row, f" has no {key}: add it or remove the item")
                return None
            if fault := _text_fault(key, item[key], may_be_blank):
                self.bad(name, row, f": {fault}")
                return None
        return [item[key] for key in keys]

    def bad(self, name: str, row: Row, what: str) -> None:
        """A fault of one item."""
        line = row.number if row.where.startswith("line") else 0
        if self.keeping and row.where.startswith("item"):
            line = self._line_of_item(name, row.number)
        self.fault(name, f"{row.where}{what}", line)

    def _json(self, name: str, text: str, line: int) -> tuple[Any] | None:
        """The value in a tuple, so that null is one; None after a fault. `line`: where the text stands, 0 for all."""
        try:
            return (json.loads(text),)
        except json.JSONDecodeError as error:
            at = line or error.lineno
            self.fault(name, f"line {at} is bad JSON: {error.msg}; correct it there", at)
        except (ValueError, RecursionError):
            where = f"line {line} " if line else ""
            self.fault(name, f"{where}is bad JSON: a number too long or lists too deep; correct it", line)
        return None

    def _line_of_item(self, name: str, number: int) -> int:
        """The line on which an item of a sound JSON list begins."""
        if sum(f.file == name for f in self.faults) >= MOST_FAULTS:
            return 0
        text = read_limited(self.folder / name, LARGEST).decode("utf-8-sig")
        decode = json.JSONDecoder().raw_decode
        at = text.index("[") + 1
        for _ in range(number - 1):
            at = decode(text, _next(text, at))[1]
        return text.count("\n", 0, _next(text, at)) + 1

    def _parquet(self, name: str) -> list[Row]:
        """The rows of a Parquet file as objects."""
        data = self.bytes(name) if self.has(name) else None
        if data is None:
            return []
        if not reads_parquet():
            raise self.refusal(f"{plain(name)} is Parquet, which needs pyarrow: {PARQUET}")
        import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]
        from pyarrow import parquet

        try:
            table = parquet.read_table(pyarrow.BufferReader(data)).to_pylist()
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            said = plain(" ".join(str(error).split()), 120)
            self.fault(name, f"is no Parquet file ({said}): copy it again")
            return []
        if not table:
            self.fault(name, "has zero rows: copy it again, or remove the file")
        return [Row(f"row {n}", n, value) for n, value in enumerate(table, 1)]


def reads_parquet() -> bool:
    """Whether pyarrow is installed."""
    return importlib.util.find_spec("pyarrow") is not None


def _next(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return found.end() if found else at


def _text_fault(key: str, value: Any, may_be_blank: bool) -> str:
    if not isinstance(value, str):
        return f"{key} is {kind(value)}, expected text: correct or remove the item"
    if not value.strip() and not may_be_blank:
        return f"{key} is empty: write some text or remove the item"
    if _SURROGATE.search(value):
        return f"{key} holds half a surrogate pair, which no tokenizer reads: fix the text"
    return ""


def texts_of(reader: Reader, name: str, row: Row, key: str) -> tuple[str, ...] | None:
    """A list of texts under `key` of an object; None after a fault."""
    value = row.value.get(key) if isinstance(row.value, dict) else None
    if not isinstance(value, list) or not value:
        reader.bad(name, row, f": {key} is {kind(value)}, expected a list of texts: correct or remove the item")
        return None
    for text in value:
        if fault := _text_fault(key, text, False):
            reader.bad(name, row, f": {fault}")
            return None
    return tuple(value)


def pick(sound: Iterator[Any] | list[Any]) -> tuple[Any, ...]:
    """Without what was faulty."""
    return tuple(x for x in sound if x is not None)


def kind(value: Any) -> str:
    """A JSON value's kind for people."""
    kinds = {str: "text", bool: "true or false", int: "a number", float: "a number", dict: "an object", list: "a list"}
    return kinds.get(type(value), "null")
