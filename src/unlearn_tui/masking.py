"""Secrets out of what a person may paste into a report."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_SECRET_NAME = re.compile(r"token|secret|passw|key|credential|proxy", re.IGNORECASE)
_USER_IN_URL = re.compile(r"(?<=://)[^/\s@]+(?=@)")
_HUB_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{16,}")
SHORTEST = 8
"""Characters of a value that is looked for: a shorter one would blot out words that only look like it."""


def masked(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """`text` without the values of variables that are named like secrets, names and passwords in URLs, hub tokens."""
    values = {v: k for k, v in environ.items() if len(v) >= SHORTEST and _SECRET_NAME.search(k)}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, f"<{values[value]}>")
    return _HUB_TOKEN.sub("<token>", _USER_IN_URL.sub("<user>", text))
