"""Helpers of tests/unit serve here too; real engines without their start-up time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prepared import Prepared

sys.path.append(str(Path(__file__).parents[1] / "unit"))


@pytest.fixture(scope="module")
def engines() -> Iterator[Prepared]:
    """One process a file that has loaded torch, and a fork of it for every engine."""
    with Prepared() as prepared:
        yield prepared
