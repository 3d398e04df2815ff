"""Faults that nobody foresaw: one line for a person, the traceback in a file that can go into a report."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from unlearn_tui.commands import console
from unlearn_tui.masking import masked
from unlearn_tui.report.text import brief, safe

FOLDER = "crashes"
"""Below the home."""
ELSEWHERE = "unlearn-tui-crash-"
"""Begins the name of a file in the folder for temporary files, where the home cannot be written."""
KEPT = 20
LONGEST = 200_000
"""Characters of a traceback: where something calls itself without end, its message may have any length."""
_known: dict[tuple[Path | None, str], Path | None] = {}


def told(error: BaseException, home: Path | None = None, more: str = "") -> int:
    """Keep the traceback, say one line on stderr (`more` at its end), return the exit code of a fault.

    The traceback goes to stderr too where $UNLEARN_TUI_DEBUG is set.
    """
    path = keep(error, home)
    debug(error)
    where = (
        f"its traceback is in {path}" if path else "its traceback could not be written, UNLEARN_TUI_DEBUG=1 shows it"
    )
    what = "put it and what `unlearn-tui doctor` prints into a report"
    console.say(f"error: {name(error)}; {where}: {what}{more}")
    return 1


def debug(error: BaseException) -> None:
    """The traceback on stderr, where somebody wants to see them."""
    if os.environ.get("UNLEARN_TUI_DEBUG"):
        for line in _traceback(error):
            console.say(line)


def name(error: BaseException) -> str:
    """`unforeseen: TypeError: …` in one safe line."""
    try:
        said = str(error)
    except Exception:
        said = "(it cannot say what)"
    return safe(brief(masked(f"unforeseen: {type(error).__name__}{f': {said}' if said else ''}"), limit=300))


def keep(error: BaseException, home: Path | None = None) -> Path | None:
    """Write traceback, versions and arguments to a file that only its owner reads; the same fault again gets no second.

    It lies under `home`, else under the one that the command line names, else in the folder for temporary files.
    None where neither can be written. The newest KEPT are left in either.
    """
    lines = _traceback(error)
    key = (home, "\n".join(lines))
    if key not in _known:
        _known[key] = _write("\n".join([*_about(), *lines, ""]), home)
    return _known[key]


def in_threads() -> None:
    """From now on a thread that nobody waits for ends with a line and a file as well."""

    def hook(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            told(args.exc_value)

    threading.excepthook = hook


def _traceback(error: BaseException) -> list[str]:
    """Without the values of variables, which may be anything."""
    import traceback

    text = masked("".join(traceback.format_exception(error)))
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]}\n…\n{text[-LONGEST // 2 :]}"
    return [safe(line) for line in text.rstrip().split("\n")]


def _about() -> Iterator[str]:
    import platform

    from unlearn_tui.versions import versions

    yield time.strftime("%Y-%m-%d %H:%M:%S %z")
    yield safe(masked(f"arguments: {sys.argv[1:]!r}"))
    yield f"{platform.platform()}, {', '.join(f'{package} {version}' for package, version in versions().items())}"
    yield ""


def _write(text: str, home: Path | None) -> Path | None:
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    data = text.encode(errors="replace")
    with contextlib.suppress(Exception):  # whatever is broken may be what home needs
        from unlearn_tui.runs.home import home as home_of

        folder = home_of(home or _named(sys.argv[1:])) / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        return _new(folder, "", stem, data)
    with contextlib.suppress(OSError):
        import tempfile

        return _new(Path(tempfile.gettempdir()), ELSEWHERE, stem, data)
    return None


def _named(args: Sequence[str]) -> str | None:
    """What --home says, wherever it stands among the arguments."""
    for i, arg in enumerate(args):
        if arg == "--home" and i + 1 < len(args):
            return args[i + 1]
        if arg.startswith("--home="):
            return arg.removeprefix("--home=")
    return None


def _new(folder: Path, prefix: str, stem: str, data: bytes) -> Path:
    """A file that was not there before, 0600, whole or not at all. Raises OSError."""
    for more in ("", *(f"-{i}" for i in range(2, 100))):
        path = folder / f"{prefix}{stem}{more}.log"
        try:
            number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        _prune(folder, prefix, path)
        return path
    raise FileExistsError(str(folder))


def _prune(folder: Path, prefix: str, newest: Path) -> None:
    names = sorted(folder.glob(f"{prefix}[0-9]*-[0-9]*-[0-9]*.log"))
    for path in [other for other in names if other != newest][: -(KEPT - 1)]:
        with contextlib.suppress(OSError):  # in the folder for temporary files, another user's
            path.unlink()
