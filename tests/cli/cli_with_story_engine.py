"""`python -m cli_with_story_engine ARGS`: the command line, with story_engine in the place of the engine."""

from __future__ import annotations

import sys

from unlearn_tui import cli
from unlearn_tui.runs import launch

if __name__ == "__main__":
    launch.launch.__defaults__ = ("story_engine",)
    cli.main(sys.argv[1:])
