"""The registry of keys is whole: every key has its test, its method, and no twin."""

from __future__ import annotations

import importlib
from pathlib import Path

from driver import COVERED

from unlearn_tui.tui import keys
from unlearn_tui.tui.app import UnlearnApp, make_view


def test_every_key_is_pressed_by_some_test() -> None:
    for path in Path(__file__).parent.glob("test_*.py"):
        importlib.import_module(path.stem)
    missing = {(k.view, k.key) for k in keys.KEYS} - COVERED
    assert not missing


def test_no_test_claims_a_key_that_is_not_there() -> None:
    for path in Path(__file__).parent.glob("test_*.py"):
        importlib.import_module(path.stem)
    assert {(k.view, k.key) for k in keys.KEYS} >= COVERED


def test_every_key_has_its_method() -> None:
    for key in keys.KEYS:
        owner = make_view(key.view) if key.view else UnlearnApp
        assert hasattr(owner, f"action_{key.action.partition('(')[0]}"), key


def test_no_key_is_taken_twice_on_one_screen() -> None:
    for view in keys.VIEWS:
        taken = [k.key for k in keys.of(view)]
        assert len(taken) == len(set(taken)), view


def test_a_footer_has_at_most_seven_keys_of_its_own() -> None:
    for view in keys.VIEWS:
        assert len([k for k in keys.KEYS if k.footer and k.view == view]) <= 7
