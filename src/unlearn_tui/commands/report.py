"""report: one run as one file to pass on."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from unlearn_tui.commands import console
from unlearn_tui.commands import options as o
from unlearn_tui.errors import Refused

if TYPE_CHECKING:
    from unlearn_tui.report.page import Page
    from unlearn_tui.runs.directory import RunDir


def report(
    run: o.RunRef,
    out: Annotated[
        Path | None, Option("--out", metavar="FILE", help="Where to write it (else RUN.html here); - for stdout.")
    ] = None,
    markdown: Annotated[
        bool, Option("--markdown", help="Markdown instead of HTML, as for a FILE ending in .md.")
    ] = False,
    answers: Annotated[int, Option("--answers", metavar="N", min=0, help="Questions with every answer.")] = 8,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace a file that is there already.")] = False,
    home: o.Home = None,
) -> None:
    """Write a run as one HTML page that needs nothing else, or as Markdown."""
    from unlearn_tui.report.html import html
    from unlearn_tui.report.markdown_page import markdown as in_markdown
    from unlearn_tui.report.text import safe
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.runs.store import find

    found = find(home_of(home), run)
    markdown = markdown or (out is not None and out.suffix.lower() in (".md", ".markdown"))
    path = None if out == Path("-") else _free(out or Path(f"{found.id}.{'md' if markdown else 'html'}"), overwrite)
    page = gather(found, answers)
    content = in_markdown(page) if markdown else html(page)
    if path is None:
        console.write(content)
        return
    _write(path, content)
    console.write(f"{safe(path)}\n")


def gather(run: RunDir, answers: int) -> Page:
    """What there is to say of a run, `answers` of its questions among it. Raises Refused if its files are damaged."""
    from unlearn_tui.commands.present import outcome
    from unlearn_tui.report.answers import examples
    from unlearn_tui.report.page import Page
    from unlearn_tui.state.run import fold_all

    result = outcome(run)
    return Page(result, fold_all(run.events()), examples(run.path, result, answers) if answers else [])


def _free(path: Path, overwrite: bool) -> Path:
    """`path`, if a file may be made there. Raises Refused (field "out")."""
    from unlearn_tui.runs.home import reason

    with contextlib.suppress(RuntimeError):  # ~nobody is a name like any other
        path = path.expanduser()
    try:
        if path.is_dir():
            raise Refused(f"{str(path)!r} is a folder: name a file in it with --out", "out")
        if (path.exists() or path.is_symlink()) and not overwrite:
            raise Refused(f"{str(path)!r} exists already: add --overwrite, or name another file with --out", "out")
        if not path.parent.is_dir():
            raise Refused(f"{str(path)!r} cannot be written: there is no folder {str(path.parent)!r}", "out")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise Refused(
            f"{str(path)!r} cannot be written: {reason(error)}; name another file with --out", "out"
        ) from None
    return path


def _write(path: Path, content: str) -> None:
    from unlearn_tui.runs.directory import write_atomic
    from unlearn_tui.runs.home import reason

    try:
        write_atomic(path, content.encode(errors="replace"), 0o666)
    except OSError as error:
        raise Refused(
            f"{str(path)!r} cannot be written: {reason(error)}; name another file with --out", "out"
        ) from None
