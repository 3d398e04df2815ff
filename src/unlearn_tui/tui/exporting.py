"""e and F8: tables as files, the screen as a picture."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from unlearn_tui.errors import Refused

if TYPE_CHECKING:
    from unlearn_tui.report.export import Table
    from unlearn_tui.tui.app import UnlearnApp

KINDS = {"csv": "a table for spreadsheets", "json": "for programs", "md": "Markdown, to paste into a text"}


def ask(app: UnlearnApp, name: str, tables: dict[str, Table]) -> None:
    """Format, then place, then write; an existing file is only replaced after a question."""
    from unlearn_tui.report import export
    from unlearn_tui.tui.dialogs import Option

    def place(chosen: str) -> None:
        kind = cast("export.Kind", chosen)

        def write(text: str) -> str | None:
            path = Path(text).expanduser()
            if not text.strip():
                return "no name given: type one, or escape"
            if path.exists():
                question = f"{path} is there already. Replace it?"
                # once this line is closed
                app.call_later(app.confirm, question, lambda: save(path, kind, True), "replace")
            else:
                save(path, kind, False)
            return None

        app.prompt(f"write as {kind} to", f"{_slug(name)}.{kind}", write, f"in {Path.cwd()}, or a path of your own")

    def save(path: Path, kind: export.Kind, overwrite: bool) -> None:
        chosen = tables if kind != "csv" else dict([next(iter(tables.items()))])
        app.work(
            lambda: export.write(path, chosen, kind, overwrite=overwrite), lambda _: app.say(f"wrote {path.absolute()}")
        )

    options = [Option(kind, kind, hint) for kind, hint in KINDS.items()]
    app.pick("export as", options, place)


def picture(app: UnlearnApp) -> None:
    """The screen as SVG under a new name in the working directory."""
    from unlearn_tui.runs.directory import write_atomic

    svg = app.export_screenshot(title="unlearn-tui").encode(errors="replace")
    name = _slug(f"unlearn-tui-{app.front}-{time.strftime('%y%m%d-%H%M%S')}")

    def write() -> Path:
        for number in range(1, 1000):
            path = Path.cwd() / (f"{name}.svg" if number == 1 else f"{name}-{number}.svg")
            if not path.exists():
                try:
                    write_atomic(path, svg, 0o666)
                except OSError as error:
                    raise Refused(f"{str(path)!r} cannot be written: {error.strerror}; start elsewhere") from None
                return path
        raise Refused(f"a thousand pictures are called {name}: move some away")

    app.work(write, lambda path: app.say(f"wrote {path}"))


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:80] or "table"
