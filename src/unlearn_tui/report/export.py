"""Tables of any screen as CSV, JSON or Markdown files in which hostile text stays text."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from unlearn_tui.errors import Refused
from unlearn_tui.report.outcome import to_json as json_text
from unlearn_tui.report.text import safe
from unlearn_tui.runs.directory import write_atomic
from unlearn_tui.runs.home import reason

Kind = Literal["csv", "json", "md"]
KINDS: tuple[Kind, ...] = get_args(Kind)

FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # spreadsheets read the wide signs as well
_MARKUP = re.compile(r"[\\`*_\[\]|~$#]")
_LINK = re.compile(r"(?i)(www)(\.)|()(:)(?=//)")
_BREAK = re.compile("\r\n|\r|\n")


@dataclass(frozen=True)
class Table:
    """Columns and rows of plain values: None, bool, int, float or str (anything else is written as its str).

    Every row is as long as `columns`.
    """

    columns: list[str]
    rows: list[list[object]]


def to_csv(table: Table) -> str:
    """RFC 4180 (CRLF, quotes where needed), numbers in full, None and NaN empty.

    A text that a spreadsheet would take for a formula gets an apostrophe in front; control characters, line breaks
    included, become symbols.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_csv_cell(name) for name in table.columns])
    writer.writerows([_csv_cell(value) for value in row] for row in table.rows)
    return out.getvalue()


def to_json(table: Table) -> str:
    """A list of objects, one a row; texts are whole, control characters as escapes; NaN and infinities are null."""
    return json_text(_objects(table))


def to_markdown(table: Table) -> str:
    """A pipe table, numbers right-aligned to six digits, None and NaN as –; line breaks of a text become <br>."""
    right = [
        bool(table.rows) and all(row[i] is None or _is_number(row[i]) for row in table.rows)
        for i in range(len(table.columns))
    ]
    lines = [[md_text(name) for name in table.columns], ["--:" if r else "---" for r in right]]
    lines += [[_md_cell(value) for value in row] for row in table.rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def text(tables: Mapping[str, Table], kind: Kind) -> str:
    """One file's content: a single table as it is; several as headed tables (md) or an object of lists (json).

    Raises Refused for several tables as CSV and for an unknown kind.
    """
    if kind not in KINDS:
        raise Refused(f"no export as {safe(kind)!r}: choose {', '.join(KINDS)}", "kind")
    only = next(iter(tables.values())) if len(tables) == 1 else None
    if kind == "csv":
        if only is None:
            raise Refused(f"a CSV file holds one table and these are {len(tables)}: choose json or md", "kind")
        return to_csv(only)
    if kind == "json":
        return to_json(only) if only else json_text({name: _objects(t) for name, t in tables.items()})
    if only:
        return to_markdown(only)
    return "\n".join(f"## {md_text(name)}\n\n{to_markdown(table)}" for name, table in tables.items())


def write(path: Path, tables: Mapping[str, Table], kind: Kind, overwrite: bool = False) -> None:
    """Write the tables to `path`, whole or not at all.

    Raises Refused (field "path") where something is there already (unless `overwrite`) or the place cannot be written.
    """
    put(path, text(tables, kind), overwrite)


def put(path: Path, content: str, overwrite: bool = False) -> None:
    """Write one file, whole or not at all. Raises Refused as `write` does."""
    shown = repr(safe(path))
    try:
        path = path.expanduser()
        if path.is_dir():
            raise Refused(f"{shown} is a folder: name a file in it", "path")
        if not overwrite and (path.exists() or path.is_symlink()):
            raise Refused(f"{shown} exists already and is left as it is: choose another name", "path")
        if not path.parent.is_dir():
            raise Refused(
                f"{shown} cannot be written: there is no folder {safe(path.parent)!r}; choose another", "path"
            )
        write_atomic(path, content.encode(), 0o666)
    except (OSError, ValueError, RuntimeError) as error:  # NUL in a name; ~ of an unknown user
        raise Refused(f"{shown} cannot be written: {safe(reason(error))}; choose another place", "path") from error


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _no_number(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _csv_cell(value: object) -> str:
    if _no_number(value):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if _is_number(value):
        return repr(value)
    raw = str(value)
    return ("'" if raw.startswith(FORMULA) else "") + safe(raw)


def _objects(table: Table) -> list[dict[str, object]]:
    names = _unique(table.columns)
    return [dict(zip(names, map(_json_value, row), strict=True)) for row in table.rows]


def _unique(names: list[str]) -> list[str]:
    """`names` with ' (2)', ' (3)' … behind those that an object would hold twice."""
    made: list[str] = []
    for name in names:
        number, free = 1, name
        while free in made:
            number += 1
            free = f"{name} ({number})"
        made.append(free)
    return made


def _json_value(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _md_cell(value: object) -> str:
    if _no_number(value):
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return format(value, ".6g")
    return str(value) if isinstance(value, int) else md_text(value)


def md_text(value: object) -> str:
    """`value` as text of a Markdown line or cell: no markup, no link, nothing that HTML would read."""
    parts = []
    for part in _BREAK.split(str(value)):
        part = safe(part).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        parts.append(_LINK.sub(r"\1\3\\\2\4", _MARKUP.sub(r"\\\g<0>", part)).strip())
    return "<br>".join(parts)
