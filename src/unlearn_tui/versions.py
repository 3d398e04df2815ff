"""Versions of everything that can change an answer, read from package metadata without importing anything."""

from __future__ import annotations

import functools
import platform
from importlib import metadata

PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "bitsandbytes",
    "optimum-quanto",
    "torchao",
    "gptqmodel",
    "rouge-score",
    "numpy",
)


@functools.cache
def _found() -> tuple[tuple[str, str], ...]:
    found = [("python", platform.python_version())]
    for name in ("unlearn-tui", *PACKAGES):
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            found.append((name, "missing"))
    return tuple(found)


def lacking(package: str) -> bool:
    """Whether a package is not installed; "" never is."""
    return bool(package) and versions().get(package, "missing") == "missing"


def versions() -> dict[str, str]:
    """Version by package; "missing" where a package is not installed."""
    return dict(_found())
