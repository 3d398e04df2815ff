"""The console entry: the app at once where nothing else is asked for, else the command line (cli.py)."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Open the app without loading the command line, which takes half as long again; or hand over to it."""
    from unlearn_tui.errors import Refused

    try:
        sys.exit(_opened())
    except Refused as error:
        from unlearn_tui.commands.console import say

        say(f"error: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        from unlearn_tui.commands.unforeseen import told

        sys.exit(told(error))


def _opened() -> int:
    streams = (sys.stdin, sys.stderr)
    if len(sys.argv) > 1 or not all(stream is not None and stream.isatty() for stream in streams):
        from unlearn_tui.cli import main as command_line

        command_line()
    from unlearn_tui.runs.home import home
    from unlearn_tui.tui.start import start

    return start(home())


if __name__ == "__main__":
    main()
