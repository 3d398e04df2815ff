"""Where the shipped files lie: inside the installed package, or in the source tree next to it."""

from __future__ import annotations

from pathlib import Path

import unlearn_tui
from unlearn_tui.errors import Refused


def asset(*parts: str) -> Path:
    """The shipped file or folder `parts`. Raises Refused where the installation lacks it."""
    package = Path(unlearn_tui.__file__).resolve().parent
    # the wheel carries assets/ inside the package; an editable install reads the repository's own
    for root in (package / "assets", package.parent.parent / "assets"):
        found = root.joinpath(*parts)
        if found.exists():
            return found
    raise Refused(f"the shipped {'/'.join(parts)} is not installed: install unlearn-tui again")
