"""The terminal: size, colours, tmux, where copying goes; and what the environment says of the hub and the network.

Of the environment only the values of TERM, TERM_PROGRAM, its version and COLORTERM are shown, of the rest whether it is set.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping

from unlearn_tui.commands.checks import Check, asked
from unlearn_tui.report.text import cut, safe

COLOURS = {"truecolor": "16 million colours", "256": "256 colours", "standard": "16 colours"}
DEAF = ("linux", "dumb", "")
"""Kinds of terminal that have no clipboard."""
KEPT = "and last-copy.txt in the home"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def terminal(environ: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """Size, kind, colours, tmux, clipboard."""
    kind = environ.get("TERM", "")
    size = _size()
    encoding = getattr(sys.stdout, "encoding", None) or "unknown"
    fits = size is None or (size[0] >= 80 and size[1] >= 24)
    where = f"{size[0]}x{size[1]}" if size else "not a terminal"
    enough = fits and encoding.lower().startswith("utf")
    yield Check("terminal", enough, f"{where}, {encoding}", "80x24 and UTF-8 show everything")
    known = [f"{name} {_shown(environ.get(name, ''))}" for name in ("TERM", "TERM_PROGRAM", "COLORTERM")]
    known[1] = (
        f"{known[1]} {_shown(environ['TERM_PROGRAM_VERSION'])}" if "TERM_PROGRAM_VERSION" in environ else known[1]
    )
    remote = "yes" if {"SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT"} & set(environ) else "no"
    yield Check("kind", True, f"{', '.join(known)}, over SSH {remote}")
    colours = _colours(environ)
    off = ", NO_COLOR set: not used" if "NO_COLOR" in environ else ""
    yield Check(
        "colours", colours != "none", f"{colours}{off}", "set TERM to what this terminal is: xterm-256color, say"
    )
    tmux, clipboard = _tmux(environ)
    yield tmux
    yield clipboard or _clipboard(kind, environ)


def _shown(value: str) -> str:
    return cut(safe(value), 40) or "not set"


def _size() -> tuple[int, int] | None:
    """Of whichever stream is a terminal: a report is often sent into a file."""
    for stream in (sys.stdout, sys.stderr, sys.stdin):
        try:
            if stream is not None and stream.isatty():
                return os.get_terminal_size(stream.fileno())
        except (OSError, ValueError):
            continue
    return None


def _colours(environ: Mapping[str, str]) -> str:
    """What a terminal of this environment shows, whether or not this one's output goes to one."""
    from rich.console import Console

    found = Console(force_terminal=True, _environ={k: v for k, v in environ.items() if k != "NO_COLOR"}).color_system
    return COLOURS.get(found or "", found or "none")


def _tmux(environ: Mapping[str, str]) -> tuple[Check, Check | None]:
    """tmux itself, and where copying goes inside it (or inside screen); None outside."""
    if environ.get("STY") and not environ.get("TMUX"):
        return Check("tmux", True, "inside GNU screen instead"), Check(
            "clipboard",
            False,
            f"OSC 52, which screen keeps to itself, {KEPT}",
            "use tmux, or take copies from the file",
        )
    version = (asked(["tmux", "-V"]) or "").removeprefix("tmux ")
    if not environ.get("TMUX"):
        return Check("tmux", True, f"{version}, not inside it" if version else "not installed"), None
    option = asked(["tmux", "show-options", "-sv", "set-clipboard"])
    if option is None:
        why = "does not answer" if version else "the program is not found here"
        return Check("tmux", False, f"inside it, {why}", "attach to it anew: copying and colours rely on it"), Check(
            "clipboard", False, f"OSC 52 to tmux, {KEPT}", "tmux cannot be asked to pass copies on"
        )
    number = re.match(r"\D*(\d+)\.(\d+)", version)
    passes = number is not None and (int(number[1]), int(number[2])) >= (3, 2)
    way = "tmux's buffer and its terminal (load-buffer -w), OSC 52" if passes else "tmux's buffer, OSC 52 to tmux"
    heard = passes or option == "on"
    return Check("tmux", True, f"{version}, inside it, set-clipboard {_shown(option)}"), Check(
        "clipboard", heard, f"{way}, {KEPT}", "tmux set -s set-clipboard on passes copies on to the terminal"
    )


def _clipboard(kind: str, environ: Mapping[str, str]) -> Check:
    deaf = kind in DEAF or environ.get("TERM_PROGRAM") == "Apple_Terminal"
    said = "this terminal does not know it" if deaf else "terminals do not say whether they take it"
    return Check("clipboard", not deaf, f"OSC 52 ({said}), {KEPT}", "take copies from last-copy.txt")


def network(environ: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """The hub and proxies: whether they are set, never to what."""
    token = "set" if environ.get("HF_TOKEN") or environ.get("HUGGING_FACE_HUB_TOKEN") else "not set"
    offline = "set" if environ.get("HF_HUB_OFFLINE") else "not set"
    proxies = [name for name in PROXIES if environ.get(name) or environ.get(name.lower())]
    yield Check(
        "network", True, f"HF_TOKEN {token}, HF_HUB_OFFLINE {offline}, proxies {', '.join(proxies) or 'not'} set"
    )
